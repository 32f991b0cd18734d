"""Gradients averaged over a small neighbourhood, for models whose own are rough, or infinite at single points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from auditor.types import Images, Logits


@dataclass(frozen=True)
class Nearby:
    """The mean answer at a few points around each sample: its gradient is the mean of theirs (as Smilkov et al.,
    arXiv:1706.03825, average it over noise). The points are displaced alike for every sample and every time, so that
    neither batches nor resuming change them.

    Attributes:
        radius: by how much each entry is displaced at most.
        points: how many there are; an answer costs as many passes.
    """

    radius: float
    points: int = 10

    def mean(self, answer: Callable[[Images], Logits], x: Images) -> Logits:
        """The mean of what `answer` says around `x`, `(N, …)` in `[0, 1]`; never at the walls, where slopes may end."""
        generator = torch.Generator().manual_seed(0)
        logits = []
        for _ in range(self.points):
            move = self.radius * (2.0 * torch.rand(x.shape[1:], generator=generator).to(x) - 1.0)
            outside = (x.detach() + move - 0.5).abs() >= 0.5
            logits.append(answer(x + torch.where(outside, -move, move)))
        return torch.stack(logits).mean(0)
