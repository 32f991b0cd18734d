"""Fast minimum norm: Pintor et al., arXiv:2102.12827."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.engine.ledger import margins
from auditor.parameters import parameter
from auditor.steps import unit_l2
from auditor.types import Access, Norm
from auditor_attacks._minimal import cosine, size, within
from auditor_attacks._planes import slope

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class FMN(Attack):
    """Follows the gradient inside a ball whose radius closes in on the border between right and wrong.

    Until a sample is misclassified, the radius is what a linear model would need; then it shrinks by a share of
    `gamma` while the model is wrong and grows while it is right, and both that share and the step fall along a cosine.
    With `start=nearest` it begins at the smallest example that earlier attacks found, and looks for a smaller one.

    Finds: small examples in any of four norms, one gradient a step; the fastest general search there is.
    Blind to: masked gradients, which send it the wrong way before it ever meets the border.
    Cost: `steps` forward and backward passes.
    Use it when: one attack is to serve all norms, or the smallest example of another attack is to be refined.
    """

    name: ClassVar[str] = "fmn"
    paper: ClassVar[str] = "arXiv:2102.12827"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1, Norm.L0})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(200, help="steps of the search", low=1, high=100_000)
    start: str = parameter("clean", help="where it begins", choices=("clean", "nearest"))
    step_size: float = parameter(1.0, help="l2 length of the first step", low=1e-6, high=1e6)
    gamma: float = parameter(0.05, help="share by which the radius changes at first", low=1e-6, high=0.99)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.steps, backwards=self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        norm = threat.norm
        point = target.nearest if self.start == "nearest" else x
        least = torch.full((len(x),), torch.inf, device=x.device)
        radius = least
        for step in range(self.steps):
            answer = target.gradient(point, y, margins)
            reach = size(point - x, norm)
            least = torch.where(answer.loss > 0, torch.minimum(least, reach), least)
            gamma = cosine(self.gamma, 0.001, step, self.steps)
            radius = self._radius(radius, least, reach, answer.loss, answer.gradient, gamma, norm)
            length = cosine(self.step_size, 0.01 * self.step_size, step, self.steps)
            point = within(unit_l2(answer.gradient).mul_(length).add_(point), x, norm, radius)
        return threat.project(point, x)

    def _radius(
        self, radius: Tensor, least: Tensor, reach: Tensor, loss: Tensor, gradient: Tensor, gamma: float, norm: Norm
    ) -> Tensor:
        shrunk, grown = torch.minimum(radius, least) * (1.0 - gamma), radius * (1.0 + gamma)
        if norm is Norm.L0:
            # Whole entries; at least one more or less.
            shrunk = torch.minimum(shrunk.floor(), torch.minimum(radius, least) - 1.0).clamp_min(1.0)
            grown = torch.maximum(grown.floor(), radius + 1.0)
            ahead = (loss.abs() / slope(gradient, Norm.L1)).ceil()
        else:
            # A little further than the border of the linear model, or rounding decides whether it is ever crossed.
            ahead = loss.abs() / slope(gradient, norm) + gamma * reach
        near = torch.where(least.isinf(), reach + ahead, grown)
        return torch.where(loss > 0, shrunk, near)
