"""Fast adaptive boundary: Croce & Hein, arXiv:1907.02044."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.engine.ledger import margins
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.steps import Ball
from auditor.types import Access, Norm
from auditor_attacks import _losses, _targets
from auditor_attacks._crossing import Plane, beyond, nearest_plane
from auditor_attacks._minimal import size
from auditor_attacks._planes import between, onto_plane

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Logits, Threat


@dataclass(frozen=True, kw_only=True)
class FAB(Attack):
    """Steps to the linearised border, drawn towards the sample's own projection onto it, and back once across.

    Untargeted, each step takes the nearest border of the `classes` likeliest wrong ones; with one, that of the
    likeliest. Targeted, `classes` classes are aimed at one after the other, those first that the linear model puts
    nearest to the sample. Restarts begin at random points at half the size of the smallest example known.

    Finds: examples close to the smallest there are, in linf, l2 and l1, without a step size to tune.
    Blind to: masked or vanishing gradients, which put the border of the linear model anywhere.
    Cost: per restart and step 1 forward pass, and 1 forward and 1 backward for each of `classes`; targeted, 2 forward
    and 1 backward times `classes`, and what it takes to put the classes in order.
    Use it when: the smallest change itself is wanted, not only whether one exists within a budget.
    """

    name: ClassVar[str] = "fab"
    paper: ClassVar[str] = "arXiv:1907.02044"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.GRADIENTS
    minimal: ClassVar[bool] = True

    steps: int = parameter(100, help="steps of each restart", low=1, high=100_000)
    restarts: int = parameter(1, help="starting points", low=1, high=10_000)
    aim: str = parameter("nearest", help="which border is stepped to", choices=("nearest", "targets"))
    classes: int = parameter(3, help="wrong classes compared, or aimed at in turn", low=1, high=100_000)
    start: str = parameter("clean", help="where the first restart begins", choices=("clean", "nearest"))
    overshoot: float = parameter(0.05, help="share by which the border is passed", low=0.0, high=10.0)
    bias: float = parameter(0.1, help="most weight of the sample's own projection", low=0.0, high=1.0)
    back: float = parameter(0.9, help="share of the way that is kept where the model is wrong", low=0.0, high=1.0)

    @property
    def label(self) -> str:
        return "fab-t" if self.aim == "targets" else "fab"

    def passes(self, num_classes: int) -> Passes:
        classes = min(self.classes, num_classes - 1)
        if self.aim == "nearest":
            runs = self.restarts * self.steps
            return Passes(forwards=runs * (1 + classes) + self.restarts, backwards=runs * classes)
        forwards, backwards = _targets.passes("linear", classes, num_classes)
        runs = self.restarts * self.steps * classes
        return Passes(forwards=2 * runs + forwards, backwards=runs + backwards)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        search = _Search(self, target, x, y, threat)
        if self.aim == "nearest":
            for restart in range(self.restarts):
                search.run(self._begin(search, target, restart, rng), None)
            return threat.project(search.best, x)
        order = _targets.ordered(target, x, y, threat.norm, "linear", self.classes)
        for restart in range(self.restarts):
            for rival in order.unbind(1):
                search.run(self._begin(search, target, restart, rng), rival)
        return threat.project(search.best, x)

    def _begin(self, search: _Search, target: View, restart: int, rng: Rng) -> Images:
        if restart == 0:
            return target.nearest if self.start == "nearest" else search.x
        return search.random(rng)


class _Search:
    """The samples and the smallest examples that this attack has met; the first crossing where it has met none."""

    def __init__(self, attack: FAB, target: View, x: Images, y: Labels, threat: Threat) -> None:
        self.x, self._y, self._attack, self._target, self._threat = x, y, attack, target, threat
        self.best = x.clone()
        self._least = torch.full((len(x),), torch.inf, device=x.device)

    def random(self, rng: Rng) -> Images:
        """A point on the sphere of half the size of the smallest example, or of the threat."""
        spread = Ball(self.x, self._threat.norm, 1.0).surface(rng) - self.x
        radius = torch.minimum(self._least, torch.full_like(self._least, self._threat.eps)).nan_to_num(posinf=1.0)
        length = 0.5 * radius / size(spread, self._threat.norm).clamp_min(1e-12)
        return (self.x + spread * per_sample(length, spread)).clamp(0.0, 1.0)

    def run(self, point: Images, rival: Tensor | None) -> None:
        """One search from `point`, towards one class per sample or whichever is nearest."""
        attack, x = self._attack, self.x
        logits = self._target.logits(point) if rival is None else None
        for _ in range(attack.steps):
            plane, logits = self._plane(point, logits, rival)
            point = self._step(point, plane, logits)
            logits = self._target.logits(point)
            fooled = margins(logits, self._y) > 0
            self._note(point, fooled)
            point = torch.where(per_sample(fooled, point), x + attack.back * (point - x), point)

    def _plane(self, point: Images, logits: Logits | None, rival: Tensor | None) -> tuple[Plane, Logits]:
        if rival is None:
            assert logits is not None
            classes = self._attack.classes
            return nearest_plane(self._target, point, self._y, logits, self._threat.norm, classes), logits
        answer = self._target.gradient(point, self._y, _losses.gap(rival))
        return Plane(answer.loss, answer.gradient), answer.logits

    def _step(self, point: Images, plane: Plane, logits: Logits) -> Images:
        norm, overshoot = self._threat.norm, self._attack.overshoot
        ahead = onto_plane(point, plane.gradient, beyond(plane, logits, overshoot), norm)
        # The same plane as seen from the sample.
        behind = (plane.gradient * (self.x - point)).flatten(1).sum(1)
        seen = Plane(plane.gap + behind, plane.gradient)
        own = onto_plane(self.x, plane.gradient, beyond(seen, logits, overshoot), norm)
        far, whole = size(ahead - point, norm), size(own - self.x, norm)
        weight = (far / (far + whole).clamp_min(1e-12)).clamp_max(self._attack.bias)
        return between(ahead, own, weight)

    def _note(self, point: Images, fooled: Tensor) -> None:
        reach = size(point - self.x, self._threat.norm)
        better = fooled & (reach < self._least) | (self._least.isinf() & ~fooled)
        self.best = torch.where(per_sample(better, point), point, self.best)
        self._least = torch.where(better & fooled, reach, self._least)
