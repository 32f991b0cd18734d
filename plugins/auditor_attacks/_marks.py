"""Marks that a sparse search moves about on samples: where they are, of what colour, and what they look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import torch

from auditor_attacks._squares import Canvas

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Images


class Marks(NamedTuple):
    """`places`: `(N, K)` indices of what is marked.  `colours`: `(N, K, channels)` 0 or 1."""

    places: Tensor
    colours: Tensor


@dataclass(frozen=True)
class Surface:
    """What can be marked: `size` pixels of every sample with all of their channels, or every entry by itself."""

    x: Images
    channels: int
    size: int

    @classmethod
    def of(cls, x: Images, unit: str) -> Self:
        """`unit` is `pixel` or `entry`."""
        canvas = Canvas.of(x)
        pixels = canvas.height * canvas.width
        return cls(x, canvas.channels, pixels) if unit == "pixel" else cls(x, 1, canvas.channels * pixels)

    def affordable(self, eps: float) -> int:
        """How many marks change at most `eps` entries."""
        return int(min(eps // self.channels, self.size))

    def marked(self, count: int, rng: Rng) -> Marks:
        """So many random marks on every sample, no two in one place."""
        places = rng.uniform(self.size).topk(count, 1).indices
        return Marks(places, self._colours(places, rng))

    def moved(self, marks: Marks, count: Tensor, rng: Rng) -> Marks:
        """So many marks of every sample, `(N,)`, moved to free places and coloured anew; few stay and are only that."""
        chosen = rng.uniform(marks.places.shape[1]).argsort(1).argsort(1) < count[:, None]
        places = torch.where(chosen, self._onwards(marks.places, rng), marks.places)
        return Marks(places, torch.where(chosen[:, :, None], self._colours(places, rng), marks.colours))

    def painted(self, marks: Marks) -> Images:
        """The samples with their marks. Where two moved to one place, the brighter one is seen."""
        image = self.x.clone()
        at = marks.places[:, None, :].expand(-1, self.channels, -1)
        self._flat(image).scatter_reduce_(2, at, marks.colours.transpose(1, 2), "amax", include_self=False)
        return image

    def _onwards(self, taken: Tensor, rng: Rng) -> Tensor:
        """For every mark a random place, `(N, K)`, among those that are not taken and its own."""
        count = taken.shape[1]
        free = self.size - count
        # A number may round up to 1 when it is multiplied, and there is no place beyond the last.
        place = (rng.uniform(count) * (free + 1)).long().clamp_max_(free)
        # How many taken places come before the i-th free one: those with at most i free ones before them.
        before = taken.sort(1).values - torch.arange(count, device=taken.device)
        return torch.where(place == free, taken, place + torch.searchsorted(before, place, right=True))

    def _colours(self, places: Tensor, rng: Rng) -> Tensor:
        """Black or white in every channel; the contrary where that would not be seen."""
        drawn = rng.integers(2, places.shape[1], self.channels).to(self.x.dtype)
        clean = self._flat(self.x).gather(2, places[:, None, :].expand(-1, self.channels, -1)).transpose(1, 2)
        return torch.where((drawn == clean).all(2, keepdim=True), 1.0 - drawn, drawn)

    def _flat(self, image: Tensor) -> Tensor:
        return image.view(len(image), self.channels, self.size)
