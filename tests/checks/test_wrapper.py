"""Wrappers that help, wrappers that only hide gradients, and wrappers that do nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from torch import Tensor

from auditor import Norm, Severity, Threat, Wrapper
from auditor.engine.inquiry import Inquiry
from auditor.target.wrapped import Wrapped
from auditor_checks.wrapper import OnlyHidesGradients, Stories, compared
from auditor_defenses.bit_depth import BitDepth
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into
from tests.checks.scenes import target_of

EPS = 0.06


@dataclass(frozen=True, kw_only=True)
class Clean(Wrapper):
    """Rounds to black and white: of digits that are so, nothing is lost, and small changes are."""

    name: ClassVar[str] = "black-and-white"

    def apply(self, x: Tensor) -> Tensor:
        return (x > 0.5).to(x.dtype)


def behind(wrapper: Wrapper | None, gray: Trained, run: Path, x: Tensor, eps: float = EPS) -> Inquiry:
    target = target_of(gray.network)
    target = target if wrapper is None else replace(target, wrapped=Wrapped((wrapper,)))
    threat = Threat(norm=Norm.LINF, eps=eps)
    attack = ("apgd", {"loss": "margin", "steps": 40})
    return inquiry_into(gray.network, x, gray.y[: len(x)], run, attack, threat=threat, target=target)


@pytest.mark.parametrize(
    ("bare", "naive", "adaptive", "severity", "title"),
    [
        (2, 60, 4, Severity.WARN, "The wrapper only hides gradients"),
        (2, 60, 30, Severity.INFO, "The wrapper helps by 28.0 points"),
        (30, 60, 4, Severity.WARN, "The wrapper does harm, by 26.0 points"),
        (2, 3, 2, Severity.INFO, "The wrapper makes no difference that so many samples show"),
    ],
)
def test_what_is_said_of_a_wrapper_follows_from_who_withstands_which_attacker(
    gray: Trained, tmp_path: Path, bare: int, naive: int, adaptive: int, severity: Severity, title: str
) -> None:
    inquiry = behind(Clean(), gray, tmp_path, gray.x[:4])
    stories = Stories(*(np.arange(100) < k for k in (bare, naive, adaptive)))
    finding = OnlyHidesGradients().told(stories, inquiry)
    assert (finding.severity, finding.title) == (severity, title)
    assert f"attacks on {bare} of 100" in finding.detail
    assert f"{naive} of 100 ({naive}.0 %) withstand its examples, and {adaptive} of 100" in finding.detail
    assert inquiry.evidence["wrapped, attacked knowing of it"] == adaptive / 100


def test_a_wrapper_that_helps_is_told_by_how_much(gray: Trained, tmp_path: Path) -> None:
    inquiry = behind(Clean(), gray, tmp_path, (gray.x[:96] > 0.5).float(), 0.3)
    (finding,), run = asked(OnlyHidesGradients, inquiry)
    assert finding.severity is Severity.INFO
    gained = run.evidence["wrapped, attacked knowing of it"] - run.evidence["bare model"]
    assert finding.title == f"The wrapper helps by {100 * gained:.1f} points"
    assert gained > 0.3
    assert run.outcome == "mended"


def test_a_wrapper_that_does_nothing_makes_no_difference(gray: Trained, tmp_path: Path) -> None:
    inquiry = behind(BitDepth(bits=8), gray, tmp_path, gray.x[:64])
    (finding,), _ = asked(OnlyHidesGradients, inquiry)
    assert finding.severity is Severity.INFO
    assert "makes no difference" in finding.title


def test_a_bare_model_is_not_asked(gray: Trained, tmp_path: Path) -> None:
    findings, run = asked(OnlyHidesGradients, behind(None, gray, tmp_path, gray.x[:16]))
    assert (findings, run.forwards) == ([], 0)


def test_examples_of_the_bare_model_that_fool_the_wrapped_one_count(gray: Trained, tmp_path: Path) -> None:
    # The only attack of the plan finds nothing; the bare model's examples are those of the wrapped one.
    target = replace(target_of(gray.network), wrapped=Wrapped((BitDepth(bits=8),)))
    threat = Threat(norm=Norm.LINF, eps=0.15)
    attack = ("noise", {"draws": 1})
    inquiry = inquiry_into(gray.network, gray.x[:48], gray.y[:48], tmp_path, attack, threat=threat, target=target)
    before = len(inquiry.standing)
    stories = compared(inquiry, inquiry.found.audited)
    assert len(inquiry.standing) < before
    assert not (stories.adaptive & ~stories.naive).any()
    assert stories.adaptive.sum() == len(inquiry.standing)
