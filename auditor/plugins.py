"""Finding plugins, asking them one by one, and keeping a broken one from hurting anything else.

Every entry point of the group `auditor` is loaded alone. One that fails is rolled back and listed with its
distribution and version. First-party plugins come through the same door as anyone's.

    --without NAME           leave one plugin out, by entry-point name or distribution
    AUDITOR_PLUGINS=a,b      only these third-party plugins
    AUDITOR_NO_PLUGINS=1     no third-party plugin at all
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from auditor import hookspecs
from auditor.border import foreign, said
from auditor.entry_points import ALL, GROUP, OWN, Failure, Isolation, Plugin, entry_points, provenance
from auditor.errors import AuditorError, DataError, ModelError, PluginError, UsageError
from auditor.offers import no_attack, no_check, no_defense, no_extraction, no_format

if TYPE_CHECKING:
    import torch

    from auditor.attack import Attack
    from auditor.check import Check
    from auditor.defense import Defense
    from auditor.events import Event
    from auditor.extraction import Extraction
    from auditor.formats.base import Format
    from auditor.samples.base import SampleOptions, Samples
    from auditor.settings import Settings
    from auditor.target.base import ModelOptions, Target

T = TypeVar("T")

NONE = Isolation()

_COLLECTING = frozenset(f"auditor_{each}" for each in ("attacks", "checks", "defenses", "extractions", "formats"))
_FIRST_RESULT = frozenset({"auditor_load_model", "auditor_load_samples", "auditor_find_attack"})


class Plugins:
    """The plugins at hand, with what they offer; built by `load_plugins` and passed along."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self.loaded: list[Plugin] = []
        self.failures: list[Failure] = []
        self._operators_registered = False

    def register(self, module: object, plugin: Plugin) -> None:
        """Add a plugin, or list it as failed and leave no trace of it."""
        try:
            with foreign():  # Looking at what a module holds may run its code.
                self._manager.register(module, name=plugin.key)
                self._manager.check_pending()
        except Exception as error:
            if self._manager.get_plugin(plugin.key) is not None:
                self._manager.unregister(name=plugin.key)
            self._fail(plugin, "register", error)
            return
        hooks = tuple(sorted(c.name for c in self._manager.get_hookcallers(module) or ()))
        self.loaded.append(Plugin(plugin.name, plugin.distribution, plugin.version, hooks))

    def attacks(self) -> dict[str, type[Attack]]:
        """Attack classes by name. Raises PluginError where two plugins offer one name."""
        return self._collect("auditor_attacks", "name", no_attack)

    def find_attack(self, name: str) -> type[Attack] | None:
        """The first class that a plugin makes for a name that none offers. Raises UsageError where it says so."""
        for plugin, found in self._ask("auditor_find_attack", type, name=name):
            if self._usable(plugin, "auditor_find_attack", no_attack, found):
                return found
        return None

    def defenses(self) -> dict[str, type[Defense]]:
        """Defense classes by name. Raises PluginError where two plugins offer one name."""
        return self._collect("auditor_defenses", "name", no_defense)

    def checks(self) -> dict[str, type[Check]]:
        """Check classes by code. Raises PluginError where two plugins offer one code."""
        return self._collect("auditor_checks", "code", no_check)

    def extractions(self) -> dict[str, type[Extraction]]:
        """Extraction classes by name. Raises PluginError where two plugins offer one name."""
        return self._collect("auditor_extractions", "name", no_extraction)

    def formats(self) -> dict[str, Format]:
        """Formats by name. Raises PluginError where two plugins offer one name."""
        return self._collect("auditor_formats", "name", no_format)

    def offered(self, name: str) -> list[Any]:
        """Attack, defense and check classes and formats of the plugins with this name or of this distribution."""
        return [
            item
            for hook in ("auditor_attacks", "auditor_defenses", "auditor_checks", "auditor_formats")
            for plugin, items in self._ask(hook, list)
            if plugin.answers_to(name)
            for item in items
        ]

    def loaders(self, name: str) -> list[Callable[..., Target | None]]:
        """The model loaders of the plugins with this name or of this distribution, for the conformance kit."""
        return [
            self._manager.get_plugin(plugin.key).auditor_load_model  # type: ignore[union-attr]
            for plugin in self.loaded
            if "auditor_load_model" in plugin.hooks and plugin.answers_to(name)
        ]

    def asked(self, hook: str, **arguments: Any) -> Iterator[Any]:
        """What plugins answer to a hook, one after the other."""
        return (answer for _, answer in self._ask(hook, object, **arguments))

    def templates(self) -> tuple[str, ...]:
        """Import names of the packages whose templates override ours."""
        return tuple(answer for _, answer in self._ask("auditor_templates", str))

    def load_model(self, path: str, options: ModelOptions, device: torch.device) -> Target:
        """The first target that a plugin makes of `path`. Raises ModelError where none can."""
        from auditor.target.base import Target

        self._register_operators()
        for _, target in self._ask("auditor_load_model", Target, path=path, options=options, device=device):
            return target
        raise ModelError(
            f"Nothing here knows how to load {path!r}. Give an ONNX file, a .pt2 archive, or the name of a factory "
            f"such as package.module:factory with --weights FILE.{self._failed('auditor_load_model')}"
        )

    def _register_operators(self) -> None:
        """Let every plugin add its ONNX operators, once."""
        if self._operators_registered or not any("auditor_operators" in plugin.hooks for plugin in self.loaded):
            return
        from auditor.onnx.registry import all_or_none

        self._operators_registered = True
        for _ in self._ask("auditor_operators", type(None), around=all_or_none):
            pass

    def load_samples(self, source: str, options: SampleOptions) -> Samples:
        """The first samples that a plugin makes of `source`. Raises DataError where none can."""
        from auditor.samples.base import Samples

        kind: type[Samples] = Samples  # type: ignore[type-abstract]
        for _, samples in self._ask("auditor_load_samples", kind, source=source, options=options):
            return samples
        raise DataError(
            f"Nothing here knows how to read {source!r}. Give a folder of class folders, an .npz with x and y, a CSV "
            f"of path and label, or a Parquet file.{self._failed('auditor_load_samples')}"
        )

    def notify(self, event: Event) -> None:
        """Tell every plugin that listens."""
        for _ in self._ask("auditor_event", object, event=event):
            pass

    def _ask(
        self,
        hook: str,
        kind: type[T],
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        **arguments: Any,
    ) -> Iterator[tuple[Plugin, T]]:
        """Each plugin's own answer, where it has one; what breaks, or is not of the kind due, is listed.

        `around` wraps each call, and learns of what breaks.
        """
        everyone = [module for _, module in self._manager.list_name_plugin() if module is not None]
        for plugin in [p for p in self.loaded if hook in p.hooks]:
            module = self._manager.get_plugin(plugin.key)
            others = [other for other in everyone if other is not module]
            try:
                with around(), foreign():
                    answer = self._manager.subset_hook_caller(hook, others)(**arguments)
                    if hook not in _FIRST_RESULT:
                        answer = answer[0] if answer else None
                    if hook in _COLLECTING and answer is not None:
                        # Drained here, where a generator's failure can still be told from the tool's own.
                        answer = list(answer)
                    if answer is not None and not isinstance(answer, kind):
                        raise PluginError(f"{hook} answered with {type(answer).__name__}, not {kind.__name__}")
            except Exception as error:
                # A loader's sentence is for the user: the file is its business, and it says what is wrong with it.
                if hook in _FIRST_RESULT and isinstance(error, AuditorError) and not isinstance(error, PluginError):
                    raise
                self._fail(plugin, hook, error)
            else:
                if answer is not None:
                    yield plugin, answer

    def _collect(self, hook: str, key: str, problem: Callable[[Any], str]) -> dict[str, Any]:
        """What all plugins offer, by the attribute `key`; an item with a `problem` is listed, the others stay."""
        found: dict[str, Any] = {}
        owner: dict[str, Plugin] = {}
        for plugin, items in self._ask(hook, list):
            for item in items:
                if not self._usable(plugin, hook, problem, item):
                    continue
                name = getattr(item, key)
                if name in found and found[name] is not item:
                    raise PluginError(_clash(name, owner[name], plugin))
                found[name], owner[name] = item, plugin
        return found

    def _usable(self, plugin: Plugin, hook: str, problem: Callable[[Any], str], item: Any) -> bool:
        """Whether an item has no `problem`; one that has is listed."""
        try:
            with foreign():  # To look at a class or an instance may run its code.
                complaint = problem(item)
        except Exception as error:
            complaint = said(error)
        if complaint:
            self._fail(plugin, hook, PluginError(complaint))
        return not complaint

    def _fail(self, plugin: Plugin, stage: str, error: BaseException) -> None:
        failure = Failure(plugin, stage, said(error))
        if failure not in self.failures:
            self.failures.append(failure)

    def _failed(self, hook: str) -> str:
        broken = [f"{f.plugin} failed: {f.error}" for f in self.failures if f.stage == hook]
        return f" ({'; '.join(broken)})" if broken else ""


def plugins_for(settings: Settings) -> Plugins:
    """The plugins that an audit is made with. Raises UsageError for a name that is not installed."""
    memory = settings.isolate_memory * 2**30
    isolation = Isolation(names=settings.isolate, seconds=settings.isolate_time, memory=memory)
    return load_plugins(settings.without, isolation=isolation)


def load_plugins(
    without: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
    *,
    isolation: Isolation = NONE,
    alone: str = "",
) -> Plugins:
    """Load every entry point that is wanted, each alone; those that are isolated, in processes of their own.

    Args:
        alone: the key of a single plugin; none but it is loaded. Empty: all are.

    Raises:
        UsageError: `without` or `isolation` names a plugin that is not there.
    """
    plugins = Plugins()
    unwanted = set(without)
    only = {name.strip() for name in environ.get("AUDITOR_PLUGINS", "").split(",") if name.strip()}
    none = environ.get("AUDITOR_NO_PLUGINS", "") not in ("", "0")
    seen: set[str] = set()
    for entry in entry_points():
        plugin = provenance(entry)
        seen |= {plugin.name, plugin.distribution}
        if alone and plugin.key != alone:
            continue
        third_party = plugin.distribution != OWN and not alone
        if any(map(plugin.answers_to, unwanted)) or (third_party and none):
            continue
        if third_party and only and not any(map(plugin.answers_to, only)):
            continue
        try:
            with foreign():
                module, failures = _isolated(plugin, isolation) if isolation.wants(plugin) else (entry.load(), [])
        except Exception as error:
            plugins._fail(plugin, "import", error)
            continue
        plugins.register(module, plugin)
        for stage, why in failures:
            plugins._fail(plugin, stage, PluginError(why))
    if missing := ", ".join(map(repr, sorted(unwanted - seen))):
        raise UsageError(f"--without names {missing}, which is not installed; `auditor plugins` lists what is.")
    if missing := ", ".join(map(repr, sorted({*isolation.names} - {*seen, ALL}))):
        raise UsageError(f"--isolate names {missing}, which is not installed; `auditor plugins` lists what is.")
    return plugins


def _isolated(plugin: Plugin, isolation: Isolation) -> tuple[object, list[tuple[str, str]]]:
    """What stands in for a plugin that runs elsewhere; and what cannot be had of it."""
    from auditor.isolation.process import Process
    from auditor.isolation.stand_in import stand_in

    return stand_in(partial(Process, plugin.key, isolation))


def _clash(name: str, first: Plugin, second: Plugin) -> str:
    same = first.name == second.name
    out = [plugin.distribution if same else plugin.name for plugin in (second, first)]
    return f"Both {first} and {second} offer {name!r}. Leave one out with --without {out[0]} or --without {out[1]}."
