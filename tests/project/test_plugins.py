"""One broken plugin hurts nothing but itself, and every failure names the distribution that brought it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from auditor import DataError, ModelError, ModelOptions, PluginError, SampleOptions, UsageError
from auditor.entry_points import Failure
from auditor.events import ScanStarted
from auditor.plugins import Plugins, load_plugins
from tests.project.installed import SitePackages, attack

OURS = {"attacks", "checks", "defenses", "dvc", "formats", "loaders", "mlflow", "samples"}
CPU = torch.device("cpu")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SitePackages]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield SitePackages(tmp_path)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def load(*without: str, **environ: str) -> Plugins:
    """The plugins of this process; the ambient environment has no say in them."""
    return load_plugins(without, environ)


def names(plugins: Plugins) -> set[str]:
    return {plugin.name for plugin in plugins.loaded}


def acme(plugins: Plugins) -> set[str]:
    """The plugins that a test installed; whatever else is installed here is none of its business."""
    return {plugin.name for plugin in plugins.loaded if plugin.distribution.startswith("acme-")}


def failure_of(plugins: Plugins, name: str) -> Failure:
    (failure,) = [f for f in plugins.failures if f.plugin.name == name]
    return failure


def test_a_third_party_attack_stands_beside_ours_with_its_provenance(site: SitePackages) -> None:
    site.install("acme-attacks", "acme", attack("idle"))
    plugins = load()
    assert {"idle", "pgd"} <= set(plugins.attacks())
    (acme,) = [plugin for plugin in plugins.loaded if plugin.name == "acme"]
    assert (str(acme), acme.hooks) == ("acme (acme-attacks 1.0)", ("auditor_attacks",))


@pytest.mark.parametrize(
    ("source", "stage", "error"),
    [
        ("import a_module_that_is_not_there", "import", "ModuleNotFoundError"),
        ("import sys; sys.exit('goodbye')", "import", "SystemExit: goodbye"),
        ("def broken(:", "import", "SyntaxError"),
        (
            "from auditor import hookimpl\n@hookimpl\ndef auditor_atacks(): return []",
            "register",
            "unknown hook 'auditor_atacks'",
        ),
        (
            "from auditor import hookimpl\n@hookimpl\ndef auditor_attacks(): return []\n"
            "@hookimpl\ndef auditor_event(event, mood): pass",
            "register",
            "mood",
        ),
    ],
    ids=["missing module", "exit on import", "syntax error", "unknown hook", "wrong arguments"],
)
def test_a_plugin_that_does_not_load_is_listed_and_leaves_no_trace(
    site: SitePackages, source: str, stage: str, error: str
) -> None:
    site.install("acme-broken", "broken", source)
    # By name it comes later, so a trace of the broken one would meet it.
    site.install("acme-fine", "fine", attack("idle"))
    plugins = load()
    failure = failure_of(plugins, "broken")
    assert str(failure.plugin) == "broken (acme-broken 1.0)"
    assert failure.stage == stage
    assert error in failure.error
    assert acme(plugins) == {"fine"}
    assert "idle" in plugins.attacks()
    assert len(plugins.failures) == 1


@pytest.mark.parametrize(
    "body",
    [
        "raise RuntimeError('no')",
        "raise SystemExit(3)",
        "raise auditor.ModelError('a sentence that is no business of this hook')",
        "yield auditor.Attack; raise RuntimeError('half-way')",
        "return 7",
        "return ['pgd']",
        "return [type('Nameless', (auditor.Attack,), {})]",
    ],
)
def test_a_hook_that_breaks_is_listed_and_the_others_answer(site: SitePackages, body: str) -> None:
    site.install("acme-raises", "raises", f"import auditor\n@auditor.hookimpl\ndef auditor_attacks():\n    {body}\n")
    plugins = load()
    assert {"pgd", "apgd"} <= set(plugins.attacks())
    assert failure_of(plugins, "raises").stage == "auditor_attacks"


def test_a_hook_may_be_a_generator(site: SitePackages) -> None:
    site.install("acme-yields", "yields", attack("idle").replace("return [Idle]", "yield Idle"))
    assert "idle" in load().attacks()


def test_a_hook_may_answer_with_nothing(site: SitePackages) -> None:
    site.install("acme-quiet", "quiet", "import auditor\n@auditor.hookimpl\ndef auditor_attacks(): return None")
    plugins = load()
    assert "pgd" in plugins.attacks()
    assert not [f for f in plugins.failures if f.plugin.name == "quiet"]


def test_a_listener_that_raises_does_not_stop_the_scan(site: SitePackages) -> None:
    site.install("acme-ears", "ears", "import auditor\n@auditor.hookimpl\ndef auditor_event(event): 1 / 0")
    plugins = load()
    for _ in range(3):
        plugins.notify(ScanStarted(models=("m",), samples=1, run="r"))
    assert failure_of(plugins, "ears").error == "ZeroDivisionError: division by zero"


def test_a_loader_that_breaks_is_named_where_no_other_loads_the_model(site: SitePackages) -> None:
    source = "import auditor\n@auditor.hookimpl\ndef auditor_load_model(path): raise KeyError('oops')"
    site.install("acme-loader", "loader", source)
    with pytest.raises(ModelError, match=r"knows how to load 'model\.xyz'.*loader \(acme-loader 1\.0\) failed"):
        load().load_model("model.xyz", ModelOptions(), CPU)


def test_a_loader_that_answers_with_something_else_than_a_target_is_passed_over(site: SitePackages) -> None:
    source = "import auditor\n@auditor.hookimpl\ndef auditor_load_model(path): return path"
    site.install("acme-loader", "loader", source)
    plugins = load()
    with pytest.raises(ModelError, match="answered with str, not Target"):
        plugins.load_model("model.xyz", ModelOptions(), CPU)


def test_a_loaders_sentence_reaches_the_user(site: SitePackages) -> None:
    source = """
        import auditor

        @auditor.hookimpl
        def auditor_load_samples(source):
            if source.endswith(".xyz"):
                raise auditor.DataError("The file is empty.")
    """
    site.install("acme-data", "data", source)
    with pytest.raises(DataError, match=r"^The file is empty\.$"):
        load().load_samples("data.xyz", SampleOptions())


def test_two_plugins_that_offer_one_name_are_an_error_that_names_both_and_the_way_out(site: SitePackages) -> None:
    site.install("acme-one", "one", attack("idle"))
    site.install("acme-two", "two", attack("idle"))
    with pytest.raises(PluginError, match=r"one \(acme-one 1\.0\) and two \(acme-two 1\.0\) offer 'idle'") as caught:
        load().attacks()
    assert "--without two or --without one" in str(caught.value)
    assert "idle" in load("two").attacks()


def test_two_distributions_may_use_one_entry_point_name(site: SitePackages) -> None:
    site.install("acme-one", "attacks", attack("idle"))
    site.install("acme-two", "attacks", attack("lazy"))
    plugins = load()
    assert {"idle", "lazy", "pgd"} <= set(plugins.attacks())
    assert not plugins.failures


def test_a_clash_under_one_entry_point_name_is_resolved_by_distribution(site: SitePackages) -> None:
    site.install("acme-one", "attacks", attack("idle"))
    site.install("acme-two", "attacks", attack("idle"))
    with pytest.raises(PluginError, match="--without acme-two or --without acme-one"):
        load().attacks()
    assert "idle" in load("acme-one").attacks()


def test_a_broken_plugin_under_our_entry_point_name_does_not_take_ours_with_it(site: SitePackages) -> None:
    source = "from auditor import hookimpl\n@hookimpl\ndef auditor_atacks(): return []"
    site.install("acme-evil", "attacks", source)
    plugins = load()
    assert "pgd" in plugins.attacks()
    assert failure_of(plugins, "attacks").plugin.distribution == "acme-evil"


@pytest.mark.parametrize("without", ["acme", "acme-attacks"])
def test_a_plugin_is_left_out_by_its_name_or_its_distribution(site: SitePackages, without: str) -> None:
    site.install("acme-attacks", "acme", "raise RuntimeError('must not be imported')")
    plugins = load(without)
    assert not acme(plugins)
    assert not plugins.failures


def test_leaving_out_what_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'no-such-plugin', which is not installed"):
        load("no-such-plugin")


def test_the_allow_list_bars_other_third_parties_before_they_are_imported(site: SitePackages) -> None:
    site.install("acme-one", "one", attack("idle"))
    site.install("acme-two", "two", "raise RuntimeError('must not be imported')")
    plugins = load(AUDITOR_PLUGINS="one, three")
    assert names(plugins) == OURS | {"one"}
    assert not plugins.failures


def test_the_kill_switch_leaves_only_ours(site: SitePackages) -> None:
    site.install("acme-one", "one", attack("idle"))
    assert names(load(AUDITOR_NO_PLUGINS="1")) == OURS


@pytest.mark.parametrize("value", ["0", ""])
def test_a_kill_switch_that_is_off_is_off(site: SitePackages, value: str) -> None:
    site.install("acme-one", "one", attack("idle"))
    assert acme(load(AUDITOR_NO_PLUGINS=value)) == {"one"}


@pytest.mark.parametrize("metadata", [b"", b"Name: \xff\n", b"Summary: nameless\n"])
def test_damaged_metadata_does_not_keep_a_plugin_from_being_named(site: SitePackages, metadata: bytes) -> None:
    site.install("acme-bare", "bare", "raise RuntimeError('no')", metadata=metadata)
    assert str(failure_of(load(), "bare").plugin) == "bare (unknown distribution ?)"


def test_the_command_lists_what_is_broken_and_still_answers(site: SitePackages) -> None:
    site.install("acme-exit", "exits", "import sys; sys.exit(7)")
    site.install("acme-typo", "typo", "from auditor import hookimpl\n@hookimpl\ndef auditor_atacks(): return []")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "auditor", "plugins"],
        env={**os.environ, "PYTHONPATH": str(site.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "broken: exits (acme-exit 1.0), at import: SystemExit: 7" in done.stdout
    assert "broken: typo (acme-typo 1.0), at register:" in done.stdout
    assert "attacks" in done.stdout


OPERATOR = """
    import auditor

    @auditor.hookimpl
    def auditor_operators():
        from auditor.onnx import operator

        @operator("{name}", domain="com.acme")
        def build(node):
            return lambda x: 2 * x

        {then}
"""


@pytest.fixture
def registry() -> Iterator[None]:
    """Registrations made in a test end with it."""
    from auditor.onnx.registry import all_or_none

    with contextlib.suppress(InterruptedError), all_or_none():
        yield
        raise InterruptedError


@pytest.mark.usefixtures("registry")
def test_operators_of_a_plugin_are_there_before_the_first_model_is_loaded(site: SitePackages, tmp_path: Path) -> None:
    from auditor.onnx.registry import find_operator

    site.install("acme-doubles", "doubles", OPERATOR.format(name="Double", then=""))
    plugins = load()
    assert find_operator("Double", "com.acme", 1) is None
    for _ in range(2):
        with pytest.raises(ModelError, match="no model file"):
            plugins.load_model(str(tmp_path / "m.onnx"), ModelOptions(), CPU)
    assert find_operator("Double", "com.acme", 1) is not None
    assert not [failure for failure in plugins.failures if failure.plugin.name == "doubles"]


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("then", "error"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return [build]", "answered with list, not NoneType"),
    ],
)
def test_operators_of_a_plugin_that_breaks_go_again_and_those_of_others_stay(
    site: SitePackages, tmp_path: Path, then: str, error: str
) -> None:
    from auditor.onnx.registry import find_operator

    site.install("acme-broken", "broken", OPERATOR.format(name="Half", then=then))
    site.install("acme-doubles", "doubles", OPERATOR.format(name="Double", then=""))
    plugins = load()
    with pytest.raises(ModelError, match="no model file"):
        plugins.load_model(str(tmp_path / "m.onnx"), ModelOptions(), CPU)
    assert error in failure_of(plugins, "broken").error
    assert str(failure_of(plugins, "broken").plugin) == "broken (acme-broken 1.0)"
    assert find_operator("Half", "com.acme", 1) is None
    assert find_operator("Double", "com.acme", 1) is not None
    assert find_operator("Relu", "", 17) is not None


_FINDER = """
    from auditor import UsageError, hookimpl
    from auditor_attacks.fgsm import FGSM

    @hookimpl
    def auditor_find_attack(name):
        library, _, attack = name.partition(":")
        if library != "acme":
            return None
        if attack == "broken":
            raise RuntimeError("no idea")
        if attack != "fast":
            raise UsageError("acme has no attack but fast.")
        return type("Fast", (FGSM,), {"name": name})
"""


def test_attacks_are_made_for_names_that_nothing_offers(site: SitePackages) -> None:
    site.install("acme-bridge", "bridge", _FINDER)
    plugins = load()
    found = plugins.find_attack("acme:fast")
    assert found is not None
    assert found.name == "acme:fast"
    assert plugins.find_attack("elsewhere:fast") is None
    with pytest.raises(UsageError, match="no attack but fast"):
        plugins.find_attack("acme:slow")
    assert plugins.find_attack("acme:broken") is None
    assert failure_of(plugins, "bridge").error == "RuntimeError: no idea"
