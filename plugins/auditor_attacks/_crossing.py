"""Steps to the nearest border of the linearised model, as DeepFool takes them (arXiv:1511.04599)."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING, NamedTuple

import torch

from auditor.attack import Passes
from auditor.engine.ledger import margins
from auditor.norms import per_sample
from auditor_attacks import _losses
from auditor_attacks._minimal import unfinished
from auditor_attacks._planes import past_plane, slope

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.types import Images, Labels, Logits, Norm


# Of the largest logit, in float32.
_ROUNDING = 1e-5


class Plane(NamedTuple):
    """Where a linear model would change its mind: `gap` `(N,)`, negative while right, and its gradient `(N, …)`."""

    gap: Tensor
    gradient: Tensor


def crossing(steps: int, classes: int) -> Passes:
    """What `cross` costs a sample that withstands."""
    return Passes(forwards=steps * (1 + classes) + 1, backwards=steps * classes)


def nearest_plane(target: View, point: Images, y: Labels, logits: Logits, norm: Norm, classes: int) -> Plane:
    """Of the `classes` likeliest wrong ones by `logits`, that whose border is nearest to `point` in the linear model.

    Costs a forward and a backward pass for each.
    """
    wrong = logits.scatter(1, y[:, None], -torch.inf)
    likeliest = wrong.topk(min(classes, logits.shape[1] - 1), 1).indices
    answers = (target.gradient(point, y, _losses.gap(rival)) for rival in likeliest.unbind(1))
    planes = (Plane(answer.loss, answer.gradient) for answer in answers)
    return reduce(partial(_nearer, norm), planes)


def _nearer(norm: Norm, one: Plane, other: Plane) -> Plane:
    first = one.gap.abs() / slope(one.gradient, norm)
    better = other.gap.abs() / slope(other.gradient, norm) < first
    gradient = torch.where(per_sample(better, one.gradient), other.gradient, one.gradient)
    return Plane(torch.where(better, other.gap, one.gap), gradient)


def cross(target: View, start: Images, y: Labels, norm: Norm, steps: int, classes: int, overshoot: float) -> Images:
    """From `start` over the nearest border of the linearised model, until it is wrong or `steps` are spent."""
    point = start.clone()
    rows = torch.arange(len(start), device=start.device)
    done = torch.zeros(len(start), dtype=torch.bool, device=start.device)
    for step in range(steps):
        logits = target.select(rows).logits(point[rows])
        done[rows] = margins(logits, y[rows]) > 0
        kept = unfinished(rows, done, step)
        logits = logits[torch.isin(rows, kept)]
        rows = kept
        here = point[rows]
        plane = nearest_plane(target.select(rows), here, y[rows], logits, norm, classes)
        moved = past_plane(here, plane.gradient, beyond(plane, logits, overshoot), norm)
        point[rows] = torch.where(per_sample(done[rows], here), here, moved)
    return point


def beyond(plane: Plane, logits: Logits, overshoot: float) -> Tensor:
    """By how much to rise so as to end a little beyond a plane, `(N,)`: by a share, and by what rounding takes."""
    return -plane.gap * (1.0 + overshoot) + _ROUNDING * logits.abs().amax(1)
