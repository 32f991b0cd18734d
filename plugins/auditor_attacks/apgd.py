"""Auto-PGD: Croce & Hein, arXiv:2003.01690; for l1 Croce & Hein, arXiv:2103.01208."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar

from auditor.attack import Passes
from auditor.lanes import LaneAttack
from auditor.parameters import parameter
from auditor.steps import Ball
from auditor.types import Access, Norm
from auditor_attacks import _losses, _targets
from auditor_attacks._climb import Climb, halving, learn, sparse
from auditor_attacks._starts import STARTS, start
from auditor_attacks._targets import ORDERS, ordered

if TYPE_CHECKING:
    from auditor.engine.view import Gradient, Loss, View
    from auditor.lanes import Lanes
    from auditor.types import Threat

# l1 spends its steps in balls of falling radius: a larger one is easier to search, and its best point a good start.
_L1_STAGES = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))


@dataclass(frozen=True, kw_only=True)
class APGD(LaneAttack):
    """Climbs the loss with momentum, halving each sample's step when it stalls and returning to its best point.

    A restart begins on the `surface` of the ball, at a `corner` of it (every pixel at plus or minus eps), at one made
    of `tiles` of one sign, at the `closest` point that earlier attacks found, or at the `clean` sample. The targeted
    losses climb towards the likeliest wrong classes in turn: by `logits` those with the largest, by `linear` order
    those that the model's linear form puts nearest to the sample (MALT, arXiv:2407.02240). With fewer than 3 classes
    (targeted: 4) the ratio in the dlr losses does not exist, and the plain difference is climbed.

    Finds: nearly everything that gradients can find; `ce` and `dlr-targeted` together are AutoAttack's core.
    Blind to: models whose gradients are masked, random or missing (try `square`).
    Cost: per restart `steps` backward and `steps + 1` forward passes, times `targets` for the targeted losses. To put
    the classes in order takes a forward pass, by `linear` one forward and backward more for each of 3 * `targets`.
    Use it when: a budget is given and there are gradients; the suites use little else.
    """

    name: ClassVar[str] = "apgd"
    paper: ClassVar[str] = "arXiv:2003.01690"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.GRADIENTS

    steps: int = parameter(100, help="steps of each restart", low=1, high=100_000)
    restarts: int = parameter(1, help="starting points", low=1, high=10_000)
    loss: str = parameter("ce", help="what the steps raise", choices=_losses.NAMES)
    start: str = parameter("surface", help="where a restart begins", choices=STARTS)
    targets: int = parameter(9, help="wrong classes tried by targeted losses, likeliest first", low=1, high=100_000)
    order: str = parameter("logits", help="what makes a wrong class likely", choices=ORDERS)
    rho: float = parameter(0.75, help="share of steps that must raise the loss to keep the step", low=0.0, high=1.0)

    @property
    def label(self) -> str:
        return {"dlr-targeted": "apgd-t", "margin-targeted": "apgd-margin-t"}.get(self.loss, f"apgd-{self.loss}")

    def passes(self, num_classes: int) -> Passes:
        goals, _ = self.asks(num_classes)
        forwards, backwards = _targets.passes(self.order, goals // self.restarts, num_classes) if self._aims else (0, 0)
        return Passes(forwards=goals * (self.steps + 1) + forwards, backwards=goals * self.steps + backwards)

    @property
    def _aims(self) -> bool:
        return self.loss.endswith("-targeted")

    def asks(self, num_classes: int) -> tuple[int, int]:
        return self.restarts * (min(self.targets, num_classes - 1) if self._aims else 1), self.steps

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Climb | None) -> Climb:
        goals, _ = self.asks(target.num_classes)
        if not self._aims:
            order = begun.y[:, None]
        elif earlier is not None:
            order = earlier.order
        else:
            order = ordered(target, begun.x, begun.y, threat.norm, self.order, goals // self.restarts)
        # Where there are too few steps for the first stages, the search begins with a later one.
        widest = next(radius for (radius, _), over in zip(_L1_STAGES, self._stages, strict=True) if over)
        ball = Ball(begun.x, threat.norm, threat.eps * (widest if threat.norm is Norm.L1 else 1.0))
        return Climb.start(begun, ball, start(self.start, ball, begun), order, max(int(0.22 * self.steps), 1))

    def objective(self, lanes: Climb) -> Loss:
        if not self._aims:
            return _losses.untargeted(self.loss)
        aim = lanes.order.gather(1, (lanes.goal // self.restarts)[:, None]).squeeze(1)
        return (_losses.towards if self.loss == "dlr-targeted" else _losses.gap)(aim)

    def advance(self, lanes: Climb, answer: Gradient, threat: Threat) -> None:
        learn(lanes, answer)
        ball = lanes.ball(threat.norm, threat.eps)
        if threat.norm is not Norm.L1:
            halving(lanes, answer.gradient, ball, self.rho, self.steps)
            return
        sparse(lanes, answer.gradient, ball, max(int(0.04 * self.steps), 1))
        for at, radius in zip(self._stages[:-1], (radius for radius, _ in _L1_STAGES[1:]), strict=True):
            over = lanes.step + 1 == at
            smaller = Ball(lanes.x, threat.norm, radius * threat.eps)
            lanes.again(over, smaller.project(lanes.best), smaller.eps)

    @property
    def _stages(self) -> list[int]:
        """After how many steps each stage of l1 is over."""
        return [int(share * self.steps) for share in accumulate(share for _, share in _L1_STAGES)]
