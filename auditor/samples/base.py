"""What labelled data is: something with a length, read by index, so that memory does not grow with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.types import Images, Labels


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """What the user said about the data.

    Attributes:
        limit: take at most so many samples, drawn class by class in proportion (stratified), reproducibly by `seed`.
        size: `(H, W)` to bring images to (shorter side scaled, then the centre cut); None keeps them as they are.
        channels: 1 or 3 to convert to gray or RGB; None keeps what the data has.
        classes: names in the order of the model's outputs; maps class names of the data to label numbers.
        root: folder that relative paths in a CSV start from; None is the folder of the CSV.
        split: which part of a data set that has parts (torchvision): `"test"` or `"train"`.
    """

    limit: int | None = None
    seed: int = 0
    size: tuple[int, int] | None = None
    channels: int | None = None
    classes: tuple[str, ...] | None = None
    root: str | None = None
    split: str = "test"


@dataclass(frozen=True)
class Skipped:
    """A sample that was left out, by its name in the source, and why."""

    name: str
    reason: str


class Samples(ABC):
    """Labelled samples of one shape, in `[0, 1]`; positions `0 … len - 1` are stable between runs.

    Attributes:
        source: what the user named.
        shape: `(C, H, W)` of every sample; for other domains any shape without the batch.
        classes: class names by label where the source has names, else None.
        skipped: what was left out, and why (corrupt, unreadable, unlabelled).
        eight_bit: True where every pixel is a multiple of 1/255, so that rounding to 8 bits is meaningful.
    """

    source: str
    shape: tuple[int, ...]
    classes: tuple[str, ...] | None = None
    skipped: tuple[Skipped, ...] = ()
    eight_bit: bool = False

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def labels(self) -> Labels:
        """All labels, `(len,)` int64; cheap, kept in memory."""

    @abstractmethod
    def fetch(self, indices: Sequence[int]) -> Images:
        """The samples at these positions, `(n, *shape)` float32 on the CPU, read now and not kept.

        Raises:
            DataError: a sample changed or vanished since the source was opened.
        """

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Digest of the samples taken and their labels, in order: two runs on the same data agree in it."""

    def names(self, indices: Sequence[int]) -> list[str]:
        """What a person calls these samples: file names where there are any, else their positions."""
        return [str(index) for index in indices]
