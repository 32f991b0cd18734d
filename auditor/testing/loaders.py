"""Questions for loaders: what the engine relies on of a model in a file, and of files that are damaged or hostile."""

from __future__ import annotations

import inspect
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from auditor.errors import AuditorError
from auditor.target.agreement import agreement
from auditor.target.base import ModelOptions, Target
from auditor.target.binding import bind_to
from auditor.testing.damage import damaged, pickles, unusable
from auditor.testing.kit import Question, demand, demand_untouched, global_state

_CPU = torch.device("cpu")
_FREE = 32
"""Pixels on each side of samples for a model that takes any."""
_ROUNDING = 1e-4
"""How far answers may move with the batch, as a share of their range."""


@dataclass(frozen=True, kw_only=True)
class Loading:
    """A loader, and a model that it loads.

    Attributes:
        load: the hook `auditor_load_model`.
        file: a small model file that it loads; None leaves only what can be asked without one.
        path: what a user would name, where that is not the file itself, such as `package.module:factory`; the file is
            then handed over as `options.weights`.
        options: what the user would say besides.
        x: samples `(N, …)` in `[0, 1]`, five or more; by default random ones of the shape that the model states.
    """

    load: Callable[..., Target | None]
    file: str | Path | None = None
    path: str | None = None
    options: ModelOptions = field(default_factory=ModelOptions)
    x: Tensor | None = None

    @property
    def name(self) -> str:
        return self.load.__module__

    def target(self, file: Path, **said: object) -> Target | None:
        """What the loader makes of a file, raising what the loader raises."""
        options = replace(self.options, **said)  # type: ignore[arg-type]
        if self.path is not None:
            options = replace(options, weights=str(file))
        return self.asked(self.path or str(file), options)

    def asked(self, path: str, options: ModelOptions) -> Target | None:
        given = {"path": path, "options": options, "device": _CPU}
        # As hooks are called: with what they ask for.
        return self.load(**{name: given[name] for name in inspect.signature(self.load).parameters})

    def bound(self, file: Path) -> tuple[Target, Tensor]:
        """The target of a file that loads, ready to be asked, and samples for it."""
        target = self.target(file)
        demand(isinstance(target, Target), f"it made {type(target).__name__} of a file that is its own")
        assert target is not None  # for type checkers: demanded above
        x = self.samples(target)
        bind_to(target, x)
        return target, x

    def samples(self, target: Target) -> Tensor:
        if self.x is not None:
            return self.x
        wanted = target.input_shape
        demand(wanted, "the target states no `input_shape`: give samples for it")
        shape = [_FREE if size is None else size for size in (wanted or ())[1:]]
        return torch.rand(6, *shape, generator=torch.Generator().manual_seed(0))


def loader_questions(loading: Loading) -> Iterator[Question]:
    """Those about strangers' paths, and with a file those about files."""
    yield Question(loading.name, "it says what it loads", partial(_said, loading))
    yield Question(loading.name, "what is not its business it leaves to others", partial(_leaves_others, loading))
    if loading.file is not None:
        for sentence, behaviour in _BEHAVIOURS.items():
            yield Question(loading.name, sentence, partial(behaviour, loading))


def _said(loading: Loading) -> None:
    demand((loading.load.__doc__ or "").strip(), "the hook has no docstring")


def _leaves_others(loading: Loading) -> None:
    with TemporaryDirectory() as folder:
        stranger = Path(folder) / "model.unheard-of"
        stranger.write_bytes(b"\x00\x01\x02")
        for path in (str(stranger), f"{folder}/nowhere.unheard-of", folder, "a word", "<b>\"|'\u202e.unheard-of"):
            demand(loading.asked(path, loading.options) is None, f"of the path {path!r} it made a target")


@contextmanager
def _copied(loading: Loading) -> Iterator[Path]:
    """The file in a folder of its own, with what lies beside it under the same name, such as external data."""
    file = Path(str(loading.file))
    demand(file.is_file(), f"{file} is no file")
    with TemporaryDirectory() as folder:
        for beside in file.parent.iterdir():
            if beside.is_file() and (beside == file or beside.name.startswith(f"{file.stem}.")):
                shutil.copy(beside, folder)
        yield Path(folder) / file.name


def _classifies(loading: Loading) -> None:
    with _copied(loading) as file:
        target, x = loading.bound(file)
        answer = target.answer(x)
        demand(
            answer.shape == (len(x), target.num_classes),
            f"answers of shape {tuple(answer.shape)} to {len(x)} samples and {target.num_classes} classes",
        )
        demand(answer.dtype == torch.float32 and answer.isfinite().all(), "answers that are not finite in float32")
        demand(answer.device == target.device == _CPU, f"asked for {_CPU}, it answers on {answer.device}")


def _any_batch(loading: Loading) -> None:
    with _copied(loading) as file:
        target, x = loading.bound(file)
        whole = target.answer(x)
        room = _ROUNDING * float(whole.max() - whole.min())
        for rows in ([4], [2, 0, 3], [3, 2, 1, 0, 4]):
            far = float((target.answer(x[rows]) - whole[rows]).abs().max())
            demand(far <= room, f"answers to samples {rows} differ by {far:.3g} from those among {len(x)}")


def _same_again(loading: Loading) -> None:
    with _copied(loading) as file:
        (first, x), second = loading.bound(file), loading.bound(file)[0]
        demand(torch.equal(first.answer(x), first.answer(x)), "one sample gets two answers: is it in eval mode?")
        demand(torch.equal(first.answer(x), second.answer(x)), "loaded twice, one file answers in two ways")
        demand(re.fullmatch("[0-9a-f]{64}", first.sha256), f"{first.sha256!r} is no SHA-256 in hex")
        demand(first.sha256 == second.sha256, "loaded twice, one file has two digests")


def _gradients(loading: Loading) -> None:
    with _copied(loading) as file:
        target, x = loading.bound(file)
        demand((target.twin is None) == (target.gradients == "none"), f"gradients {target.gradients!r} and its twin")
        if target.twin is None:
            return  # It says so, and attacks without gradients are chosen.
        found = agreement(target, x)
        demand(found.holds, f"the twin {found.summary}")


def _hands_on_options(loading: Loading) -> None:
    with _copied(loading) as file:
        target = loading.target(file, mean=(0.25,), std=(0.5,))
        said = (target.options.mean, target.options.std) if target else None
        demand(said == ((0.25,), (0.5,)), "what the user said of mean and deviation is not in the target's `options`")


def _leaves_things_alone(loading: Loading) -> None:
    with _copied(loading) as file:
        before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
        state, here = global_state(), os.listdir()
        target, x = loading.bound(file)
        target.answer(x)
        demand_untouched(state)
        demand(os.listdir() == here, "it wrote into the working directory")
        after = {path.name: path.read_bytes() for path in file.parent.iterdir()}
        demand(before == after, "it changed the model file or wrote beside it")


def _missing(loading: Loading) -> None:
    with _copied(loading) as file:
        file.unlink()
        demand(_outcome(loading, file) != "answered", "of a file that is not there it made a model")


def _damage(loading: Loading) -> None:
    with _copied(loading) as file:
        content = file.read_bytes()
        for what, changed in unusable(content):
            file.write_bytes(changed)
            demand(_outcome(loading, file, what) != "answered", f"of a file that {what} it made a model")
        for what, changed in damaged(content):
            file.write_bytes(changed)
            _outcome(loading, file, what)


def _digest_tells(loading: Loading) -> None:
    with _copied(loading) as file:
        content, known = file.read_bytes(), loading.bound(file)[0].sha256
        for what, changed in damaged(content):
            file.write_bytes(changed)
            target = None
            with suppress(Exception):  # what does not load is asked about elsewhere
                target = loading.target(file)
            demand(target is None or target.sha256 != known, f"a file that {what} has the digest it had before")


def _no_pickle(loading: Loading) -> None:
    if loading.options.trust:
        return  # The user accepts that loading runs code.
    with _copied(loading) as file, TemporaryDirectory() as folder:
        marker = Path(folder) / "opened"
        for content in pickles(file.read_bytes(), str(marker)):
            file.write_bytes(content)
            _outcome(loading, file, "holds a pickle")
            demand(not marker.exists(), "it opened a pickle, which runs whatever its author put in")


def _outcome(loading: Loading, file: Path, what: str = "is not there") -> str:
    """`answered`, `refused` by an error of ours that names the file, or `passed` on to others."""
    try:
        target = loading.target(file)
        if target is None:
            return "passed"
        x = loading.samples(target)
        bind_to(target, x)
        target.answer(x)
    except AuditorError as error:
        demand(file.stem in str(error), f"a file that {what} is refused without being named: {error}")
        return "refused"
    except AssertionError:
        raise
    except Exception as error:  # the plugin's own
        seen = f"{type(error).__name__}: {error}".splitlines()[0]
        raise AssertionError(f"a file that {what} ends in {seen}; raise auditor.ModelError with a sentence") from error
    return "answered"


_BEHAVIOURS: dict[str, Callable[[Loading], None]] = {
    "its answers are finite, one score for each class, on the device asked for": _classifies,
    "batches of any size get the same answers": _any_batch,
    "the same file gives the same answers and the same digest": _same_again,
    "another file has another digest": _digest_tells,
    "its gradients are the slopes of its answers": _gradients,
    "what the user says of the model is handed on": _hands_on_options,
    "file, folder, random state and threads stay as they were": _leaves_things_alone,
    "a file that is not there is no model": _missing,
    "a file that is cut, damaged or something else is refused in a sentence": _damage,
    "no pickle is opened": _no_pickle,
}
