"""A model that was audited, as far as it is needed when it is not loaded: others are, in its place."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from auditor.errors import ModelError

if TYPE_CHECKING:
    from auditor.engine.done import Done
    from auditor.engine.standing import Clean
    from auditor.target.base import Target
    from auditor.target.through import Past

T = TypeVar("T")


@dataclass(frozen=True)
class Contender:
    """What its audit settled, and what it says of the clean samples.

    Attributes:
        name: as the run calls it.  source: as the user named it.  sha256: of its file.
        read: how samples get into it, in words.
        gradients: whether they may be followed.  through: what they pass as if it were not there.
        draws: answers over which it is judged.
        done: its threats, with what is known of every sample.
    """

    name: str
    source: str
    sha256: str
    read: str
    clean: Clean
    num_classes: int
    gradients: bool
    through: Past
    draws: int
    classes: tuple[str, ...] | None = None
    done: Sequence[Done] = ()

    @classmethod
    def of(cls, target: Target, clean: Clean, done: Sequence[Done] = ()) -> Contender:
        """The model whose audit this target went through."""
        return cls(
            name=target.name,
            source=target.source,
            sha256=target.sha256,
            read=target.preprocessing.describe(),
            clean=clean,
            num_classes=target.num_classes,
            gradients=target.twin is not None,
            through=target.through,
            draws=target.draws,
            classes=target.classes,
            done=done,
        )

    @property
    def identity(self) -> tuple[Any, ...]:
        """What decides its answers."""
        return (self.name, self.sha256, self.read, self.draws, self.through)

    def visit(self, load: Callable[[str], Target], use: Callable[[Target], T]) -> T:
        """What `use` makes of the model, loaded as its audit left it, and let go of before this returns.

        Raises:
            AuditorError: it cannot be loaded any more, or is another file.
        """
        try:
            return self._used(load, use)
        finally:
            release()

    def _used(self, load: Callable[[str], Target], use: Callable[[Target], T]) -> T:
        target = self.restored(load)
        with target.frozen():
            return use(target)

    def restored(self, load: Callable[[str], Target]) -> Target:
        """The model, loaded again. Raises AuditorError as `visit`."""
        target = load(self.source)
        if target.sha256 != self.sha256:
            raise ModelError(f"{self.source} changed while the scan ran; scan again.")
        target.name, target.draws, target.through = self.name, self.draws, self.through
        if not self.gradients:
            target.drop_twin()
        return target


@contextmanager
def quick_release() -> Iterator[None]:
    """Within it `release` passes over what was there before, which would be most of its time: nothing of a model."""
    frozen = gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()


def release() -> None:
    """Free what nobody holds any more. Networks and their runtimes lie in cycles that are collected late otherwise."""
    gc.collect()
