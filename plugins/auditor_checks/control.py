"""Do the plan's attacks break a model that is known to break?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from auditor.check import Finding, Severity
from auditor.target.base import ModelOptions, Target
from auditor.types import Access, Norm, Threat
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck
from auditor_checks._linear import Border
from auditor_checks._ways import all_gone_on, following_gradients

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun

_FITTED, _ATTACKED, _LEAST = 64, 16, 8
_SLACK = 0.8
_SHARE = 0.95
_BREAKABLE = 0.9


class UndefendedControl(InquiryCheck):
    """The plan's attacks break an undefended model.

    Seen: an attack of the plan that follows gradients misses examples in a model where a formula finds them.
    Means: the attack does not work, whatever it said of the model: it returns what it got, leaves the budget, or meets
        NaN (Carlini et al., arXiv:1902.06705; Tramer et al., arXiv:2002.08347). What withstood it was not attacked.
    Measured: a linear model of two classes is fitted to up to 64 of the samples by least squares; its exact answer to
        the question is known. The attacks of the plan, those that broke most first, attack up to 16 of its samples
        with a quarter more budget than the formula needs.
    Threshold: an attack that breaks less than 95 % of them, and misses more than one, is broken (proposed). Where
        another attack of the plan is not, it is a warning; else attacks of ours are run in its place, and the audit is
        inconclusive if they cannot be.
    Do: read how the attack is set up; `--attack apgd` compares it with one that works.
    """

    code: ClassVar[str] = "AUD219"
    title: ClassVar[str] = "An attack fails on a model that is known to be weak"

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        candidates = _candidates(inquiry)
        if not candidates:
            return
        chosen = np.linspace(0, inquiry.total - 1, min(_FITTED, inquiry.total)).astype(np.int64)
        x, y = inquiry.fetch(np.unique(chosen))
        border, labels = _fitted(x, y)
        threat = _budget(border, x, labels, inquiry.threat)
        if threat is None:
            return
        lead, asked = border.lead(x, labels), inquiry.batches.ring.margin
        weak = border.reach(x, labels, threat.norm, _SLACK * threat.eps) > lead + asked
        rows = (weak & (lead > 0.0)).nonzero().squeeze(1).cpu()
        failed: list[str] = []
        worked = 0
        for run in candidates:
            each = inquiry.cost(run.attack, **run.parameters)
            count = min(len(rows), inquiry.room(each, _ATTACKED))
            if count < _LEAST:
                continue
            part = rows[torch.linspace(0, len(rows) - 1, count).long()]
            trial = inquiry.trial(
                run.attack,
                np.unique(chosen)[part.numpy()],
                threat=threat,
                target=_target(border, inquiry.target),
                labels=labels[part],
                draws=1,
                **run.parameters,
            )
            if trial.status == "skipped":
                continue
            fell = int(trial.fell.sum())
            inquiry.show(**{f"{run.name}: broken of {count} breakable": fell})
            if count - fell >= 2 and fell < _SHARE * count:
                why = f" ({trial.status}: {trial.reason})" if not trial.ended else ""
                failed.append(f"{run.name} broke {share(fell, count)}{why}")
            else:
                worked += 1
        if failed:
            yield self._judged(inquiry, failed, worked)

    def _judged(self, inquiry: Inquiry, failed: list[str], worked: int) -> Finding:
        inquiry.doubt(f"Of samples that a formula breaks in a linear model, {'; '.join(failed)}.")
        if worked:
            return self.finding(
                Severity.WARN,
                f"{inquiry.doubts[0]} Other attacks of the plan broke them.",
                "Leave the attack out, or repair it.",
            )
        settled = all_gone_on(inquiry, following_gradients(inquiry.threat.norm)[:1])
        broken = sum(run.broken for run in inquiry.tried)
        if settled:
            said = f"In its place {inquiry.tried[0].name} was run" if inquiry.tried else "Another was run in its place"
            return self.mended(f"{inquiry.doubts[0]} {said}, and broke {share(broken, inquiry.total)} more.")
        return self.finding(
            Severity.INCONCLUSIVE,
            f"{inquiry.doubts[0]} What withstood it was not attacked.",
            "Name an attack that works (--attack apgd), or run a suite.",
        )


def _candidates(inquiry: Inquiry) -> list[AttackRun]:
    """Of each attack of the plan that follows gradients, the run that broke most; the most successful first."""
    seen = [r for r in inquiry.runs if r.access == Access.GRADIENTS and (r.attacked or r.status == "failed")]
    best: dict[str, AttackRun] = {}
    for run in sorted((run for run in seen if not run.because), key=lambda run: -run.broken):
        best.setdefault(run.attack, run)
    return list(best.values())


def _fitted(x: torch.Tensor, y: torch.Tensor) -> tuple[Border, torch.Tensor]:
    """The model, and the two classes `(n,)` that it tells apart: halves of the classes, or samples by turns where
    there is one class only."""
    labels = (y > y.median()).long()
    if int(labels.sum()) < 2 or int((1 - labels).sum()) < 2:
        labels = torch.arange(len(y), device=y.device) % 2
    return Border.fitted(x, labels), labels


def _budget(border: Border, x: torch.Tensor, y: torch.Tensor, threat: Threat) -> Threat | None:
    """The threat's own budget, or the first of its doubles in which nine samples of ten break with room to spare; None
    where there is none."""
    eps, lead = threat.eps, border.lead(x, y)
    right = lead > 0.0
    most = float(x[0].numel()) if threat.norm in (Norm.L0, Norm.L1) else x[0].numel() ** 0.5
    while eps <= (1.0 if threat.norm is Norm.LINF else most):
        breaks = border.reach(x, y, threat.norm, _SLACK * eps) > lead
        if int(right.sum()) >= _LEAST and float(breaks[right].double().mean()) >= _BREAKABLE:
            return Threat(norm=threat.norm, eps=eps)
        eps *= 2.0
    return None


def _target(border: Border, audited: Target) -> Target:
    """The control as a model to attack, beside the one that is audited."""
    return Target(
        name="undefended control",
        source="",
        sha256="",
        format="state_dict",
        deployed=border,
        twin=border,
        gradients="native",
        input_shape=None,
        options=ModelOptions(),
        device=audited.device,
        num_classes=2,
    )
