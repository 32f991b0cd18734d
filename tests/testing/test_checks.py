"""What the kit asks of checks: our own keep to it, and each broken promise is told by the question that is about it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any, ClassVar

import pytest
import torch

from auditor import Check, Finding, Scene, Severity, Stage
from auditor.testing import Question, questions
from auditor_checks import auditor_checks

_TWICE = count()


class Look(Check):
    """Looks.

    Seen: nothing. Means: nothing. Measured: nothing. Threshold: none. Do: nothing.
    """

    code: ClassVar[str] = "ACME001"
    title: ClassVar[str] = "Nothing to see"
    stage: ClassVar[Stage] = Stage.PREFLIGHT

    def inspect(self, scene: Scene) -> Iterable[Finding]:
        return []

    def finding(self, detail: str = "", **changes: Any) -> Finding:
        return Finding(
            **{"code": self.code, "severity": Severity.INFO, "title": self.title, "detail": detail, **changes}
        )


class Trusting(Look):
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        answer = scene.target.answer(scene.x)
        if not answer.isfinite().all():
            raise ValueError("NaN")
        return []


class TakesImages(Look):
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        _, _, height, _ = scene.x.shape
        return [] if height else [self.finding()]


class Borrowed(Look):
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        return [self.finding(code="AUD101")]


class Talks(Look):
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        return ["all is well"]  # type: ignore[list-item]


class Unwritable(Look):
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        return [self.finding(title=None)]


class Dice(Look):
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        return [self.finding(f"{torch.rand(())}")]


class Counts(Look):
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        return [self.finding(f"{next(_TWICE)}")]


class Writes(Look):
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        scene.x.clamp_(0.1, 0.9)
        return []


class Weakens(Look):
    def inspect(self, scene: Scene) -> Iterable[Finding]:
        scene.target.drop_twin()
        return []


class Edits(Look):
    stage: ClassVar[Stage] = Stage.AUDIT

    def inspect(self, scene: Scene) -> Iterable[Finding]:
        for threat in scene.result.threats if scene.result else ():
            threat.attacks[0].parameters["steps"] = 1000
        return []


class Searches(Look):
    stage: ClassVar[Stage] = Stage.INQUIRY

    def inspect(self, scene: Scene) -> Iterable[Finding]:
        assert scene.inquiry is not None
        torch.manual_seed(0)
        run = scene.inquiry.attack("noise", draws=3)
        return [self.finding(f"{1 / run.attacked}")]


def broken(check: Check) -> list[str]:
    """The first words of the sentences that are not true of it."""
    found = []
    for question in questions(check):
        try:
            question.ask()
        except Exception:
            found.append(question.sentence.split(",")[0])
    return found


ENDS, AGAIN, LOOKS = "whatever it looks at", "who looks twice finds the same", "model"


def test_a_check_needs_a_code_of_its_own_and_a_page() -> None:
    class Nameless(Look):
        """Says nothing."""

        code = "AUD999"

    assert broken(Look()) == []
    assert broken(Nameless()) == ["it has a code of its own", "`auditor explain` says what was seen"]


@pytest.mark.parametrize(
    ("check", "sentences"),
    [
        (Trusting, {ENDS}),
        (TakesImages, {ENDS}),
        (Borrowed, {ENDS}),
        (Talks, {ENDS}),
        (Unwritable, {ENDS}),
        (Dice, {AGAIN, LOOKS}),
        (Counts, {AGAIN}),
        (Writes, {LOOKS}),
        (Weakens, {LOOKS}),
        (Edits, {LOOKS}),
        (Searches, {ENDS, LOOKS}),
    ],
)
def test_each_promise_that_a_check_breaks_is_told(check: type[Look], sentences: set[str]) -> None:
    check.__doc__ = Look.__doc__
    assert sentences <= set(broken(check()))


def test_what_a_check_breaks_on_is_said() -> None:
    (ends,) = (question for question in questions(TakesImages()) if question.sentence.startswith(ENDS))
    with pytest.raises(AssertionError, match="before samples that are no images: ValueError: not enough values"):
        ends.ask()


# All that ask for attacks take some 20 s: `auditor plugins check auditor-checks`. These ask for most, in unlike ways.
_ASKED = {"AUD201", "AUD206", "AUD214", "AUD220"}
KIT = [
    question
    for check in auditor_checks()
    if check.stage is not Stage.INQUIRY or check.code in _ASKED
    for question in questions(check)[2 : 3 if check.stage is Stage.INQUIRY else None]
]


@pytest.mark.parametrize("question", KIT, ids=str)
def test_our_own_checks_keep_what_the_kit_asks_of_anyones(question: Question) -> None:
    question.ask()
