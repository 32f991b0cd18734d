"""Is a model hard to attack, or only hard to average?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from auditor.check import Finding, Severity
from auditor.errors import UsageError
from auditor.target.chance import fixed
from auditor.types import Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, more_than_few
from auditor_checks.draws import GRADIENTS, doubled

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene

_SHARE = 0.05
_SAMPLES, _FEWEST = 16, 4
_STEPS = 20


class FixedDraw(InquiryCheck):
    """With its chance taken away, a model that answers at random falls to the same attacks.

    Seen: with every draw fixed to one seed the model falls to an attack on far more samples, or far fewer, than in the
        scan.
    Means: far more: chance is all that protects it, and attacks that average over more draws may get past it. Far
        fewer: gradients do not lead to examples even where chance plays no part (Carlini et al., arXiv:1902.06705).
    Measured: on up to 16 samples, 20 steps up the margin against the model with PyTorch's random numbers fixed, one
        sample at a time; against what fell in the scan. Where the two differ, attacks are run again from the closest
        points with twice the draws, up to three times; what falls is counted. Models that repeat themselves are not
        asked, and chance that is not drawn by PyTorch cannot be fixed.
    Threshold: a difference of more than 5 points, and of more than one sample (proposed). The doubt stays if more draws
        still break more than 0.5 %.
    Do: raise `--eot`.
    """

    code: ClassVar[str] = "AUD215"
    title: ClassVar[str] = "With its chance fixed the model falls otherwise"
    norms: ClassVar[frozenset[Norm]] = GRADIENTS
    once: ClassVar[bool] = True

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        target = inquiry.target
        if target.draws == 1 or target.twin is None:
            return
        one = replace(
            target,
            name=f"{target.name}, one draw",
            deployed=fixed(target.deployed),
            twin=fixed(target.twin),
            wrapped=replace(target.wrapped, seed=0),
            search=None,
            draws=1,
        )
        some = inquiry.affordable(inquiry.correct, 2 * _STEPS + 3, _SAMPLES)
        if len(some) < _FEWEST:
            raise UsageError("too few passes were left for it")
        x, _ = inquiry.fetch(some)
        inquiry.spend(2 * len(some))
        if not torch.equal(one.answer(x), one.answer(x)):
            raise UsageError("its chance is not drawn by PyTorch, so it cannot be fixed")
        fell = inquiry.trial("apgd", some, target=one, draws=1, loss="margin", steps=_STEPS).fell
        before = ~np.isin(some, inquiry.standing)
        now, then = int(fell.sum()), int(before.sum())
        inquiry.show(**{"tried": len(some), "fell with one draw": now, "fell in the scan": then})
        if not more_than_few(abs(now - then), len(some), _SHARE):
            return
        inquiry.doubt(f"With its chance fixed, {share(now, len(some))} samples fell, and in the scan {then} of these.")
        settled, told = doubled(inquiry, inquiry.closest(64))
        if settled:
            yield self.mended(f"{inquiry.doubts[0]} {told}")
        else:
            yield self.finding(Severity.INCONCLUSIVE, f"{inquiry.doubts[0]} {told}", "Raise --eot.")
