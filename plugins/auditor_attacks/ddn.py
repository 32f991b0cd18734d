"""Decoupled direction and norm: Rony et al., arXiv:1811.09600."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.engine.ledger import margins
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.steps import unit_l2
from auditor.types import Access, Norm
from auditor_attacks import _losses
from auditor_attacks._minimal import cosine, size

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class DDN(Attack):
    """Walks along the gradient on a sphere that shrinks while the model is wrong and grows while it is right.

    Finds: small l2 examples at a fixed price; every step is one gradient.
    Blind to: masked gradients, and what lies in other directions than the first that it takes.
    Cost: `steps` forward and backward passes.
    Use it when: the smallest l2 change is wanted for few passes; with more of them, `fab` after it goes lower.
    """

    name: ClassVar[str] = "ddn"
    paper: ClassVar[str] = "arXiv:1811.09600"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(200, help="steps of the search", low=1, high=100_000)
    radius: float = parameter(1.0, help="size of the first sphere", low=1e-6, high=1e6)
    gamma: float = parameter(0.05, help="share by which the sphere shrinks or grows", low=1e-6, high=0.99)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.steps, backwards=self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        delta = torch.zeros_like(x)
        radius = torch.full((len(x),), self.radius, device=x.device)
        least = torch.full_like(radius, torch.inf)
        for step in range(self.steps):
            answer = target.gradient(x + delta, y, _losses.cross_entropy)
            fooled = margins(answer.logits, y) > 0
            least = torch.where(fooled, torch.minimum(least, size(delta, Norm.L2)), least)
            # What is larger than a known example is of no use.
            radius = torch.minimum(torch.where(fooled, 1.0 - self.gamma, 1.0 + self.gamma) * radius, least)
            delta += cosine(1.0, 0.01, step, self.steps) * unit_l2(answer.gradient)
            delta = unit_l2(delta).mul_(per_sample(radius, delta)).add_(x).clamp_(0.0, 1.0).sub_(x)
        return threat.project(x + delta, x)
