"""Adversarial examples as 8-bit images: what is left of them when they are saved as PNG.

An attack stops at the boundary, so plain rounding often undoes its example, although a slightly stronger one inside
the same budget would have survived. Judging by that alone would flatter the model. So three 8-bit images are made from
each example, none of which needs a gradient: the nearest one, the one rounded away from the original, and the nearest
one to the change drawn out to the whole budget, which in l0 is as far as pixels go. What an attack left alone in l0,
rounding leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import torch

from auditor.norms import MEASURED, per_sample
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.types import Images, Threat

Form: TypeAlias = "Callable[[Images, Images], Images]"


def forms(threat: Threat) -> tuple[Form, ...]:
    """Ways to make an 8-bit image of examples `(N, …)` with originals `(N, …)`, cheapest and truest first.

    None for the smallest examples, which lie at the boundary: rounding says nothing of them.
    """
    if threat.minimal:
        return ()
    if threat.norm not in MEASURED:
        # The change is no matter of levels: the picture is saved, whatever way it was made.
        return (lambda images, x: torch.round(images * 255.0) / 255.0,)
    return (partial(nearest, threat), partial(outward, threat), partial(drawn_out, threat))


def nearest(threat: Threat, candidates: Images, x: Images) -> Images:
    """The nearest 8-bit images inside the threat."""
    return _inside(threat, torch.round(candidates * 255.0), x)


def outward(threat: Threat, candidates: Images, x: Images) -> Images:
    """Every change rounded up to a whole level, as far as the budget allows."""
    delta = (candidates - x) * 255.0
    # What is a thousandth of a level is rounding of the search, not a change that it wanted.
    levels = torch.round(x * 255.0) + delta.sign() * torch.ceil(delta.abs() - 1e-3)
    return _inside(threat, levels, x)


def drawn_out(threat: Threat, candidates: Images, x: Images) -> Images:
    """The change scaled up to the whole budget, then rounded; in l0 every changed entry is made 0 or 255."""
    delta = candidates - x
    if threat.norm is Norm.L0:
        return _inside(threat, torch.round(x * 255.0) + 255.0 * delta.sign(), x)
    stretch = (threat.eps / threat.distance(candidates, x).clamp_min(1e-12)).to(delta.dtype)
    return _inside(threat, torch.round((x + delta * per_sample(stretch, delta)) * 255.0), x)


def _inside(threat: Threat, levels: Images, x: Images) -> Images:
    """8-bit images inside the threat. In linf level by level; in other norms, changes that overshoot are shrunk."""
    origin = torch.round(x * 255.0)
    if threat.norm is Norm.LINF:
        slack = 1e-4
        low, high = torch.ceil((x - threat.eps) * 255.0 - slack), torch.floor((x + threat.eps) * 255.0 + slack)
        # A budget below one level leaves no 8-bit image but the original, whichever way low and high cross.
        levels = torch.where(low > high, origin, torch.minimum(torch.maximum(levels, low), high))
        return levels.clamp(0.0, 255.0) / 255.0
    if threat.norm is Norm.L0:
        # An entry that is as it was stays that way when it is rounded, so none is added to those that changed.
        return levels.clamp(0.0, 255.0) / 255.0
    rounded = levels.clamp(0.0, 255.0) / 255.0
    # Truncating towards the original only ever shrinks, so two rounds of scaling end inside the ball.
    for _ in range(2):
        delta = rounded - origin / 255.0
        scale = (threat.eps / threat.distance(rounded, origin / 255.0).clamp_min(1e-12)).clamp_max(1.0).to(delta.dtype)
        shrunk = torch.trunc(delta * per_sample(scale, delta) * 255.0 * (1.0 + 1e-6))
        rounded = torch.where(per_sample(scale, delta) < 1.0, origin + shrunk, rounded * 255.0) / 255.0
    return rounded
