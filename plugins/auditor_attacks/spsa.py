"""SPSA: Uesato, O'Donoghue, van den Oord & Kohli, arXiv:1802.05666."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.lanes import put
from auditor.norms import per_sample
from auditor.types import Norm
from auditor_attacks._finite import Estimate, FiniteDifferences

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Threat

_MEAN, _SQUARE, _TINY = 0.9, 0.999, 1e-12


@dataclass(frozen=True, kw_only=True)
class SPSA(FiniteDifferences):
    """Climbs the margin without gradients: estimates along random corners, and the steps of Adam.

    Finds: weak models whose gradients are missing or wrong, though their scores change smoothly.
    Blind to: scores that are flat or jump; with few queries `square` finds more.
    Cost: `queries` forward passes, `2 * samples` for a step.
    Use it when: `square` and gradients disagree, as a second opinion that follows the slope of the scores.
    """

    name: ClassVar[str] = "spsa"
    paper: ClassVar[str] = "arXiv:1802.05666"

    def drawn(self, rng: Rng, shape: tuple[int, ...], norm: Norm) -> Tensor:
        return _scaled(rng.signs(*shape), norm)

    def step(self, lanes: Estimate, ready: Tensor, number: Tensor, threat: Threat) -> Tensor:
        put(lanes.mean, ready, lanes.total.lerp(lanes.mean, _MEAN))
        put(lanes.square, ready, lanes.total.square().lerp_(lanes.square, _SQUARE))
        # Lanes that never stepped are not ready; what is computed for them goes nowhere.
        number = per_sample(number, lanes.mean).clamp_min(1)
        mean, square = lanes.mean / (1.0 - _MEAN**number), lanes.square / (1.0 - _SQUARE**number)
        ratio = mean.div_(square.sqrt_().add_(_TINY))
        return _scaled(ratio, threat.norm)


def _scaled(direction: Tensor, norm: Norm) -> Tensor:
    """Entries of size 1 to length 1 in the norm."""
    return direction.div_(math.sqrt(direction[0].numel())) if norm is Norm.L2 else direction
