"""Where a check begins to doubt, and where a doubt ends, to the sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor import Finding, Norm, Severity, Threat
from auditor.engine.inquiry import Inquiry
from auditor.engine.scene import Scene
from auditor.engine.trial import Trial
from auditor.result.record import CheckRun
from auditor_checks import _outdone, binarisation, control, full_range, masking, rough, unfinished, useless
from auditor_checks._inquiry import InquiryCheck, climbs, longest_query, more_than_few, one_restart, strongest
from auditor_checks._ways import FEW, asking_scores
from auditor_checks.binarisation import BinarisationTest
from auditor_checks.control import UndefendedControl
from auditor_checks.full_range import FallsToChance, Series, UnboundedAttack
from auditor_checks.masking import BlackBoxBeatsWhiteBox
from auditor_checks.on_grid import OffTheGrid
from auditor_checks.rough import Looked, RoughLoss
from auditor_checks.single_step import SingleStepBeatsIterative
from auditor_checks.unfinished import UnfinishedClimb
from auditor_checks.useless import Slope, UselessGradients, slope
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into
from tests.checks.scenes import run
from tests.checks.scripted import TOTAL, breaking, fallen, missing, standing

INFO, WARN, INCONCLUSIVE = Severity.INFO, Severity.WARN, Severity.INCONCLUSIVE


@pytest.fixture
def inquiry(gray: Trained, tmp_path: Path) -> Inquiry:
    return standing(gray, tmp_path)


def told(answer: tuple[list[Finding], CheckRun]) -> tuple[list[Severity], bool]:
    """The severities of what was found, and whether anything was doubted."""
    findings, record = answer
    return [finding.severity for finding in findings], bool(record.doubt)


@pytest.mark.parametrize(
    ("k", "n", "share", "many"),
    [(1, 10, 0.05, False), (2, 10, 0.05, True), (5, 100, 0.05, False), (6, 100, 0.05, True), (2, 4, 0.5, False)],
)
def test_more_than_few_are_more_than_the_share_and_more_than_one(k: int, n: int, share: float, many: bool) -> None:
    assert more_than_few(k, n, share) is many


class Rungs(InquiryCheck):
    """Goes up the attacks that it is given."""

    code: ClassVar[str] = "AUD299"
    title: ClassVar[str] = "Rungs"
    threshold: ClassVar[float] = 0.05  # 12.8 of 256 samples
    every: ClassVar[bool] = False
    rungs: ClassVar[Sequence[Any]] = ()

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        self.asked: list[int] = []
        yield from self.escalate(
            inquiry, self._climbing(), lambda run: f"{run.broken} fell.", "Do more.", every=self.every
        )
        inquiry.show(asked=len(self.asked))

    def _climbing(self) -> Iterator[Any]:
        for rung in self.rungs:
            self.asked.append(rung.broken)
            yield rung


def _rungs(*broken: int, last: str = "ran") -> tuple[Any, ...]:
    made = [run("rung", "gradients", k) for k in broken]
    return (*made[:-1], made[-1].model_copy(update={"status": last}))


@pytest.mark.parametrize(
    ("rungs", "every", "severities", "asked_for"),
    [
        (_rungs(12, 50), False, [], 1),
        (_rungs(13, 12, 50), False, [INFO], 2),
        (_rungs(13, 13, 13), False, [INCONCLUSIVE], 3),
        (_rungs(13, 13, 12), False, [INFO], 3),
        (_rungs(13, 0, 13), True, [INCONCLUSIVE], 3),
        (_rungs(13, 13, 0), True, [INFO], 3),
        (_rungs(13, 0, last="timed out"), False, [INCONCLUSIVE], 2),
        (_rungs(0, last="timed out"), False, [], 1),
        ((*_rungs(13, 13, last="timed out"), *_rungs(0)), False, [INCONCLUSIVE], 2),
    ],
)
def test_rungs_are_climbed_until_one_breaks_few(
    inquiry: Inquiry,
    monkeypatch: pytest.MonkeyPatch,
    rungs: tuple[Any, ...],
    every: bool,
    severities: list[Severity],
    asked_for: int,
) -> None:
    monkeypatch.setattr(Rungs, "rungs", rungs)
    monkeypatch.setattr(Rungs, "every", every)
    answer = asked(Rungs, inquiry)
    assert told(answer) == (severities, bool(severities))
    assert answer[1].evidence["asked"] == asked_for


def test_rungs_that_leave_nothing_standing_have_settled_the_doubt(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rungs, "rungs", _rungs(TOTAL, 0, last="skipped"))
    fallen(inquiry, TOTAL, "fgsm")
    assert told(asked(Rungs, inquiry)) == ([INFO], True)


def test_the_strongest_kind_of_climb_is_that_which_broke_most_in_all_its_runs(inquiry: Inquiry) -> None:
    def climb(name: str, loss: str, steps: int, broken: int, **changes: Any) -> Any:
        return run(name, "gradients", broken, attack=name, parameters={"loss": loss, "steps": steps}, **changes)

    short, long, single = climb("apgd", "ce", 10, 3), climb("apgd", "ce", 20, 3), climb("apgd", "dlr", 40, 5)
    asked_for, idle = climb("pgd", "ce", 90, 50, because="AUD207"), climb("pgd", "ce", 80, 0, attacked=0)
    stepless = run("fgsm", "gradients", 60, attack="fgsm")
    queries = [run("square", "scores", 9, attack="square", parameters={"queries": q}) for q in (100, 300, 200)]
    inquiry.runs[:] = [single, long, short, asked_for, idle, stepless, *queries]
    assert climbs(inquiry) == [short, long, single]
    assert strongest(inquiry) is long
    assert longest_query(inquiry) is None
    inquiry.runs[:] = queries
    assert longest_query(inquiry) is queries[1]
    run_ = climb("apgd", "ce", 10, 0).model_copy(update={"parameters": {"loss": "ce", "steps": 10, "restarts": 4}})
    assert one_restart(run_, 30, loss="dlr") == {"loss": "dlr", "steps": 30, "restarts": 1}


# AUD211


@pytest.mark.parametrize(
    ("kept", "change", "doubted"),
    [
        ([0.9] * 32, 0.1, False),
        ([0.9] * 32, 0.1001, True),
        ([0.25] * 9 + [0.9] * 23, 0.0, False),
        ([0.2499] * 8 + [0.9] * 24, 0.0, False),
        ([0.2499] * 9 + [0.9] * 23, 0.0, True),
    ],
)
def test_a_loss_is_rough_from_a_tenth_of_change_or_a_quarter_of_samples_misled(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch, kept: list[float], change: float, doubted: bool
) -> None:
    monkeypatch.setattr(rough, "looked", lambda inquiry, on: Looked(np.array(kept), np.full(len(on), change)))
    breaking(monkeypatch, inquiry, [])
    severities, said = told(asked(RoughLoss, inquiry))
    assert said is doubted
    misled = min(kept) < 0.25
    assert severities == ([] if not doubted else [INCONCLUSIVE] if misled else [INFO])


# AUD222


def _off_grid(change: float, n: int) -> Any:
    """The margin is 1 at images and less off them, for the first `n` samples asked about."""

    def network(x: Tensor) -> Tensor:
        levels = 255.0 * x.detach()
        off = ((levels - levels.round()).abs() > 0.02).flatten(1).any(1) & (torch.arange(len(x)) < n)
        return torch.eye(10)[0] * (1.0 - change * off.float())[:, None] + 0.0 * x.flatten(1).sum(1, keepdim=True)

    return network


@pytest.mark.parametrize(
    ("change", "n", "eps", "doubted"),
    [
        (0.26, 32, 0.1, True),
        (0.24, 32, 0.1, False),
        (0.26, 9, 0.1, True),
        (0.26, 8, 0.1, False),
        (0.26, 32, 1.0 / 255.0, True),
        (0.26, 32, 0.99 / 255.0, False),
    ],
)
def test_off_the_grid_more_than_a_quarter_of_the_margin_has_to_change_for_more_than_a_quarter(
    gray: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: float,
    n: int,
    eps: float,
    doubted: bool,
) -> None:
    inquiry = standing(gray, tmp_path, eps=eps)
    network = _off_grid(change, n)
    monkeypatch.setattr(inquiry.target, "deployed", network)
    monkeypatch.setattr(inquiry.target, "twin", network)
    monkeypatch.setattr(inquiry.batches.samples, "eight_bit", True)
    images = torch.round(255.0 * gray.x[:TOTAL]) / 255.0
    monkeypatch.setattr(inquiry.batches.samples, "fetch", lambda indices: images[list(indices)])
    breaking(monkeypatch, inquiry, [])
    assert told(asked(OffTheGrid, inquiry)) == ([INCONCLUSIVE] if doubted else [], doubted)


# AUD208


@pytest.mark.parametrize(
    ("moved", "share", "broken", "severities"),
    [
        (0.11, 0.5, [], []),
        (0.1, 1.0, [], []),
        (0.11, 0.55, [0, 1], [INFO]),
        (0.11, 0.55, [0, 2, 1], [INFO]),
        (0.11, 0.55, [0, 2, 2, 2, 2], [INCONCLUSIVE]),
    ],
)
def test_a_climb_is_unfinished_where_more_than_half_move_by_more_than_a_tenth(
    inquiry: Inquiry,
    monkeypatch: pytest.MonkeyPatch,
    moved: float,
    share: float,
    broken: list[int],
    severities: list[Severity],
) -> None:
    def far(inquiry: Inquiry, on: np.ndarray, before: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(on)) < share * len(on), moved, 0.0)

    monkeypatch.setattr(unfinished, "_moved", far)
    names = breaking(monkeypatch, inquiry, broken)
    answer = asked(UnfinishedClimb, inquiry)
    assert answer[1].evidence["looked_at"] % 2 == 0
    assert told(answer) == (severities, bool(severities))
    assert len(names) == max(1, len(broken))


# AUD221


@pytest.mark.parametrize(
    ("lost", "uphill", "useful"),
    [(2, 40, True), (3, 40, False), (0, 30, True), (0, 29, False)],
)
def test_gradients_are_useful_up_to_a_twentieth_lost_and_a_quarter_that_lead_nowhere(
    lost: int, uphill: int, useful: bool
) -> None:
    rows = np.arange(40)
    assert Slope(rows < lost, rows < uphill).useful is useful


@pytest.mark.parametrize(
    ("factor", "lost"), [(1.0, False), (1e-37, False), (1e-39, True), (0.0, True), (float("nan"), True)]
)
def test_a_gradient_is_lost_below_the_normal_numbers_and_where_it_is_none(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch, factor: float, lost: bool
) -> None:
    monkeypatch.setattr(useless, "_gradient", lambda inquiry, x, y, loss: torch.full_like(x, factor))
    inquiry.begin("AUD221", 1e9)
    assert slope(inquiry, np.arange(8), "margin").lost.tolist() == [lost] * 8


@pytest.mark.parametrize(
    ("rise", "uphill"),
    [(lambda x: x.sum(1), True), (lambda x: -x.sum(1), False), (lambda x: 0.0 * x.sum(1), False)],
)
def test_a_step_leads_uphill_where_it_beats_a_random_one_or_is_the_same_and_beats_none(
    tmp_path: Path, rise: Any, uphill: bool
) -> None:
    def network(x: Tensor) -> Tensor:
        return torch.stack([5.0 + 0.0 * x.flatten(1).sum(1), *[rise(x.flatten(1))] * 9], 1)

    # One pixel: half of the random steps are those of the gradient.
    x, y = torch.full((16, 1, 1, 1), 0.5), torch.zeros(16, dtype=torch.int64)
    inquiry = inquiry_into(network, x, y, tmp_path, ("apgd", {"loss": "margin", "steps": 1}))
    inquiry.begin("AUD221", 1e9)
    gradient = torch.ones_like(x)
    assert useless._uphill(inquiry, np.arange(16), gradient, 0.05).tolist() == [uphill] * 16


@pytest.mark.parametrize(
    ("useful", "promising", "settled", "severities"),
    [
        ((True, False), True, True, []),
        ((False, False), True, True, [INFO]),
        ((False, False), True, False, [INCONCLUSIVE]),
        ((False, False), False, True, [INCONCLUSIVE]),
    ],
)
def test_one_loss_with_useful_gradients_is_enough_and_a_doubt_needs_a_way_that_comes_to_its_end(
    inquiry: Inquiry,
    monkeypatch: pytest.MonkeyPatch,
    useful: tuple[bool, bool],
    promising: bool,
    settled: bool,
    severities: list[Severity],
) -> None:
    inquiry.runs.append(run("pgd", "gradients", 0, attack="pgd", parameters={"steps": 5, "loss": "ce"}))
    rows = dict(zip(("ce", "margin"), useful, strict=True))
    monkeypatch.setattr(
        useless, "slope", lambda inquiry, on, loss: Slope(np.full(len(on), not rows[loss]), np.ones(len(on), bool))
    )
    ways = [asking_scores(inquiry.threat.norm)] if promising else []
    monkeypatch.setattr(UselessGradients, "_searched", lambda self, inquiry, some: (ways, settled))
    assert told(asked(UselessGradients, inquiry)) == (severities, bool(severities))


@pytest.mark.parametrize(("stand", "looked_at"), [(7, False), (8, True)])
def test_gradients_are_looked_at_on_eight_samples_at_least(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch, stand: int, looked_at: bool
) -> None:
    fallen(inquiry, TOTAL - stand, "fgsm")
    monkeypatch.setattr(UselessGradients, "_searched", lambda self, inquiry, some: ([], True))
    assert told(asked(UselessGradients, inquiry))[1] is looked_at


# AUD203, AUD206


@pytest.mark.parametrize(
    ("survivors", "left", "settled", "classes", "severities"),
    [
        (1, 0, True, 10, []),
        (2, 1, True, 10, [INFO]),
        (2, 2, True, 10, [INCONCLUSIVE]),
        (2, 1, False, 10, [INCONCLUSIVE]),
        (9, 8, True, 2, [WARN]),
        (9, 9, True, 2, [INCONCLUSIVE]),
    ],
)
def test_two_survivors_of_the_whole_range_are_doubted_and_more_than_chance_are_grave(
    inquiry: Inquiry,
    monkeypatch: pytest.MonkeyPatch,
    survivors: int,
    left: int,
    settled: bool,
    classes: int,
    severities: list[Severity],
) -> None:
    series = Series(inquiry.runs[0], np.arange(16), np.arange(survivors), [1.0], [survivors])
    monkeypatch.setattr(full_range, "series_of", lambda inquiry: series)
    monkeypatch.setattr(inquiry.target, "num_classes", classes)
    way = asking_scores(inquiry.threat.norm)
    monkeypatch.setattr(full_range, "reaching", lambda inquiry, missed, threat: ([way], np.arange(left)))
    monkeypatch.setattr(full_range, "and_queries", lambda inquiry, ways: settled)
    assert told(asked(UnboundedAttack, inquiry)) == (severities, bool(severities))


@pytest.mark.parametrize(("ended", "doubted"), [(True, True), (False, False)])
def test_a_series_that_was_cut_short_says_nothing(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch, ended: bool, doubted: bool
) -> None:
    series = Series(inquiry.runs[0], np.arange(16), np.arange(9), [1.0], [9], ended)
    monkeypatch.setattr(full_range, "series_of", lambda inquiry: series)
    monkeypatch.setattr(full_range, "reaching", lambda inquiry, missed, threat: ([], missed))
    for check in (UnboundedAttack, FallsToChance):
        assert told(asked(check, inquiry))[1] is doubted


@pytest.mark.parametrize(("survivors", "doubted"), [(12, False), (13, True)])
def test_accuracy_falls_to_chance_where_it_is_two_points_above_it(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch, survivors: int, doubted: bool
) -> None:
    series = Series(inquiry.runs[0], np.arange(100), np.arange(survivors), [1.0], [survivors])
    monkeypatch.setattr(full_range, "series_of", lambda inquiry: series)
    assert told(asked(FallsToChance, inquiry)) == ([INCONCLUSIVE] if doubted else [], doubted)


# AUD219


@pytest.mark.parametrize(("missed", "failed"), [(1, False), (2, True)])
def test_of_samples_that_a_formula_breaks_an_attack_may_miss_one(
    gray: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missed: int, failed: bool
) -> None:
    inquiry = inquiry_into(gray.network, gray.x[:96], gray.y[:96], tmp_path, ("fgsm", {}))
    missing(monkeypatch, inquiry, missed)
    monkeypatch.setattr("auditor_checks.control.all_gone_on", lambda inquiry, ways: True)
    assert told(asked(UndefendedControl, inquiry)) == ([INFO] if failed else [], failed)
    monkeypatch.setattr("auditor_checks.control.all_gone_on", lambda inquiry, ways: False)
    assert told(asked(UndefendedControl, inquiry)) == ([INCONCLUSIVE] if failed else [], failed)


def test_what_the_weak_model_gets_wrong_by_itself_is_not_tried(
    gray: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same pictures under two labels: half of them no linear model gets right.
    few = 20
    x, y = torch.cat([gray.x[:64], gray.x[:few]]), torch.cat([gray.y[:64], (gray.y[:few] + 5) % 10])
    inquiry = inquiry_into(gray.network, x, y, tmp_path, ("fgsm", {}))
    right: list[bool] = []

    def trial(name: Any, on: np.ndarray, *, target: Any, labels: Tensor, **conditions: Any) -> Trial:
        right.extend((target.answer(inquiry.fetch(on)[0]).argmax(1) == labels).tolist())
        return Trial(np.ones(len(on), bool), np.zeros(len(on), np.float32))

    monkeypatch.setattr(inquiry, "trial", trial)
    assert told(asked(UndefendedControl, inquiry)) == ([], False)
    assert right
    assert all(right)


def test_the_weak_model_is_attacked_within_the_first_double_that_breaks_nine_of_ten_with_room_to_spare(
    gray: Trained,
) -> None:
    border, labels = control._fitted(gray.x[:64], gray.y[:64])
    tiny = Threat(norm=Norm.LINF, eps=1e-3)
    threat = control._budget(border, gray.x[:64], labels, tiny)
    assert threat is not None
    lead = border.lead(gray.x[:64], labels)

    def broken(eps: float) -> float:
        fell = border.reach(gray.x[:64], labels, Norm.LINF, 0.8 * eps) > lead
        return float(fell[lead > 0.0].double().mean())

    assert np.log2(threat.eps / tiny.eps) % 1.0 == pytest.approx(0.0)
    assert broken(threat.eps) >= 0.9 > broken(0.5 * threat.eps)


# AUD201, AUD204


@pytest.mark.parametrize(
    ("fell", "missed", "status", "doubted"),
    [
        (64, 1, "ran", False),
        (64, 2, "ran", True),
        (64, 2, "timed out", False),
        (1, 1, "ran", False),
        (2, 2, "ran", True),
    ],
)
def test_two_samples_that_a_single_step_broke_and_many_missed_are_doubted(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch, fell: int, missed: int, status: str, doubted: bool
) -> None:
    fallen(inquiry, fell, "fgsm")
    missing(monkeypatch, inquiry, missed, status)
    monkeypatch.setattr(_outdone, "reaching", lambda inquiry, missed: ([], missed))
    assert told(asked(SingleStepBeatsIterative, inquiry))[1] is doubted


def test_of_a_part_of_what_fell_what_is_missed_stands_for_all(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fallen(inquiry, 128, "fgsm")
    missing(monkeypatch, inquiry, 2)
    monkeypatch.setattr(_outdone, "reaching", lambda inquiry, missed: ([], missed))
    monkeypatch.setattr(_outdone, "FEW", 4.5 / TOTAL)  # Two of 64 that were tried are four of 128.
    assert told(asked(SingleStepBeatsIterative, inquiry))[1] is False
    monkeypatch.setattr(_outdone, "FEW", 3.5 / TOTAL)
    assert told(asked(SingleStepBeatsIterative, inquiry))[1] is True
    assert pytest.approx(0.005) == FEW


@pytest.mark.parametrize(
    ("left", "settled", "severity"), [(1, True, INFO), (2, True, INCONCLUSIVE), (1, False, INCONCLUSIVE)]
)
def test_what_a_single_step_broke_may_be_left_by_all_but_one_and_the_search_has_to_end(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch, left: int, settled: bool, severity: Severity
) -> None:
    fallen(inquiry, 64, "fgsm")
    missing(monkeypatch, inquiry, 5)
    monkeypatch.setattr(_outdone, "reaching", lambda inquiry, missed: ([], missed[:left]))
    monkeypatch.setattr(_outdone, "and_queries", lambda inquiry, ways: settled)
    assert told(asked(SingleStepBeatsIterative, inquiry)) == ([severity], True)


# AUD214


@pytest.mark.parametrize(
    ("missed", "by_all", "found", "broken", "severities"),
    [
        (1, 1, 0, 0, []),
        (2, 1, 0, 0, []),
        (2, 2, 2, 0, [INCONCLUSIVE]),
        (2, 2, 1, 1, [INFO]),
        (2, 2, 1, 0, [WARN]),
    ],
)
def test_two_examples_that_were_put_in_and_missed_by_all_climbs_are_doubted(
    gray: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missed: int,
    by_all: int,
    found: int,
    broken: int,
    severities: list[Severity],
) -> None:
    """`found`: how many the longer attacks still miss; `broken`: what the one that finds them breaks of the samples."""
    inquiry = standing(gray, tmp_path)
    monkeypatch.setattr(binarisation, "binarised", lambda target, x, threat, generator: replace(target))
    counts = iter([missed, by_all, found, found, found])
    monkeypatch.setattr(
        BinarisationTest, "_missed", lambda self, inquiry, models, attack, parameters: list(models)[: next(counts)]
    )
    names = breaking(monkeypatch, inquiry, [broken])
    assert told(asked(BinarisationTest, inquiry)) == (severities, bool(severities))
    assert names == (["apgd"] if severities and found < 2 else [])


@pytest.mark.parametrize(
    ("between", "after", "led", "severities", "doubted"),
    [
        (5, 0, False, [], False),  # 5.12 are 2 % of all
        (6, 0, None, [], False),
        (6, 0, True, [], False),
        (6, 0, False, [INFO], True),
        (13, 0, None, [INFO], True),  # 12.8 are 5 %
        (13, 0, True, [INFO], False),
        (0, 2, False, [], False),  # 2.56 are 1 %
        (0, 3, True, [INFO], False),
        (0, 3, None, [INFO], True),
    ],
)
def test_queries_that_paid_are_doubted_by_how_many_fell_and_by_what_the_gradients_are_like(
    inquiry: Inquiry,
    monkeypatch: pytest.MonkeyPatch,
    between: int,
    after: int,
    led: bool | None,
    severities: list[Severity],
    doubted: bool,
) -> None:
    inquiry.runs += [run("square", "scores", between), run("apgd", "gradients", 0), run("square", "scores", after)]
    monkeypatch.setattr(BlackBoxBeatsWhiteBox, "_led", lambda self, inquiry, fallen: led)
    monkeypatch.setattr(masking, "reaching", lambda inquiry, missed: ([], missed))
    monkeypatch.setattr(masking, "and_queries", lambda inquiry, ways: True)
    assert told(asked(BlackBoxBeatsWhiteBox, inquiry)) == (severities, doubted)


@pytest.mark.parametrize(("uphill", "led"), [(30, True), (29, False)])  # of 33, of which 3.3 may lead nowhere
def test_gradients_are_sound_where_nine_of_ten_lead_uphill(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch, uphill: int, led: bool
) -> None:
    some = np.arange(33) < uphill
    monkeypatch.setattr(masking, "slope", lambda inquiry, some_, loss: Slope(np.zeros(33, bool), some))
    monkeypatch.setattr(masking, "looked", lambda inquiry, some_: SimpleNamespace(kept=np.ones(33), lies=0))
    monkeypatch.setattr(inquiry, "affordable", lambda places, each, most: places)
    assert BlackBoxBeatsWhiteBox()._led(inquiry, np.arange(2)) is led
