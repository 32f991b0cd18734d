"""A check sees what a threat's attacks did, and runs more: within the threat it counts, elsewhere it does not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from auditor import Attack, Check, Finding, Norm, Severity, Stage
from auditor.engine.examination import bound, examine, settled
from auditor.engine.inquiry import FLOOR, LATE, NOT_ALLOWED, PATIENCE, SHARE, Inquiry
from auditor.engine.plan import configured
from auditor.engine.scene import Scene as Seen
from auditor.errors import UsageError
from auditor.result.record import ISOLATED, OVERSPENT, CheckRun, ThreatResult
from tests.engine.scenes import VALUES, Scene, Shift


@dataclass(frozen=True, kw_only=True)
class ShiftL2(Shift):
    """One that does not fit."""

    name: ClassVar[str] = "shift-l2"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2})


def make(name: str, parameters: Mapping[str, Any]) -> Attack:
    return configured({"shift": Shift, "shift-l2": ShiftL2}, name, parameters)


@pytest.fixture
def scene(target, images, memory, tmp_path: Path) -> Scene:
    x = images(VALUES)
    return Scene(target, memory(x, (x.flatten(1).mean(1) > 0.5).long()), tmp_path)


@pytest.fixture
def inquiry(scene: Scene) -> Inquiry:
    """Into a search that broke one of six."""
    opened = Inquiry(scene.batches(), list(scene.run(Shift(size=0.04))), make, scene.events.append)
    opened.begin("AUD299", 1000.0)
    return opened


def test_it_shows_what_the_attacks_did(inquiry: Inquiry) -> None:
    assert inquiry.standing.tolist() == [0, 1, 3, 4, 5]
    assert inquiry.correct.tolist() == [0, 1, 2, 3, 4, 5]
    assert inquiry.broken_by("shift").tolist() == [2]
    assert inquiry.broken_by("other").tolist() == []
    assert inquiry.total == 6


def test_what_a_check_breaks_is_counted_under_a_name_of_its_own_with_the_code_that_asked(inquiry: Inquiry) -> None:
    run = inquiry.attack("shift", size=0.06)
    assert (run.name, run.because, run.attacked, run.broken) == ("shift#2", "AUD299", 5, 2)
    assert inquiry.found.broken_by[1][0] == "shift#2"
    assert inquiry.runs[-1] is run
    assert inquiry.tried == [run]
    assert (inquiry.forwards, inquiry.backwards) == (run.forwards, run.backwards)


def test_what_has_fallen_is_not_attacked_again(inquiry: Inquiry) -> None:
    assert inquiry.attack("shift", np.array([1, 2]), size=0.06).attacked == 1


def test_a_trial_counts_nothing_but_its_passes(inquiry: Inquiry) -> None:
    wide = replace(inquiry.threat, eps=0.5)
    trial = inquiry.trial("shift", inquiry.correct, threat=wide, size=0.45)
    assert trial.fell.all()
    assert trial.ended
    assert inquiry.standing.tolist() == [0, 1, 3, 4, 5]
    assert inquiry.forwards > 0
    assert not inquiry.tried


def test_a_trial_on_another_network_with_labels_of_its_own(inquiry: Inquiry, scene: Scene) -> None:
    flipped = replace(scene.target, deployed=lambda x: -scene.target.deployed(x), twin=None)
    labels = torch.from_numpy(1 - inquiry.found.clean.labels)
    trial = inquiry.trial("shift", inquiry.correct, target=flipped, labels=labels, size=0.04)
    assert trial.fell.tolist() == [False] * 6  # away from the boundary, since its labels are the others


def test_a_trial_of_an_attack_that_does_not_fit_says_so(inquiry: Inquiry) -> None:
    trial = inquiry.trial("shift-l2", inquiry.correct)
    assert (trial.status, trial.ended) == ("skipped", False)
    assert "does not work in linf" in trial.reason


def test_a_trial_that_was_made_before_an_interruption_is_remembered(inquiry: Inquiry, scene: Scene) -> None:
    first = inquiry.trial("shift", inquiry.correct, size=0.06)
    spent = inquiry.forwards
    asked = len(scene.target.deployed.calls)
    inquiry.begin("AUD299", 1000.0)
    again = inquiry.trial("shift", inquiry.correct, size=0.06)
    assert again.fell.tolist() == first.fell.tolist()
    assert again.margin.tolist() == first.margin.tolist()
    assert inquiry.forwards == spent
    assert len(scene.target.deployed.calls) == asked


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda i: setattr(i, "budget", 1.0), OVERSPENT),
        (lambda i: setattr(i.batches, "ring", replace(i.batches.ring, deadline=time.monotonic() - 1)), LATE),
    ],
)
def test_a_trial_is_not_made_where_no_time_or_passes_are_left(
    inquiry: Inquiry, change: Callable[[Inquiry], None], reason: str
) -> None:
    change(inquiry)
    trial = inquiry.trial("shift", inquiry.correct, size=0.45)
    assert (trial.status, trial.reason, trial.fell.any(), inquiry.forwards) == ("skipped", reason, False, 0)


def test_a_trial_towards_chosen_classes_succeeds_with_those_alone(inquiry: Inquiry) -> None:
    low, high, wide = np.arange(3), np.arange(3, 6), replace(inquiry.threat, eps=0.5)
    # It shifts towards the second of the two classes that whoever has a target is shown.
    assert inquiry.trial("shift", low, threat=wide, wanted=torch.ones(3).long(), size=0.45).fell.all()
    assert not inquiry.trial("shift", high, threat=wide, wanted=torch.zeros(3).long(), size=0.45).fell.any()


def test_without_a_doubt_a_check_spends_its_share_and_no_more(inquiry: Inquiry) -> None:
    inquiry.begin("AUD299", 100.0)
    assert inquiry.room(30) == 3
    assert inquiry.affordable(np.arange(10), 30).tolist() == [0, 4, 9]
    inquiry.spend(70, 10)
    assert inquiry.room(30) == 0
    assert inquiry.affordable(np.arange(10), 30).tolist() == []
    inquiry.doubt("something")
    assert inquiry.room(30, 8) == 8


def test_passes_of_trials_count_against_the_budget_and_draws_multiply_what_an_attack_costs(inquiry: Inquiry) -> None:
    before = inquiry.spent
    inquiry.trial("shift", inquiry.correct, size=0.06)
    assert inquiry.spent == before + inquiry.forwards
    inquiry.budget = inquiry.spent + 12
    assert inquiry.room(3) == 4
    assert inquiry.attack("shift", size=0.01, draws=3).reason == OVERSPENT
    assert inquiry.attack("shift", size=0.01).status == "ran"


def test_where_settling_doubts_is_limited_the_closest_are_attacked(inquiry: Inquiry) -> None:
    inquiry.limit = 3.0
    inquiry.doubt("something")
    assert inquiry.room(2) == 1
    run = inquiry.attack("shift", size=0.06)
    assert run.attacked == 3
    assert run.broken == 2  # 0.05 from the boundary, so they came closest
    inquiry.spend(5)
    assert inquiry.attack("shift", size=0.1).status == "skipped"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda i: setattr(i, "escalation", False), NOT_ALLOWED),
        (lambda i: setattr(i, "budget", 1.0), OVERSPENT),
        (lambda i: setattr(i.batches, "ring", replace(i.batches.ring, deadline=time.monotonic() - 1)), "time limit"),
    ],
)
def test_where_no_attack_may_run_it_is_skipped_and_says_why(
    inquiry: Inquiry, change: Callable[[Inquiry], None], reason: str
) -> None:
    change(inquiry)
    run = inquiry.attack("shift", size=0.06)
    assert run.status == "skipped"
    assert reason in run.reason
    assert inquiry.standing.tolist() == [0, 1, 3, 4, 5]


class Doubting(Check):
    """Doubts, and breaks what it can."""

    code: ClassVar[str] = "AUD299"
    title: ClassVar[str] = "Too short a step"
    stage: ClassVar[Stage] = Stage.INQUIRY
    size: ClassVar[float] = 0.06
    severity: ClassVar[Severity] = Severity.INFO

    def inspect(self, scene: Any) -> Iterator[Finding]:
        scene.inquiry.doubt("The steps are short.")
        run = scene.inquiry.attack("shift", size=self.size)
        scene.inquiry.show(broken=run.broken)
        yield Finding(code=self.code, severity=self.severity, title=self.title, detail=f"{run.broken} fell.")


class Staying(Doubting):
    """Is not satisfied."""

    severity: ClassVar[Severity] = Severity.INCONCLUSIVE


class Calm(Doubting):
    """Has nothing to say."""

    def inspect(self, scene: Any) -> Iterator[Finding]:
        return iter(())


class Crashing(Doubting):
    """Breaks."""

    def inspect(self, scene: Any) -> Iterator[Finding]:
        raise ZeroDivisionError("oh no")


class Nonsense(Doubting):
    """Returns what is no finding."""

    def inspect(self, scene: Any) -> Any:
        return ["hello", None]


class Odd(Doubting):
    """Shows what JSON cannot hold."""

    def inspect(self, scene: Any) -> Iterator[Finding]:
        scene.inquiry.show(number=np.float32(0.5), thing=object, pair=(1, 2))
        return iter(())


class Missing(Doubting):
    """Asks for an attack that is not there."""

    def inspect(self, scene: Any) -> Iterator[Finding]:
        scene.inquiry.attack("nothing")
        yield from ()


class Elsewhere(Doubting):
    """Of another norm."""

    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2})


class Once(Doubting):
    """Is asked at the largest budget only."""

    once: ClassVar[bool] = True


@pytest.mark.parametrize(
    ("check", "outcome", "code", "broken"),
    [
        (Doubting, "mended", "AUD299", 2),
        (Staying, "doubtful", "AUD299", 2),
        (Calm, "clear", None, 0),
        (Crashing, "not looked at", "AUD002", 0),
        (Nonsense, "not looked at", "AUD002", 0),
        (Odd, "clear", None, 0),
        (Missing, "not looked at", None, 0),
    ],
)
def test_what_came_of_a_check_is_written_down(
    inquiry: Inquiry, check: type[Check], outcome: str, code: str | None, broken: int
) -> None:
    findings, (run,) = examine([check], seen(inquiry), inquiry)
    assert (run.outcome, run.broken) == (outcome, broken)
    assert [finding.code for finding in findings] == ([code] if code else [])
    assert run.tried == (("shift#2",) if broken else ())
    if broken:
        assert findings[0].detail == "In linf 0.1: 2 fell."
        assert findings[0].evidence == run.evidence == {"broken": 2}
        assert run.doubt == "The steps are short."


def test_what_json_cannot_hold_is_kept_as_text(inquiry: Inquiry) -> None:
    _, (run,) = examine([Odd], seen(inquiry), inquiry)
    assert run.evidence == {"number": 0.5, "thing": "<class 'object'>", "pair": [1, 2]}
    assert run.model_dump_json()


def test_a_check_that_was_not_allowed_to_look_has_found_nothing_wrong_with_nothing(inquiry: Inquiry) -> None:
    class Looking(Doubting):
        """Looks without a doubt."""

        def inspect(self, scene: Any) -> Iterator[Finding]:
            scene.inquiry.attack("shift", size=0.01)
            yield from ()

    inquiry.escalation = False
    (finding,), (run,) = examine([Looking], seen(inquiry), inquiry)
    assert (run.outcome, run.detail) == ("not looked at", NOT_ALLOWED)
    assert (finding.code, finding.severity) == ("AUD005", Severity.WARN)
    assert "--no-escalation" in finding.detail


def test_each_reason_for_which_checks_were_not_made_is_told_with_its_own_checks(inquiry: Inquiry) -> None:
    class Isolated(Doubting):
        """May not ask."""

        code: ClassVar[str] = "AUD298"

        def inspect(self, scene: Any) -> Iterator[Finding]:
            raise UsageError(ISOLATED)

    class Looking(Doubting):
        """Looks without a doubt."""

        def inspect(self, scene: Any) -> Iterator[Finding]:
            scene.inquiry.attack("shift", size=0.01)
            yield from ()

    inquiry.escalation = False
    findings, runs = examine([Isolated, Looking], seen(inquiry), inquiry)
    assert [run.outcome for run in runs] == ["not looked at"] * 2
    told = {finding.remedy.split()[1]: finding.detail for finding in findings}
    assert "AUD299" in told["--no-escalation"]
    assert "AUD298" not in told["--no-escalation"]
    assert "AUD298" in told["--isolate"]
    assert "AUD299" not in told["--isolate"]


def test_one_that_breaks_leaves_the_others_their_turn(inquiry: Inquiry) -> None:
    class Later(Doubting):
        """After the one that breaks."""

        code: ClassVar[str] = "AUD300"

    findings, runs = examine([Later, Crashing], seen(inquiry), inquiry)
    assert [run.code for run in runs] == ["AUD299", "AUD300"]
    assert [finding.code for finding in findings] == ["AUD002", "AUD300"]


def test_checks_of_other_norms_and_of_the_largest_budget_wait(inquiry: Inquiry) -> None:
    assert examine([Elsewhere], seen(inquiry), inquiry) == ([], ())
    assert examine([Once], seen(inquiry), inquiry, largest=False) == ([], ())
    assert len(examine([Once], seen(inquiry), inquiry, largest=True)[1]) == 1


def test_where_no_attack_had_anything_to_do_there_is_nobody_to_question(inquiry: Inquiry) -> None:
    inquiry.runs[:] = [run.model_copy(update={"status": "skipped"}) for run in inquiry.runs]
    assert examine([Doubting], seen(inquiry), inquiry) == ([], ())
    inquiry.runs[:] = [run.model_copy(update={"status": "failed"}) for run in inquiry.runs]
    assert len(examine([Doubting], seen(inquiry), inquiry)[1]) == 1


def test_nothing_is_asked_once_the_time_or_the_passes_are_spent(inquiry: Inquiry) -> None:
    inquiry.budget = 1.0
    (finding,), (run,) = examine([Doubting], seen(inquiry), inquiry)
    assert (run.outcome, run.detail) == ("not looked at", OVERSPENT)
    assert (finding.code, finding.severity) == ("AUD005", Severity.WARN)
    assert "AUD299" in finding.detail
    inquiry.batches.ring = replace(inquiry.batches.ring, deadline=time.monotonic() - 1.0)
    _, (run,) = examine([Doubting], seen(inquiry), inquiry)
    assert (run.outcome, run.detail) == ("not looked at", "the time limit was reached")


@pytest.mark.parametrize(("suite", "left"), [("", FLOOR), ("quick", FLOOR), ("standard", 6.0), ("thorough", 6.0)])
def test_checks_share_what_they_may_spend(inquiry: Inquiry, suite: str, left: float) -> None:
    inquiry.runs[0] = inquiry.runs[0].model_copy(update={"forwards": int(left / SHARE), "backwards": 0})
    if suite:
        bound(inquiry, suite)
    rooms: list[int] = []

    class Spending(Doubting):
        """Spends all it may."""

        def inspect(self, scene: Any) -> Iterator[Finding]:
            rooms.append(scene.inquiry.room(1, 10**6))
            scene.inquiry.spend(rooms[-1])
            yield from ()

    checks = [type(f"Spending{i}", (Spending,), {"code": f"AUD29{i}"}) for i in range(4)]
    examine(checks, seen(inquiry), inquiry)
    assert sum(rooms) == int(left)
    assert max(rooms) - min(rooms) <= 1
    assert inquiry.limit == (inquiry.runs[0].forwards if suite == "quick" else math.inf if not suite else 5 * PATIENCE)


@pytest.mark.parametrize(
    ("outcomes", "passes", "severity"),
    [
        (("mended", "clear"), 8, Severity.WARN),
        (("mended", "clear"), 0, Severity.INCONCLUSIVE),
        (("mended", "doubtful"), 8, Severity.INCONCLUSIVE),
        (("mended", "not looked at"), 8, Severity.INCONCLUSIVE),
        (("mended", None), 8, Severity.INCONCLUSIVE),
        ((), 8, Severity.INCONCLUSIVE),
    ],
)
def test_what_was_seen_before_the_attacks_is_settled_by_the_check_that_says_so_under_every_threat(
    inquiry: Inquiry, outcomes: tuple[Any, ...], passes: int, severity: Severity
) -> None:
    class Settling(Doubting):
        """Settles another code."""

        settles: ClassVar[frozenset[str]] = frozenset({"AUD113"})

    before = [
        Finding(code=code, severity=Severity.INCONCLUSIVE, title="t", detail="d") for code in ("AUD113", "AUD112")
    ]
    threats = [
        ThreatResult(
            norm=Norm.LINF,
            eps=0.1,
            robust_accuracy=None,
            robust_interval=None,
            robust_upper_bound=1.0,
            attacks=tuple(inquiry.runs),
            checks=() if outcome is None else (CheckRun(code="AUD299", title="t", outcome=outcome, forwards=passes),),
        )
        for outcome in outcomes
    ]
    first, second = settled(before, [Settling], threats)
    assert (first.severity, second.severity) == (severity, Severity.INCONCLUSIVE)


def seen(inquiry: Inquiry) -> Seen:
    samples = inquiry.batches.samples
    x, y = samples.fetch(range(len(samples))), samples.labels
    return Seen(target=inquiry.target, samples=samples, x=x, y=y, settings=None)  # type: ignore[arg-type]
