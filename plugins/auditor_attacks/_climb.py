"""How Auto-PGD steps and adapts: step halving for linf and l2 (arXiv:2003.01690), sparsity for l1 (arXiv:2103.01208).

All decisions are taken per lane, on the device. `Climb` is the state; `halving` and `sparse` say how to go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from auditor.lanes import Lanes, put
from auditor.norms import per_sample
from auditor.steps import Ball, along_signs, largest, unit_l2
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Gradient
    from auditor.types import Threat


@dataclass(kw_only=True)
class Climb(Lanes):
    """The state of an ascent: one row per lane.

    Attributes:
        low, high: bounds of the ball (linf).
        order: the classes that targeted losses try, likeliest first.
        eps: radius of the ball, which l1 lets fall in stages.
        best, value, gradient: the point of highest loss for this goal, that loss, and its gradient there.
        before: the point one step ago.  last: its loss.
        length: of the next step.
        rises, since, period: steps that raised the loss, and all steps, since the last checkpoint (-1 before the
            first answer); steps to the next.
        at_check, halved: best loss at the last checkpoint, and whether the step was halved there.
        changed, entries: pixels in which the best point differs from the sample, and how many to move at a step (l1).
    """

    low: Tensor
    high: Tensor
    order: Tensor
    eps: Tensor
    best: Tensor
    value: Tensor
    gradient: Tensor
    before: Tensor
    last: Tensor
    length: Tensor
    rises: Tensor
    since: Tensor
    period: Tensor
    at_check: Tensor
    halved: Tensor
    changed: Tensor
    entries: Tensor

    @classmethod
    def start(cls, begun: Lanes, ball: Ball, point: Tensor, order: Tensor, period: int) -> Climb:
        """An ascent that begins at `point`."""
        begun.point = point
        count, low = torch.zeros_like(begun.goal), torch.full_like(begun.margin, -torch.inf)
        eps = torch.full_like(begun.margin, float(ball.eps))
        return cls.of(
            begun,
            low=ball.low,
            high=ball.high,
            order=order,
            eps=eps,
            best=point.clone(),
            value=low,
            gradient=torch.zeros_like(point),
            before=point.clone(),
            last=-low,
            length=(1.0 if ball.norm is Norm.L1 else 2.0) * eps,
            rises=count,
            since=count - 1,
            period=torch.full_like(count, period),
            at_check=low.clone(),
            halved=torch.ones_like(count, dtype=torch.bool),
            changed=count.clone(),
            entries=count.clone(),
        )

    def again(self, rows: Tensor, point: Tensor, eps: float) -> None:
        """The lanes in `rows`, `(L,)` bool, begin anew at `point` in a ball of radius `eps`."""
        put(self.point, rows, point)
        self.eps = self.eps.masked_fill(rows, eps)
        self.length = torch.where(rows, self.eps, self.length)
        self.value, self.last = self.value.masked_fill(rows, -torch.inf), self.last.masked_fill(rows, torch.inf)
        self.since, self.rises = self.since.masked_fill(rows, -1), self.rises.masked_fill(rows, 0)

    def inside(self, threat: Threat) -> Tensor | None:
        return self.eps <= threat.eps if threat.norm is Norm.L1 else None

    def ball(self, norm: Norm, eps: float) -> Ball:
        """The balls of the lanes, `eps` being the radius of all of them but for l1."""
        return Ball(self.x, norm, eps, (self.low, self.high), self.eps if norm is Norm.L1 else None)


def learn(climb: Climb, answer: Gradient) -> None:
    """Take the answer at `climb.point` to heart."""
    value = answer.loss
    better = value > climb.value
    put(climb.best, better, climb.point)
    put(climb.gradient, better, answer.gradient)
    climb.value = torch.where(better, value, climb.value)
    climb.rises += value > climb.last
    climb.last = value
    climb.at_check = torch.where(climb.since < 0, value, climb.at_check)
    climb.since = climb.since + 1


def back_to_best(climb: Climb, gradient: Tensor, back: Tensor) -> Tensor:
    """Lanes in `back`, `(L,)`, go on from their best point; the gradients to go on with."""
    put(climb.point, back, climb.best)
    put(gradient, back, climb.gradient)
    return gradient


def halving(climb: Climb, gradient: Tensor, ball: Ball, rho: float, steps: int) -> None:
    """Halve the step of lanes that stalled, then step with momentum."""
    first = climb.since == 0
    due = climb.since >= climb.period
    # At most steps it is nobody's turn; on an accelerator, asking whose it is would wait for it.
    if due.device.type != "cpu" or bool(due.any()):
        gradient = _checked(climb, gradient, due, rho, steps)

    point = climb.point
    if ball.norm is Norm.LINF:
        ahead = along_signs(point, gradient, climb.length)
    else:
        ahead = unit_l2(gradient).mul_(per_sample(climb.length, point)).add_(point)
    ahead = ball.project(ahead)
    # point + 0.75 (ahead - point) + 0.25 (point - before); there is no step before the first.
    mixed = climb.before.lerp_(point, 2.0)
    put(mixed, first, ahead)
    climb.before, climb.point = point, ball.project(mixed.lerp_(ahead, 0.75))


def _checked(climb: Climb, gradient: Tensor, due: Tensor, rho: float, steps: int) -> Tensor:
    """Halve the step of those lanes in `due`, `(L,)`, that stalled; the gradients to go on with."""
    shortest, shorter = max(int(0.06 * steps), 1), max(int(0.03 * steps), 1)
    rarely = climb.rises <= rho * climb.period
    stuck = ~climb.halved & (climb.at_check >= climb.value)
    halved = rarely | stuck
    climb.halved = torch.where(due, halved, climb.halved)
    climb.at_check = torch.where(due, climb.value, climb.at_check)
    climb.length = torch.where(due & halved, 0.5 * climb.length, climb.length)
    climb.period = torch.where(due, (climb.period - shorter).clamp_min(shortest), climb.period)
    climb.rises, climb.since = climb.rises.masked_fill(due, 0), climb.since.masked_fill(due, 0)
    return back_to_best(climb, gradient, due & halved)


def sparse(climb: Climb, gradient: Tensor, ball: Ball, period: int) -> None:
    """Step along the largest entries of the gradient only: two thirds as many as the best point has changed."""
    first = climb.since == 0
    due = climb.since >= period
    changed = (climb.best != climb.x).flatten(1).sum(1)
    sparser = due & (changed < 0.95 * climb.changed)
    shorter = torch.maximum(climb.length / 1.5, 0.1 * climb.eps)
    climb.length = torch.where(due, torch.where(sparser, climb.eps, shorter), climb.length)
    refresh = due | first
    climb.changed = torch.where(refresh, changed, climb.changed)
    # Rounded down, where the authors' code rounds up and so never goes from two entries to one.
    climb.entries = torch.where(refresh, (changed / 1.5).long().clamp_min_(1), climb.entries)
    climb.since = climb.since.masked_fill(due, 0)
    gradient = back_to_best(climb, gradient, sparser)
    direction = largest(gradient, climb.entries, int(climb.entries.amax()))
    climb.point = ball.project(direction.mul_(per_sample(climb.length, direction)).add_(climb.point))
