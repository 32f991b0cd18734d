"""The referee: checks every candidate independently of the attack, in the deployed runtime.

An example counts if it lies within the threat, holds only finite pixels in `[0, 1]`, and the deployed model gives
it a wrong label both in a batch and alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auditor.engine.rounding import forms
from auditor.norms import tolerance

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

    Costs two forward passes a candidate, and one to three more for those that count.
    """
    if not len(candidates):
        empty = torch.zeros(0, device=x.device)
        none = empty.bool()
        return Judgement(none, none, empty.long(), empty, empty.double())
    sized = _within(candidates, x, threat)
    logits = target.answer(candidates)
    fooled = is_wrong(logits, y)
    counts = sized & fooled
    # Alone: a model whose answers depend on batch mates must not have this counted against it.
    for i in counts.nonzero().squeeze(1).tolist():
        counts[i] = is_wrong(target.answer(candidates[i : i + 1]), y[i : i + 1])[0]
    survives = torch.zeros_like(counts)
    rows = counts.nonzero().squeeze(1)
    survives[rows] = fools_in_8bit(target, x[rows], candidates[rows], y[rows], threat)
    confidence, prediction = logits.softmax(1).max(1)
    return Judgement(counts, survives, prediction, confidence, threat.distance(candidates, x))


def _within(candidates: Images, x: Images, threat: Threat) -> Tensor:
    finite = candidates.isfinite().flatten(1).all(1)
    boxed = ((candidates >= 0.0) & (candidates <= 1.0)).flatten(1).all(1)
    near = threat.distance(candidates, x) <= threat.eps + tolerance(threat.norm, threat.eps)
    return finite & boxed & near


def is_wrong(logits: Logits, y: Labels) -> Tensor:
    """Which answers name another class than `y`, `(N,)` bool; one without a finite maximum names none."""
    return ~logits.isnan().any(1) & ~logits.amax(1).isinf() & (logits.argmax(1) != y)


def fools_in_8bit(target: Target, x: Images, candidates: Images, y: Labels, threat: Threat) -> Tensor:
    """For which counted examples an 8-bit image made from them, inside the threat, still fools the model, `(N,)`."""
    fools = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for form in forms(threat):
        rows = (~fools).nonzero().squeeze(1)
        if len(rows):
            fools[rows] = is_wrong(target.answer(form(candidates[rows], x[rows])), y[rows])
    return fools
