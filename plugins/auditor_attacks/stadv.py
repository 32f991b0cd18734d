"""Spatially transformed examples: Xiao et al., arXiv:1801.02612."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks import _losses

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Labels, Threat


@dataclass(frozen=True, kw_only=True)
class StAdv(Attack):
    """Lets pixels flow: climbs the loss over a field of displacements that is kept smooth, within a longest way.

    Finds: distortions that no norm of pixels would call small, and that people hardly see.
    Blind to: changes of colour and light.
    Cost: `steps` backward and `steps + 1` forward passes.
    Use it when: a model was hardened in a norm, to see whether it is robust or only that.

    The paper minimises the flow's variation beside the loss with L-BFGS and has no budget; here the budget is the
    longest displacement, and the variation is a penalty as there.
    """

    name: ClassVar[str] = "stadv"
    paper: ClassVar[str] = "arXiv:1801.02612"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.FLOW})
    access: ClassVar[Access] = Access.GRADIENTS
    images_only: ClassVar[bool] = True

    steps: int = parameter(60, help="steps", low=1, high=100_000)
    step_size: float = parameter(0.2, help="length of the first step in units of eps", low=0.0, high=2.0)
    smoothness: float = parameter(0.05, help="weight of the flow's variation beside the loss", low=0.0, high=1000.0)
    loss: str = parameter("margin", help="what the steps raise", choices=("ce", "margin", "dlr"))

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.steps + 1, backwards=self.steps)

    def perturb(self, target: View, x: Tensor, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        loss = _losses.untargeted(self.loss)
        # At rest the bilinear kernel has kinks in all directions; a little way off it has a slope.
        flow: Tensor = threat.project(0.1 * threat.eps * rng.normal(*x.shape[1:]), x)
        mean, square = torch.zeros_like(x), torch.zeros_like(x)
        for step in range(self.steps):
            ascent = target.gradient(flow, y, loss).gradient
            # Losses of any scale, so that the penalty weighs the same against each.
            size = torch.linalg.vector_norm(ascent.flatten(1), dim=1).clamp_min(1e-30)
            ascent = ascent / per_sample(size, ascent)
            if self.smoothness:
                ascent = ascent - self.smoothness * _variation_slope(flow, threat.eps)
            mean, square = 0.9 * mean + 0.1 * ascent, 0.99 * square + 0.01 * ascent.square()
            length = threat.eps * self.step_size * (1.0 - step / self.steps)
            move = (mean / (1.0 - 0.9 ** (step + 1))) / ((square / (1.0 - 0.99 ** (step + 1))).sqrt() + 1e-12)
            flow = threat.project(flow + length * move, x)
        return flow


def _variation_slope(flow: Tensor, eps: float) -> Tensor:
    """The gradient of the sum over neighbours of their flows' distance (the paper's L_flow), in units of its norm."""
    with torch.enable_grad():
        leaf = flow.detach().requires_grad_(True)
        right, down = leaf[..., :, 1:] - leaf[..., :, :-1], leaf[..., 1:, :] - leaf[..., :-1, :]
        small = (1e-4 * eps) ** 2
        sizes = [(step.square().sum(1) + small).sqrt().sum() for step in (right, down)]
        (slope,) = torch.autograd.grad(sizes[0] + sizes[1], leaf)
    return slope.div(math.sqrt(flow[0].numel()))
