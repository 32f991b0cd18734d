"""One patch for all pictures, wherever it lies: Brown et al., arXiv:1712.09665."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional

from auditor.attack import Passes
from auditor.parameters import parameter
from auditor.spaces import patch_side
from auditor.types import Access, Norm
from auditor.universal import UniversalAttack
from auditor_attacks import _losses
from auditor_attacks._patches import corners, put, taken

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class AdversarialPatch(UniversalAttack):
    """Learns the picture on a square that fools the model wherever in a photograph it is put.

    Finds: objects that a network takes for more important than everything else in sight.
    Blind to: the best place in each picture; `places` tries several, `patch-pgd` looks for it.
    Cost: `places` forward passes a sample; learning takes `steps` forward and backward passes of `batch` samples.
    Use it when: somebody may print something and put it into the scene. `patterns/` in the run holds the patch.
    """

    name: ClassVar[str] = "adversarial-patch"
    paper: ClassVar[str] = "arXiv:1712.09665"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.PATCH})
    access: ClassVar[Access] = Access.GRADIENTS
    images_only: ClassVar[bool] = True

    steps: int = parameter(200, help="steps of learning", low=1, high=1_000_000)
    batch: int = parameter(32, help="samples in a step", low=1, high=100_000)
    step_size: float = parameter(0.1, help="length of the first step, in pixel values", low=0.0, high=1.0)
    smoothness: float = parameter(0.0, help="weight of the patch's total variation", low=0.0, high=1000.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.places + 1)

    def learn(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        side = patch_side(threat.eps, *x.shape[2:])
        patch = torch.full((1, x.shape[1], side, side), 0.5, device=x.device)
        velocity = torch.zeros_like(patch)
        for step in range(self.steps):
            rows = (torch.arange(step * self.batch, (step + 1) * self.batch, device=x.device) % len(x))[: len(x)]
            top, left = (corner[rows] for corner in corners(x, side, rng))
            points = put(patch, x[rows], top, left)
            slope = target.select(rows).gradient(points, y[rows], _losses.untargeted("margin")).gradient
            ascent = taken(slope, top, left, side).mean(0, keepdim=True) - self.smoothness * _variation_slope(patch)
            velocity = 0.9 * velocity + ascent / ascent.abs().mean().clamp_min(1e-30)
            patch = (patch + self.step_size * (1.0 - step / self.steps) * velocity.sign()).clamp(0.0, 1.0)
        return patch[0]

    def apply(self, pattern: Tensor, x: Images, threat: Threat, rng: Rng) -> Images:
        return put(pattern[None], x, *corners(x, pattern.shape[-1], rng))


def _variation_slope(patch: Tensor) -> Tensor:
    """Half the gradient of the sum of squared differences of neighbours."""
    around = functional.pad(patch, (1, 1, 1, 1), mode="replicate")
    neighbours = around[..., 1:-1, 2:] + around[..., 1:-1, :-2] + around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
    return 4.0 * patch - neighbours
