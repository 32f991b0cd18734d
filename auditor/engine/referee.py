"""The referee: checks every candidate independently of the attack, in the deployed runtime.

An example counts if it lies within the threat, holds only finite pixels in `[0, 1]`, and the deployed model gives
it a wrong label both in a batch and alone. Of a model that answers at random the majority of fresh draws decides, each
time anew.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.engine.rounding import forms
from auditor.norms import tolerance

if TYPE_CHECKING:
    from auditor.engine.aims import Aims
    from auditor.target.base import Target
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True)
class Judgement:
    """Per candidate, `(N,)`: does it count, does it still fool the model after 8-bit rounding, and what is it."""

    counts: Tensor
    survives_rounding: Tensor
    prediction: Labels
    confidence: Tensor
    distance: Tensor

    def select(self, rows: Tensor) -> Judgement:
        """The judgement on some candidates only, on the CPU."""
        return Judgement(*(getattr(self, field.name)[rows].cpu() for field in fields(self)))

    def joined(self, other: Judgement) -> Judgement:
        """Both judgements, one after the other."""
        return Judgement(*(torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


def judge(target: Target, x: Images, points: Tensor, aims: Aims, threat: Threat) -> Judgement:
    """Check points `(N, …)` of the threat's space against originals `x`; everything on the target's device.

    Costs two forward passes a candidate, and one to three more for those that count; times the draws of a model that
    answers at random.
    """
    if not len(points):
        empty = torch.zeros(0, device=x.device)
        none = empty.bool()
        return Judgement(none, none, empty.long(), empty, empty.double())
    images, size = threat.render(points, x), threat.distance(points, threat.origin(x))
    logits = target.judged(images, aims.y)
    counts = _sound(images, points) & (size <= threat.eps + tolerance(threat.norm, threat.eps)) & aims.reached(logits)
    # Alone: a model whose answers depend on batch mates must not have this counted against it.
    for i in counts.nonzero().squeeze(1).tolist():
        one = slice(i, i + 1)
        counts[i] = aims[one].reached(target.judged(images[one], aims.y[one]))[0]
    survives = torch.zeros_like(counts)
    rows = counts.nonzero().squeeze(1)
    survives[rows] = fools_in_8bit(target, x[rows], points[rows], aims[rows], threat)
    confidence, prediction = logits.softmax(1).max(1)
    return Judgement(counts, survives, prediction, confidence, size)


def _sound(images: Images, points: Tensor) -> Tensor:
    finite = points.isfinite().flatten(1).all(1) & images.isfinite().flatten(1).all(1)
    return finite & ((images >= 0.0) & (images <= 1.0)).flatten(1).all(1)


def fools_in_8bit(target: Target, x: Images, points: Tensor, aims: Aims, threat: Threat) -> Tensor:
    """For which counted examples an 8-bit image made from them, inside the threat, still fools the model, `(N,)`."""
    fools = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    images = threat.render(points, x)
    for form in forms(threat):
        rows = (~fools).nonzero().squeeze(1)
        if len(rows):
            fools[rows] = aims[rows].reached(target.judged(form(images[rows], x[rows]), aims.y[rows]))
    return fools
