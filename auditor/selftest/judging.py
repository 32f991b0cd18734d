"""Whether a scan said what is known: the truth of each case, and the judgement on its outcome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import torch

from auditor.selftest.case import Case

if TYPE_CHECKING:
    from auditor.selftest.running import Outcome

NEAR = 0.02 + 1e-9
"""Two of a hundred samples: what two good searches may differ by; and what their floats may."""


@dataclass(frozen=True)
class Judged:
    """A case, what was said of it, and the robust accuracy that is true of it, None where it is not known."""

    case: Case
    outcome: Outcome
    truth: float | None

    @property
    def good(self) -> bool:
        """Whether what is wrong was named; or, of an honest case, nothing was said and the figure is right."""
        raised = self.outcome.raised
        if self.case.honest:
            alarms = [code for code, severity in raised.items() if severity != "info"]
            return not alarms and self.outcome.verdict != "error" and (self.met or not self.case.exact)
        if any(raised.get(code, "info") != "info" for code in self.case.codes):
            return True
        # A doubt that was mended, or is information, names what is wrong once the figure is the true one.
        return self.met and bool({*raised, *self.outcome.mended} & {*self.case.codes})

    @property
    def met(self) -> bool:
        """Whether the robust accuracy reported is the true one: to the sample where that is computed."""
        reported = self.outcome.reported
        if reported is None or self.truth is None:
            return False
        return abs(reported - self.truth) < 1e-9 if self.case.exact else reported <= self.truth + NEAR

    @property
    def said(self) -> str:
        """The codes raised with their severities, and those of doubts that were mended."""
        raised = [f"{code} {severity}" for code, severity in self.outcome.raised.items()]
        return ", ".join([*raised, *(f"{code} mended" for code in self.outcome.mended)])

    @property
    def flattered(self) -> bool:
        """Whether the model was called more robust than it is."""
        reported = self.outcome.reported
        return reported is not None and self.truth is not None and reported > self.truth + NEAR


def judge(case: Case, outcome: Outcome) -> Judged:
    """The outcome held against what is known."""
    return Judged(case, outcome, truth_of(case))


def truth_of(case: Case) -> float | None:
    """The robust accuracy of a case under its last budget: computed, or measured without what hides it."""
    if case.exact:
        return _exact(case.eps[-1])
    stored = measured().get(case.name)
    return None if stored is None else float(stored["robust_accuracy"])


@cache
def measured() -> dict[str, dict[str, str | float]]:
    """By case: `robust_accuracy`, and on which `model` with which `suite` it was found. Made by `benchmarks.trust`."""
    found: dict[str, dict[str, str | float]] = json.loads(files("auditor.selftest").joinpath("truths.json").read_text())
    return found


def _exact(eps: float) -> float:
    """The share of the samples that no change within linf `eps` and the box can take from the linear model.

    Each pixel goes to whichever end of its interval helps a wrong class most, so the worst case is a sum.
    """
    from auditor.selftest.data import RECIPES
    from auditor.selftest.networks import nearest_mean

    images, labels = RECIPES["digits"]()
    x, y = torch.from_numpy(images).double().flatten(1) / 255.0, torch.from_numpy(labels)
    weight, bias = (part.double() for part in nearest_mean())
    towards = weight[None] - weight[y][:, None]
    low, high = (x - eps).clamp(min=0.0)[:, None], (x + eps).clamp(max=1.0)[:, None]
    most = (towards * torch.where(towards > 0.0, high, low)).sum(2) + bias[None] - bias[y][:, None]
    most.scatter_(1, y[:, None], -torch.inf)
    return float((most.amax(1) < 0.0).double().mean())
