"""Gradients that are outdone by a single step, by noise or by queries."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from auditor import Norm, Severity, Threat
from auditor.target.through import Past
from auditor_checks._ways import FEW, asking_scores, following_gradients, gone_on, reaching
from auditor_checks.masking import BlackBoxBeatsWhiteBox
from auditor_checks.random_noise import NoiseBeatsGradients
from auditor_checks.single_step import SingleStepBeatsIterative
from tests.checks.conftest import Trained
from tests.checks.inquiries import AttackSpec, asked, inquiry_into
from tests.checks.masked import reversed_gradient

NOISE: AttackSpec = ("noise", {"draws": 20})
FGSM: AttackSpec = ("fgsm", {})
CLIMB: AttackSpec = ("apgd", {"loss": "margin", "steps": 20})
QUERIES: AttackSpec = ("square", {"queries": 200})
WIDE = Threat(norm=Norm.LINF, eps=0.12)
NOISY = Threat(norm=Norm.LINF, eps=0.25)
SIMPLE = [(SingleStepBeatsIterative, FGSM), (NoiseBeatsGradients, NOISE)]


@pytest.fixture
def few(gray: Trained) -> tuple[Tensor, Tensor]:
    return gray.x[:64], gray.y[:64]


@pytest.mark.parametrize(("check", "simple"), SIMPLE)
def test_what_a_simple_attack_breaks_is_tried_again_and_not_doubted_where_it_falls(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path, check: type, simple: AttackSpec
) -> None:
    inquiry = inquiry_into(gray.network, *few, tmp_path, simple, CLIMB, threat=WIDE)
    findings, run = asked(check, inquiry)
    assert (findings, run.outcome) == ([], "clear")
    assert run.evidence["tried again"] >= 2
    assert run.evidence["missed by apgd-margin"] == 0


def test_noise_that_beats_gradients_is_doubted_and_mended_by_queries(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    inquiry = inquiry_into(reversed_gradient(gray.network), *few, tmp_path, NOISE, CLIMB, threat=NOISY)
    before = len(inquiry.standing)
    (finding,), run = asked(NoiseBeatsGradients, inquiry)
    assert finding.severity is Severity.INFO
    assert run.outcome == "mended"
    assert {name.partition("#")[0] for name in run.tried} & {"square", "noise"}
    assert len(inquiry.standing) == before - run.broken < before


def test_without_escalation_the_doubt_stays(gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path) -> None:
    network = reversed_gradient(gray.network)
    inquiry = inquiry_into(network, *few, tmp_path, NOISE, CLIMB, threat=NOISY, escalation=False)
    (finding,), run = asked(NoiseBeatsGradients, inquiry)
    assert (finding.severity, run.outcome) == (Severity.INCONCLUSIVE, "doubtful")
    assert "--no-escalation" in finding.detail


def test_where_one_step_is_all_that_the_plan_takes_many_are_taken(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    inquiry = inquiry_into(gray.network, *few, tmp_path, FGSM, threat=Threat(norm=Norm.LINF, eps=0.15))
    (finding,), run = asked(SingleStepBeatsIterative, inquiry)
    assert finding.severity is Severity.INFO
    assert run.broken > 1
    full = inquiry_into(gray.network, *few, tmp_path / "full", CLIMB, threat=Threat(norm=Norm.LINF, eps=0.15))
    assert abs(len(inquiry.standing) - len(full.standing)) <= 1


def test_where_noise_is_all_that_the_plan_has_gradients_are_followed(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    inquiry = inquiry_into(gray.network, *few, tmp_path, NOISE, threat=WIDE)
    (finding,), run = asked(NoiseBeatsGradients, inquiry)
    assert (finding.severity, run.outcome) == (Severity.INFO, "mended")
    assert run.doubt == "What stands withstood noise, the plan's all."
    assert run.broken > 10
    full = inquiry_into(gray.network, *few, tmp_path / "full", CLIMB, threat=WIDE)
    assert len(inquiry.standing) <= len(full.standing) + 1


def test_queries_that_break_what_gradients_missed_go_on_until_they_break_no_more(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    inquiry = inquiry_into(reversed_gradient(gray.network), *few, tmp_path / "a", CLIMB, QUERIES)
    honest = inquiry_into(gray.network, *few, tmp_path / "b", ("apgd", {"loss": "margin", "steps": 50}))
    (finding,), run = asked(BlackBoxBeatsWhiteBox, inquiry)
    assert "withstood the attacks with gradients" in run.doubt
    assert (finding.severity, run.outcome) == (Severity.INFO, "mended")
    assert len(inquiry.standing) <= len(honest.standing) + 1


def test_of_the_ways_that_break_what_was_missed_as_few_are_gone_on_with_as_break_all_of_it(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    inquiry = inquiry_into(reversed_gradient(gray.network), *few, tmp_path, CLIMB, QUERIES)
    inquiry.begin("AUD299", 0.0)
    missed = inquiry.broken_by("square")
    first, *_ = following_gradients(Norm.LINF)
    by_luck = missed[first.tried(inquiry, missed).fell]
    ways, left = reaching(inquiry, missed)
    # Further starts break some too; the operations' gradients break what these do, and the others.
    assert len(by_luck) < len(missed)
    assert [way.through for way in ways] == [Past.BACKWARDS]
    assert len(left) < 2


@pytest.mark.parametrize("plan", [(CLIMB, QUERIES), (QUERIES, CLIMB), (QUERIES,)])
def test_queries_after_sound_gradients_or_before_them_raise_no_doubt(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path, plan: tuple[AttackSpec, ...]
) -> None:
    inquiry = inquiry_into(gray.network, *few, tmp_path, *plan)
    findings, run = asked(BlackBoxBeatsWhiteBox, inquiry)
    assert (findings, run.outcome, run.tried) == ([], "clear", ())


def test_where_few_fell_to_queries_between_climbs_gradients_are_looked_at_before_anything_is_doubted(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    short: AttackSpec = ("pgd", {"loss": "margin", "steps": 1, "step_size": 0.02})
    refined: AttackSpec = ("square", {"queries": 100, "start": "closest", "p_init": 0.1, "p_final": 0.01})
    threat, plan = Threat(norm=Norm.LINF, eps=0.06), (short, refined, short)
    sound = inquiry_into(gray.network, *few, tmp_path / "a", *plan, threat=threat)
    (finding,), run = asked(BlackBoxBeatsWhiteBox, sound)
    assert (finding.severity, run.outcome, run.doubt, run.tried) == (Severity.INFO, "clear", "", ())
    assert run.evidence["gradients that lead uphill"] == run.evidence["samples looked at"] >= 2
    assert 0 < run.forwards + run.backwards < 14 * 64
    network = reversed_gradient(gray.network)
    masked = inquiry_into(network, *few, tmp_path / "b", *plan, threat=threat, escalation=False)
    last = inquiry_into(gray.network, *few, tmp_path / "c", short, refined, threat=threat, escalation=False)
    for doubted in (masked, last):
        _, run = asked(BlackBoxBeatsWhiteBox, doubted)
        assert "withstood the attacks with gradients" in run.doubt
        assert run.outcome == "doubtful"


def test_a_few_that_fell_to_queries_after_the_last_climb_are_looked_at_in_the_same_way(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor_checks.masking._WRONG", 0.5)  # Of so few samples 5 % are hardly two.
    short: AttackSpec = ("pgd", {"loss": "margin", "steps": 1, "step_size": 0.02})
    refined: AttackSpec = ("square", {"queries": 100, "start": "closest", "p_init": 0.1, "p_final": 0.01})
    threat = Threat(norm=Norm.LINF, eps=0.06)
    sound = inquiry_into(gray.network, *few, tmp_path / "a", short, refined, threat=threat)
    (finding,), run = asked(BlackBoxBeatsWhiteBox, sound)
    assert (finding.severity, run.outcome, run.tried) == (Severity.INFO, "clear", ())
    network = reversed_gradient(gray.network)
    masked = inquiry_into(network, *few, tmp_path / "b", short, refined, threat=threat, escalation=False)
    assert asked(BlackBoxBeatsWhiteBox, masked)[1].outcome == "doubtful"


def test_queries_that_cannot_go_on_warn_or_are_inconclusive_by_how_many_fell(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    network = reversed_gradient(gray.network)
    inquiry = inquiry_into(network, *few, tmp_path, CLIMB, QUERIES, escalation=False)
    (finding,), _ = asked(BlackBoxBeatsWhiteBox, inquiry)
    assert finding.severity is Severity.INCONCLUSIVE
    # The advice is that of the way which got through on samples that had fallen.
    assert "backward pass" in finding.remedy


def test_what_was_searched_in_vain_is_not_searched_again(
    gray: Trained, few: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    inquiry = inquiry_into(reversed_gradient(gray.network), *few, tmp_path, CLIMB)
    inquiry.begin("AUD299", 0.0)
    way = asking_scores(Norm.LINF)
    assert gone_on(inquiry, way)
    done = len(inquiry.runs)
    assert inquiry.runs[-1].broken <= max(1, FEW * 64)
    assert gone_on(inquiry, way)
    assert len(inquiry.runs) == done
