"""Samples that are rows of one array: `(N, C, H, W)`, `(N, H, W, C)`, `(N, H, W)` or `(N, D)`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from auditor.errors import DataError
from auditor.samples.drawn import Drawn
from auditor.samples.pixels import Unreadable, fit
from auditor.samples.scale import survey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from auditor.samples.base import SampleOptions
    from auditor.samples.listing import Listing
    from auditor.samples.storage import RowFile
    from auditor.types import Images

# ITU-R BT.601 luma as Pillow rounds it, so that an array and the same pictures as files agree.
_LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)


class ArraySamples(Drawn):
    """Rows of an array on disk; rows with NaN or infinite values are left out."""

    def __init__(self, listing: Listing, rows: RowFile, options: SampleOptions) -> None:
        """Raises DataError for shapes that are no samples, values in no known range, or mostly broken rows."""
        self._rows = rows
        self._channel_axis = _channel_axis(rows.shape, listing.source)
        self._channels, self._size = options.channels, options.size
        self._require_images(listing.source)
        taken = listing.take(options)
        found = survey(rows, listing.source)
        self._scale = found.scale
        flaws = {i: "has NaN or infinite values" for i in taken.tolist() if i in found.broken}
        if 2 * len(flaws) > len(taken):
            raise DataError(
                f"{len(flaws)} of the {len(taken)} samples taken from {listing.source} have NaN or infinite values; "
                "correct the data before it is audited."
            )
        super().__init__(listing, flaws, taken)
        self._look()

    def _look(self) -> None:
        """One pass over the samples taken: their shape, digest, and whether they are 8-bit pixels."""
        digest = hashlib.sha256()
        self.eight_bit = True
        for block in self._rows.blocks(np.asarray(self._positions)):
            pixels = self._pixels(block)
            digest.update(np.ascontiguousarray(pixels).data)
            self.shape = pixels.shape[1:]
            if pixels.dtype != np.uint8:
                steps = pixels * np.float32(255)
                self.eight_bit &= bool((np.abs(steps - np.rint(steps)) < 1e-3).all())
        digest.update(repr((self.shape, self._scale)).encode())
        digest.update(self._labels.numpy().astype("<i8").tobytes())
        self._digest = digest.hexdigest()

    def fetch(self, indices: Sequence[int]) -> Images:
        positions = np.asarray([self._positions[index] for index in indices], dtype=np.int64)
        if not len(positions):
            return torch.empty((0, *self.shape))
        pixels = self._pixels(positions)
        images = np.empty(pixels.shape, np.float32)
        return torch.from_numpy(np.divide(pixels, 255 if pixels.dtype == np.uint8 else 1, out=images, dtype=np.float32))

    def _pixels(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Rows `(n, C, H, W)` as they will be seen: uint8, or float32 in `[0, 1]`."""
        pixels = self._scale.apply(self._rows.read(positions))
        if self._channel_axis is None:
            return pixels
        pixels = pixels[:, None] if pixels.ndim == 3 else np.moveaxis(pixels, self._channel_axis, 1)
        if self._channels is not None and self._channels != pixels.shape[1]:
            pixels = _gray(pixels) if self._channels == 1 else np.repeat(pixels, 3, axis=1)
        if self._size is not None and pixels.shape[2:] != self._size:
            try:
                pixels = np.stack([_fit(row, self._size) for row in pixels])
            except Unreadable as error:
                raise DataError(f"A sample of {self.source} {error}.") from error
        return pixels

    def _require_images(self, source: str) -> None:
        shape = self._rows.shape
        if self._channel_axis is None:
            if self._size is not None or self._channels is not None:
                raise DataError(
                    f"{source} holds samples of shape {shape[1:]}, which are no images, so they cannot be brought to "
                    "another size or number of channels; leave out --input-size."
                )
            return
        channels = 1 if len(shape) == 3 else shape[self._channel_axis]
        if self._channels is not None and channels not in (1, 3):
            raise DataError(
                f"{source} holds images of {channels} channels, which cannot be made {self._channels}; "
                "save them with 1 or 3 channels."
            )


def _channel_axis(shape: tuple[int, ...], source: str) -> int | None:
    """Where the channels are: 1 or 3 (or nowhere yet, for gray `(N, H, W)`: 1); None for what is no image."""
    if len(shape) < 2 or 0 in shape[1:]:
        raise DataError(
            f"{source} holds an array of shape {shape}; samples are (N, C, H, W), (N, H, W, C), (N, H, W) or (N, D)."
        )
    if shape[0] == 0:
        raise DataError(f"{source} holds no samples; give data with at least one labelled sample.")
    if len(shape) == 3:
        return 1
    if len(shape) != 4:
        return None
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first != last:
        return 1 if first else 3
    return 1 if shape[1] <= shape[3] else 3


def _gray(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.dtype == np.uint8:
        luma = np.tensordot(pixels.astype(np.uint32), _LUMA, axes=(1, 0))
        return ((luma + 0x8000) >> 16).astype(np.uint8)[:, None]
    weights = (_LUMA / np.float32(65536)).astype(np.float32)
    return np.tensordot(pixels, weights, axes=(1, 0))[:, None].astype(np.float32)


def _fit(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """One image `(C, H, W)` brought to `size`."""
    return np.stack([np.asarray(fit(Image.fromarray(np.ascontiguousarray(plane)), size)) for plane in pixels])
