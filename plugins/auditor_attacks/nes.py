"""NES: Ilyas, Engstrom, Athalye & Lin, arXiv:1804.08598."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.lanes import put
from auditor.steps import signs, unit_l2
from auditor.types import Norm
from auditor_attacks._finite import Estimate, FiniteDifferences

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.rng import Rng
    from auditor.types import Threat

_MEAN = 0.9


@dataclass(frozen=True, kw_only=True)
class NES(FiniteDifferences):
    """Climbs the margin without gradients: estimates along Gaussian directions, and steps of fixed length.

    The direction of a step is the moving average of the estimates, its signs alone for linf.

    Finds: weak models whose gradients are missing or wrong, though their scores change smoothly.
    Blind to: scores that are flat or jump; with few queries `square` finds more.
    Cost: `queries` forward passes, `2 * samples` for a step.
    Use it when: `square` and gradients disagree, as a second opinion that follows the slope of the scores.
    """

    name: ClassVar[str] = "nes"
    paper: ClassVar[str] = "arXiv:1804.08598"

    def drawn(self, rng: Rng, shape: tuple[int, ...], norm: Norm) -> Tensor:
        direction = rng.normal(*shape)
        return unit_l2(direction) if norm is Norm.L2 else direction

    def step(self, lanes: Estimate, ready: Tensor, number: Tensor, threat: Threat) -> Tensor:
        put(lanes.mean, ready, lanes.total.lerp(lanes.mean, _MEAN))
        return signs(lanes.mean) if threat.norm is Norm.LINF else unit_l2(lanes.mean)
