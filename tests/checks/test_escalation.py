"""What raises a doubt about a threat's attacks, and how further attacks settle it; silent where the attacks worked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from auditor import Access, Attack, Check, Norm, Severity, Threat
from auditor.formats.views.trust import idle
from auditor.settings import AttackSetting
from auditor_checks.convergence import MoreSteps
from auditor_checks.duplicates import OneFamily
from auditor_checks.hardened import TrainedOn
from auditor_checks.losses import OtherLosses
from auditor_checks.restarts import MoreRestarts
from auditor_checks.rough import RoughLoss
from auditor_checks.silent import SilentSuccess
from auditor_checks.smaller import SmallerBudget
from auditor_checks.transfer import TransferBeatsWhiteBox
from auditor_checks.unfinished import UnfinishedClimb
from tests.checks.conftest import Trained
from tests.checks.inquiries import AttackSpec, asked, inquiry_into
from tests.checks.masked import reversed_gradient

SMALL = Threat(norm=Norm.LINF, eps=0.06)
SUITE: tuple[AttackSpec, ...] = (
    ("apgd", {"loss": "margin", "steps": 20}),
    ("apgd", {"loss": "dlr-targeted", "steps": 20, "targets": 3}),
    ("apgd", {"loss": "ce", "steps": 50}),
)


@pytest.mark.parametrize("check", [SmallerBudget, UnfinishedClimb, MoreRestarts, SilentSuccess, RoughLoss, OtherLosses])
@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_attacks_that_did_their_work_are_not_doubted(
    check: type[Check], norm: Norm, gray: Trained, tmp_path: Path
) -> None:
    threat = Threat(norm=norm, eps=0.06 if norm is Norm.LINF else 0.3)
    inquiry = inquiry_into(gray.network, gray.x[:96], gray.y[:96], tmp_path, *SUITE, threat=threat)
    suite = sum(run.forwards + run.backwards for run in inquiry.runs)
    findings, run = asked(check, inquiry)
    assert (findings, run.outcome, run.doubt) == ([], "clear", "")
    assert run.forwards + run.backwards <= max(3200, 0.1 * suite)


@pytest.mark.parametrize(
    "check", [MoreSteps, SmallerBudget, UnfinishedClimb, MoreRestarts, OtherLosses, TransferBeatsWhiteBox]
)
def test_a_check_that_has_no_passes_to_look_with_shows_no_number(
    check: type[Check], gray: Trained, tmp_path: Path
) -> None:
    inquiry = inquiry_into(gray.network, gray.x[:8], gray.y[:8], tmp_path, ("pgd", {"steps": 4}), threat=SMALL)
    inquiry.least = 0.0
    inquiry.runs[:] = [run.model_copy(update={"forwards": 1, "backwards": 1}) for run in inquiry.runs]
    _, run = asked(check, inquiry)
    assert (run.outcome, run.forwards, run.evidence, idle(run)) == ("clear", 0, {}, True)


class Timid(nn.Module):
    """Answers as `network` near the samples that it knows, and as at the nearest of them farther off."""

    def __init__(self, network: nn.Module, known: Tensor, reach: float) -> None:
        super().__init__()
        self.network, self.known, self.reach = network, known, reach

    def forward(self, x: Tensor) -> Tensor:
        away, nearest = (x.detach().flatten(1)[:, None] - self.known.flatten(1)).abs().amax(2).min(1)
        return self.network(torch.where((away > self.reach)[:, None, None, None], self.known[nearest], x))


def test_a_model_that_gives_way_within_half_of_the_budget_alone_is_searched_there(
    gray: Trained, tmp_path: Path
) -> None:
    timid = Timid(gray.network, gray.x, 0.075)
    long_steps = ("pgd", {"loss": "margin", "steps": 3, "step_size": 1.0})
    inquiry = inquiry_into(timid, gray.x, gray.y, tmp_path, long_steps, threat=Threat(norm=Norm.LINF, eps=0.15))
    before = len(inquiry.standing)
    _, run = asked(SmallerBudget, inquiry)
    assert run.doubt
    assert run.broken > 0.2 * len(gray.x)
    assert len(inquiry.standing) == before - run.broken


class Wary(Timid):
    """Answers as `network` where at most this share of the pixels has changed, and as at the sample elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        changes = (x.detach().flatten(1)[:, None] - self.known.flatten(1)).abs()
        nearest = changes.amax(2).argmin(1)
        many = (changes[torch.arange(len(x)), nearest] > 0.01).float().mean(1) > self.reach
        return self.network(torch.where(many[:, None, None, None], self.known[nearest], x))


def test_a_model_that_gives_way_to_changes_of_few_pixels_alone_is_searched_there(gray: Trained, tmp_path: Path) -> None:
    x, y = gray.x[:64], gray.y[:64]
    inquiry = inquiry_into(Wary(gray.network, x, 0.3), x, y, tmp_path, ("pgd", {"loss": "margin", "steps": 5}))
    before = len(inquiry.standing)
    _, run = asked(SmallerBudget, inquiry)
    assert "a quarter of their pixels" in run.doubt
    assert run.evidence["broken on few pixels"] <= run.broken
    assert run.broken > 0.1 * len(x)
    assert len(inquiry.standing) == before - run.broken


def test_a_loss_that_still_climbs_is_climbed_on(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, ("fgsm", {}), threat=SMALL)
    inquiry.batches.memory.margin[:] = inquiry.found.clean.margin * 0.9  # as if it had hardly begun
    (finding,), run = asked(UnfinishedClimb, inquiry)
    assert finding.severity is Severity.INFO
    assert run.outcome == "mended"
    line = run.evidence["plot"]
    assert line["y"] == sorted(line["y"])
    assert line["y"][-1] > 1.1


def test_a_search_that_began_in_a_bad_place_is_begun_anew(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(
        gray.network, gray.x, gray.y, tmp_path, ("apgd", {"loss": "margin", "steps": 2, "start": "corner"})
    )
    before = len(inquiry.standing)
    _, run = asked(MoreRestarts, inquiry)
    assert run.doubt
    assert len(inquiry.standing) == before - run.broken < before


@dataclass(frozen=True, kw_only=True)
class Forgetful(Attack):
    """Steps once, and returns the sample or what it met."""

    name: ClassVar[str] = "forgetful"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.GRADIENTS
    keeps: ClassVar[bool] = False

    def perturb(self, target, x, y, threat, rng):  # type: ignore[no-untyped-def]
        slope = target.gradient(x, y, lambda logits, labels: -logits.gather(1, labels[:, None])[:, 0]).gradient
        met = threat.project(x + threat.eps * slope.sign(), x)
        target.logits(met)
        return met if self.keeps else x


class Careful(Forgetful):
    name: ClassVar[str] = "careful"
    keeps: ClassVar[bool] = True


def test_an_attack_that_returns_other_points_than_the_examples_it_met_is_told_apart(
    gray: Trained, tmp_path: Path
) -> None:
    forgetful = inquiry_into(gray.network, gray.x, gray.y, tmp_path / "a", Forgetful())
    careful = inquiry_into(gray.network, gray.x, gray.y, tmp_path / "b", Careful())
    (run,), (kept,) = forgetful.runs, careful.runs
    assert run.rescued == run.broken == kept.broken > 10
    assert kept.rescued == 0
    (finding,), _ = asked(SilentSuccess, forgetful)
    assert finding.severity is Severity.INFO
    assert asked(SilentSuccess, careful)[0] == []


class Ripple(nn.Module):
    """Shifts all pixels by less than anybody sees, at a slope that drowns all others."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x + 1e-3 * torch.sin(1e6 * x))


def test_gradients_that_mislead_leave_a_doubt_that_queries_do_not_settle(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(Ripple(gray.network), gray.x[:64], gray.y[:64], tmp_path, ("pgd", {"steps": 5}))
    (finding,), run = asked(RoughLoss, inquiry)
    assert finding.severity is Severity.INCONCLUSIVE
    assert run.broken > 5
    assert run.evidence["misled"] > 0.5 * run.evidence["looked_at"]


def test_gradients_that_keep_their_promise_are_followed_in_place_of_those_that_mislead(
    gray: Trained, tmp_path: Path
) -> None:
    x, y = gray.x[:64], gray.y[:64]
    inquiry = inquiry_into(reversed_gradient(gray.network), x, y, tmp_path, ("pgd", {"steps": 5}))
    (finding,), run = asked(RoughLoss, inquiry)
    assert (finding.severity, run.outcome) == (Severity.INFO, "mended")
    assert "its operations" in finding.detail
    full = inquiry_into(gray.network, x, y, tmp_path / "full", ("apgd", {"loss": "margin", "steps": 50}))
    assert len(inquiry.standing) <= len(full.standing) + 1


def test_a_loss_that_vanishes_is_replaced_by_another(gray: Trained, tmp_path: Path) -> None:
    sure = nn.Sequential(gray.network, Scaled(1e4))
    inquiry = inquiry_into(sure, gray.x, gray.y, tmp_path, ("pgd", {"loss": "ce", "steps": 10}))
    (finding,), run = asked(OtherLosses, inquiry)
    assert finding.severity is Severity.INFO
    assert run.broken > 0.2 * len(gray.x)


class Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


NAMED = tuple(AttackSetting(name="pgd", parameters={"steps": steps}) for steps in (20, 21))


def test_attacks_that_find_the_same_count_as_one(gray: Trained, tmp_path: Path) -> None:
    pair = (("pgd", {"steps": 20}), ("pgd", {"steps": 21}))
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, *pair, threat=SMALL)
    (finding,), run = asked(OneFamily, inquiry, attacks=NAMED)
    assert finding.severity is Severity.INFO
    assert "pgd-ce, pgd-ce#2" in finding.detail
    assert run.outcome == "clear"


def test_attacks_that_find_different_things_do_not(gray: Trained, tmp_path: Path) -> None:
    pair = (("noise", {"draws": 10}), ("pgd", {"steps": 20}))
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, *pair)
    assert asked(OneFamily, inquiry, attacks=NAMED)[0] == []


@pytest.mark.parametrize(
    ("known", "parameters", "loss", "doubted"),
    [
        (None, {}, "ce", False),
        ("pgd", {}, "ce", True),
        ("pgd", {"loss": "ce"}, "ce", True),
        ("pgd", {"loss": "ce"}, "margin", False),
        ("apgd", {}, "ce", False),
    ],
)
def test_a_model_hardened_with_the_only_attack_is_attacked_with_others(
    known: str | None, parameters: dict[str, str], loss: str, doubted: bool, gray: Trained, tmp_path: Path
) -> None:
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, ("pgd", {"loss": loss, "steps": 5}), threat=SMALL)
    setting = known and AttackSetting(name=known, parameters=parameters)
    findings, run = asked(TrainedOn, inquiry, hardened_with=setting or None)
    assert [finding.severity for finding in findings] == ([Severity.INFO] if doubted else [])
    assert len(run.tried) == (3 if doubted else 0)


def test_where_no_other_attack_may_run_the_hardened_model_is_inconclusive(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(
        gray.network, gray.x, gray.y, tmp_path, ("pgd", {"steps": 5}), threat=SMALL, escalation=False
    )
    (finding,), _ = asked(TrainedOn, inquiry, hardened_with=AttackSetting(name="pgd"))
    assert finding.severity is Severity.INCONCLUSIVE
