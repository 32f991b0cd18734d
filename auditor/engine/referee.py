"""The referee: checks every candidate independently of the attack, in the deployed runtime.

An example counts if it lies within the threat, holds only finite pixels in `[0, 1]`, and the deployed model gives
it a wrong label both in a batch and alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.norms import tolerance
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.target.base import Target
    from auditor.types import Images, Labels, Logits, Threat


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


def judge(target: Target, x: Images, candidates: Images, y: Labels, threat: Threat) -> Judgement:
    """Check candidates `(N, …)` against originals `x` and labels `y`; everything on the target's device.

    Costs two forward passes a candidate, and one more for those that count.
    """
    if not len(candidates):
        empty = torch.zeros(0, device=x.device)
        none = empty.bool()
        return Judgement(none, none, empty.long(), empty, empty.double())
    sized = _within(candidates, x, threat)
    logits = target.answer(candidates)
    fooled = _wrong(logits, y)
    counts = sized & fooled
    # Alone: a model whose answers depend on batch mates must not have this counted against it.
    for i in counts.nonzero().squeeze(1).tolist():
        counts[i] = _wrong(target.answer(candidates[i : i + 1]), y[i : i + 1])[0]
    survives = torch.zeros_like(counts)
    rows = counts.nonzero().squeeze(1)
    if len(rows):
        rounded = to_8bit(candidates[rows], x[rows], threat)
        survives[rows] = _wrong(target.answer(rounded), y[rows])
    confidence, prediction = logits.softmax(1).max(1)
    return Judgement(counts, survives, prediction, confidence, threat.distance(candidates, x))


def _within(candidates: Images, x: Images, threat: Threat) -> Tensor:
    finite = candidates.isfinite().flatten(1).all(1)
    boxed = ((candidates >= 0.0) & (candidates <= 1.0)).flatten(1).all(1)
    near = threat.distance(candidates, x) <= threat.eps + tolerance(threat.norm, threat.eps)
    return finite & boxed & near


def _wrong(logits: Logits, y: Labels) -> Tensor:
    return logits.isfinite().all(1) & (logits.argmax(1) != y)


def to_8bit(candidates: Images, x: Images, threat: Threat) -> Images:
    """The 8-bit images nearest to the candidates; in linf none leaves the ball, elsewhere rounding may add a little."""
    levels = torch.round(candidates * 255.0)
    if threat.norm is Norm.LINF:
        slack = 1e-4
        low = torch.ceil((x - threat.eps) * 255.0 - slack)
        high = torch.floor((x + threat.eps) * 255.0 + slack)
        # A budget below one level leaves no 8-bit image but the original, whichever way low and high cross.
        levels = torch.where(low > high, torch.round(x * 255.0), torch.minimum(torch.maximum(levels, low), high))
    return levels.clamp(0.0, 255.0) / 255.0
