"""Fast gradient method: Goodfellow, Shlens & Szegedy, arXiv:1412.6572."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.attack import Attack, Passes
from auditor.parameters import parameter
from auditor.steps import Ball, steepest
from auditor.types import Access, Norm
from auditor_attacks import _losses

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class FGSM(Attack):
    """Moves every sample once, to the point of the ball that is worst if the model were linear.

    For linf that is along the sign of the gradient, for l2 along the gradient, for l1 along its largest entries.

    Finds: undefended models, at the least cost there is.
    Blind to: anything that bends the loss within the ball; surviving it says nothing about robustness.
    Cost: 1 forward, 1 backward pass.
    Use it when: a suite begins, or somebody claims that a model withstands it.
    """

    name: ClassVar[str] = "fgsm"
    paper: ClassVar[str] = "arXiv:1412.6572"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.GRADIENTS

    loss: str = parameter("ce", help="what the step raises", choices=("ce", "margin", "dlr"))

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=1, backwards=1)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        gradient = target.gradient(x, y, _losses.untargeted(self.loss)).gradient
        return steepest(gradient, Ball(x, threat.norm, threat.eps))
