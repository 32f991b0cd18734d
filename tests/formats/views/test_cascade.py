from __future__ import annotations

from typing import Any

from auditor.formats.views.cascade import cascade, not_run
from auditor.result.record import NOTHING_LEFT, UNPAID, AttackRun


def attack(name: str, attacked: int, broken: int, **other: Any) -> AttackRun:
    known = {"parameters": {}, "status": "ran", "reason": "", "seconds": 1.0, "forwards": 0, "backwards": 0}
    return AttackRun(name=name, attacked=attacked, broken=broken, **{**known, **other})


def test_each_attack_starts_with_what_the_last_one_left() -> None:
    steps = cascade([attack("a", 90, 30), attack("b", 60, 0), attack("c", 60, 60)], correct=90)
    assert [(step.before, step.after) for step in steps] == [(90, 60), (60, 60), (60, 0)]


def test_cost_is_passes_for_each_broken_sample() -> None:
    (first, second) = cascade([attack("a", 10, 4, forwards=30, backwards=10), attack("b", 6, 0, forwards=9)], 10)
    assert (first.passes, first.passes_per_break, first.share_broken) == (40, 10.0, 0.4)
    assert (second.passes_per_break, second.share_broken) == (None, 0.0)


def test_an_attack_that_saw_nothing_has_no_success_rate() -> None:
    (step,) = cascade([attack("a", 0, 0, status="skipped")], 0)
    assert step.share_broken is None


def test_attacks_that_had_nothing_to_do_are_one_sentence_and_those_that_do_not_fit_are_not_in_it() -> None:
    idle = {"attacked": 0, "broken": 0, "status": "skipped"}
    why = f"square#2 broke 0 of 9, {UNPAID}"
    runs = [attack("a", 9, 0), attack("fog", reason="works on images only", **idle)]
    assert not_run(cascade(runs, 9)) == ""
    runs += [attack("square#3", reason=why, **idle), attack("square#4", reason=why, **idle)]
    runs += [attack("b", reason=NOTHING_LEFT, **idle)]
    assert not_run(cascade(runs, 9)) == f"Not run: square#3, square#4 ({why}); b ({NOTHING_LEFT})."
