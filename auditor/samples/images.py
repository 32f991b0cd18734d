"""Samples that are image files, or bytes of such: decoded when asked for."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import torch

from auditor.errors import DataError
from auditor.samples.drawn import Drawn
from auditor.samples.pixels import Unreadable, decode, quiet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from auditor.samples.base import SampleOptions
    from auditor.samples.listing import Listing
    from auditor.types import Images

A = TypeVar("A")
B = TypeVar("B")

_WINDOW = 1024
_KEEP_BYTES = 1 << 26


class Blobs(Protocol):
    """Encoded images by position."""

    def read(self, number: int, /) -> bytes:
        """The bytes of one. Raises OSError where it cannot be read, DataError where it changed since first read."""


@dataclass(frozen=True)
class _Seen:
    shape: tuple[int, ...]
    eight_bit: bool
    digest: bytes


class ImageSamples(Drawn):
    """Encoded images. Each one taken is decoded once at the start, which finds the damaged ones.

    Of the pixels decoded then, 64 MiB are kept, so that small data is not decoded again for every attack.
    """

    def __init__(self, listing: Listing, blobs: Blobs, taken: NDArray[np.int64], options: SampleOptions) -> None:
        """Raises DataError where no image can be read, or sizes differ and `options.size` is not set."""
        self._blobs = blobs
        self._size, self._channels = options.size, options.channels
        self._kept: dict[int, NDArray[Any]] = {}
        self._room = _KEEP_BYTES
        self._lock = threading.Lock()
        seen: dict[int, _Seen] = {}
        flaws: dict[int, str] = {}
        positions = taken.tolist()
        with quiet():
            for position, found in zip(positions, _in_threads(self._inspect, positions), strict=True):
                if isinstance(found, _Seen):
                    seen[position] = found
                    _same_size(listing, seen, position)
                else:
                    flaws[position] = found
        super().__init__(listing, flaws, taken)
        looks = [seen[position] for position in self._positions]
        # One image in colour makes all of them RGB; a gray one then has three equal channels.
        self.shape = (max(look.shape[0] for look in looks), *looks[0].shape[1:])
        self.eight_bit = all(look.eight_bit for look in looks)
        whole = hashlib.sha256(b"".join(look.digest for look in looks))
        whole.update(self._labels.numpy().astype("<i8").tobytes())
        self._digest = whole.hexdigest()

    def fetch(self, indices: Sequence[int]) -> Images:
        images = np.empty((len(indices), *self.shape), np.float32)
        rows = [(row, self._positions[index]) for row, index in enumerate(indices)]
        pending = [(row, position) for row, position in rows if position not in self._kept]
        for row, position in rows:
            if position in self._kept:
                _put(self._kept[position], images[row])

        def fill(place: tuple[int, int]) -> None:
            _put(self._again(place[1]), images[place[0]])

        for _ in _in_threads(fill, pending):
            pass
        return torch.from_numpy(images)

    def _again(self, position: int) -> NDArray[Any]:
        try:
            return self._decode(position)
        except (Unreadable, OSError) as error:
            raise DataError(
                f"{self._listing.name(position)} in {self.source} could be read at first and cannot any more "
                f"({error}); leave the data alone and start again."
            ) from error

    def _decode(self, position: int) -> NDArray[Any]:
        return decode(self._blobs.read(position), self._channels, self._size)

    def _inspect(self, position: int) -> _Seen | str:
        try:
            pixels = self._decode(position)
        except Unreadable as error:
            return str(error)
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"
        digest = hashlib.sha256(repr((pixels.shape, pixels.dtype.str)).encode())
        digest.update(np.ascontiguousarray(pixels).data)
        with self._lock:
            if pixels.nbytes <= self._room:
                self._room -= pixels.nbytes
                self._kept[position] = pixels
        return _Seen(pixels.shape, pixels.dtype == np.uint8, digest.digest())


def _put(pixels: NDArray[Any], image: NDArray[np.float32]) -> None:
    """Write pixels into their place in a batch; a gray image fills every channel there."""
    np.divide(pixels, 255 if pixels.dtype == np.uint8 else 1, out=image, dtype=np.float32)


def _same_size(listing: Listing, seen: dict[int, _Seen], position: int) -> None:
    first = next(iter(seen))
    here, there = seen[position].shape[1:], seen[first].shape[1:]
    if here != there:
        raise DataError(
            f"The images of {listing.source} differ in size: {listing.name(first)} is {there[0]} x {there[1]} and "
            f"{listing.name(position)} is {here[0]} x {here[1]} (height x width); "
            "bring them to one with --input-size H,W."
        )


def _in_threads(function: Callable[[A], B], items: Sequence[A]) -> Iterator[B]:
    """Results in the order of the items; Pillow and hashing leave the interpreter free while they work."""
    threads = min(8, os.cpu_count() or 1, len(items) // 8)
    if threads < 2:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        for window in _windows(items):
            yield from pool.map(function, window)


def _windows(items: Sequence[A]) -> Iterable[Sequence[A]]:
    return (items[start : start + _WINDOW] for start in range(0, len(items), _WINDOW))
