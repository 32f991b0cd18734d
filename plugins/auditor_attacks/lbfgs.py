"""The first attack of all, by box-constrained L-BFGS: Szegedy et al., arXiv:1312.6199."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._quasi_newton import BoxLBFGS
from auditor_attacks._smallest import Bisection, Smallest

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class LBFGS(Attack):
    """Minimises squared size plus `c` times a smooth loss inside the box, and searches for the least `c` that succeeds.

    The paper lowers the cross-entropy of a chosen class; here it is that of all wrong classes together, so that the
    nearest one wins.

    Finds: small l2 changes on smooth undefended models.
    Blind to: models whose loss is flat or kinked, on which curvature says little.
    Cost: `searches * steps` forward and backward passes.
    Use it when: you want the historical baseline; `cw`, `ddn` and `fmn` find smaller changes.
    """

    name: ClassVar[str] = "lbfgs"
    paper: ClassVar[str] = "arXiv:1312.6199"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(30, help="questions for each value of c", low=1, high=100_000)
    searches: int = parameter(12, help="values of c tried, by bisection", low=1, high=100)
    c: float = parameter(0.1, help="the first value of c", low=1e-12, high=1e10)
    memory: int = parameter(10, help="moves from which the curvature is estimated", low=1, high=100)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.searches * self.steps, backwards=self.searches * self.steps)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        best, c = Smallest(x, y, threat), Bisection(x, self.c)
        for _ in range(self.searches):
            search = BoxLBFGS(best.point, self.memory)
            fooled = torch.zeros(len(x), dtype=torch.bool, device=x.device)
            for _ in range(self.steps):
                answer = target.gradient(search.trial, y, _wrongness)
                fooled |= best.see(search.trial, answer.logits)
                change = search.trial - x
                value = change.flatten(1).square().sum(1) - c.value * answer.loss
                search.learn(value, 2.0 * change - per_sample(c.value, x) * answer.gradient)
            c.learn(fooled)
        return best.inside()


def _wrongness(logits: Tensor, y: Tensor) -> Tensor:
    """Logarithm of the probability that the answer is wrong: smooth, and flat once it is."""
    wrong = logits.scatter(1, y[:, None], -torch.inf)
    return wrong.logsumexp(1) - logits.logsumexp(1)
