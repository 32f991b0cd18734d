"""DeepFool: Moosavi-Dezfooli, Fawzi & Frossard, arXiv:1511.04599."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.attack import Attack, Passes
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._crossing import cross, crossing

if TYPE_CHECKING:
    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class DeepFool(Attack):
    """Steps to the nearest border of the linearised model, again and again until the model is wrong.

    Finds: small examples for a handful of gradients; a first guess for everything else.
    Blind to: anything but the first border it meets: stronger searches go a third lower on hardened models.
    Cost: per step 1 forward pass, and 1 forward and 1 backward for each of `classes`; samples leave when they fall.
    Use it when: a rough minimal norm of many samples is wanted in seconds.
    """

    name: ClassVar[str] = "deepfool"
    paper: ClassVar[str] = "arXiv:1511.04599"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(50, help="linearisations at most", low=1, high=100_000)
    classes: int = parameter(10, help="wrong classes compared at each step, likeliest first", low=1, high=100_000)
    overshoot: float = parameter(0.02, help="share by which the border is passed", low=0.0, high=10.0)

    def passes(self, num_classes: int) -> Passes:
        return crossing(self.steps, min(self.classes, num_classes - 1))

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        point = cross(target, x, y, threat.norm, self.steps, self.classes, self.overshoot)
        return threat.project(point, x)
