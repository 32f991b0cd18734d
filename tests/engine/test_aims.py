"""A targeted goal: attacks see the wanted class against all others, and need know nothing of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from auditor import Goal, Norm, Severity, Threat
from auditor.engine.aims import Aims, towards
from auditor.engine.clean import clean_pass
from auditor.engine.findings import all_wanted, colourless, nothing_ran
from auditor.engine.standing import Clean, Standing
from auditor.engine.threats import check_sizes, corruptions_left_out, read_mask, threats_of
from auditor.errors import UsageError
from auditor.result.record import ThreatResult
from auditor.settings import Settings, ThreatSetting
from auditor_attacks.apgd import APGD
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square
from tests.engine.scenes import Scene
from tests.oracles import Linear

Y = torch.tensor([0, 1, 2])


def test_untargeted_success_is_any_other_class_and_targeted_success_the_wanted_one() -> None:
    logits = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [3.0, 1.0, 0.0]])
    assert Aims(Y).reached(logits).tolist() == [True, False, True]
    assert Aims(Y, torch.tensor([2, 1, 0])).reached(logits).tolist() == [False, True, True]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_an_answer_without_a_finite_maximum_is_no_success(bad: float) -> None:
    logits = torch.tensor([[0.0, bad, 0.0]])
    assert not Aims(Y[:1]).reached(logits).any()
    assert not Aims(Y[:1], torch.tensor([1])).reached(logits).any()


@given(st.lists(st.lists(st.floats(-10, 10), min_size=4, max_size=4), min_size=1, max_size=5), st.integers(0, 3))
def test_the_wanted_class_leads_the_two_exactly_where_it_leads_all(rows: list[list[float]], wanted: int) -> None:
    logits = torch.tensor(rows)
    two = towards(logits, torch.full((len(rows),), wanted))
    others = logits.clone()
    others[:, wanted] = -torch.inf
    assert torch.equal(two[:, 1] > two[:, 0], logits[:, wanted] > others.amax(1))


@pytest.mark.parametrize("attack", [PGD(steps=20), APGD(steps=30), Square(queries=300)], ids=lambda a: a.name)
def test_every_attack_reaches_the_class_that_is_wanted(attack: Any, memory: Any, tmp_path: Path) -> None:
    linear = Linear.draw((1, 5, 5), 4, 6, Norm.LINF)
    threat = Threat(norm=Norm.LINF, eps=12.0 * linear.eps, goal=Goal.TARGETED)
    scene = Scene(linear.target, memory(linear.x, linear.y), tmp_path, threat=threat)
    clean = clean_pass(linear.target, scene.samples, scene.store, 4, lambda event: None, (), threat)
    scene.standing = Standing(clean)
    assert clean.wanted is not None
    assert np.array_equal(clean.wanted, linear.network(linear.x).argmin(1).numpy())
    scene.run(attack)
    reached = [found.prediction == clean.wanted[i] for i, (_, found) in scene.standing.broken_by.items()]
    assert len(reached) >= 4
    assert all(reached)


def test_samples_of_the_wanted_class_are_not_attacked_and_stand(memory: Any, tmp_path: Path) -> None:
    linear = Linear.draw((1, 5, 5), 4, 6, Norm.LINF)
    threat = Threat(norm=Norm.LINF, eps=12.0 * linear.eps, goal=Goal.TARGETED, target=int(linear.y[0]))
    scene = Scene(linear.target, memory(linear.x, linear.y), tmp_path, threat=threat)
    scene.standing = Standing(clean_pass(linear.target, scene.samples, scene.store, 4, lambda event: None, (), threat))
    (run,) = scene.run(PGD(steps=20))
    same = (linear.y == linear.y[0]).sum()
    assert run.attacked == 6 - int(same)
    assert scene.outcomes[0] == "robust"


def settings(goal: str) -> Settings:
    return Settings(models=("m",), data="d", threats=(ThreatSetting(norm=Norm.LINF, eps=0.1),), goal=goal)


@pytest.mark.parametrize(
    ("text", "goal", "target"),
    [
        ("untargeted", Goal.UNTARGETED, None),
        ("dodge", Goal.UNTARGETED, None),
        ("targeted:least-likely", Goal.TARGETED, None),
        ("targeted:1", Goal.TARGETED, 1),
        ("impersonate:cat", Goal.TARGETED, 0),
    ],
)
def test_goals_are_said_in_words(text: str, goal: Goal, target: int | None) -> None:
    (threat,) = threats_of(settings(text), 2, ("cat", "dog"), None)
    assert (threat.goal, threat.target) == (goal, target)


@pytest.mark.parametrize(
    ("text", "said"),
    [("win", "none of"), ("targeted:2", "0 to 1"), ("impersonate:cot", "'cat'"), ("targeted", "none of")],
)
def test_a_goal_that_cannot_be_meant_is_a_sentence(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        threats_of(settings(text), 2, ("cat", "dog"), None)


def test_a_mask_marks_what_is_white(tmp_path: Path) -> None:
    from PIL import Image

    levels = np.zeros((3, 4), dtype=np.uint8)
    levels[1] = 255
    Image.fromarray(levels).save(tmp_path / "mask.png")
    mask = read_mask(str(tmp_path / "mask.png"), (1, 3, 4))
    assert mask is not None
    assert mask.shape == (1, 3, 4)
    assert mask.sum() == 4
    with pytest.raises(UsageError, match="3x4 pixels"):
        read_mask(str(tmp_path / "mask.png"), (1, 4, 4))
    with pytest.raises(UsageError, match="no images"):
        read_mask(str(tmp_path / "mask.png"), (12,))
    Image.fromarray(np.zeros((3, 4), dtype=np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(UsageError, match="black all over"):
        read_mask(str(tmp_path / "mask.png"), (1, 3, 4))
    (tmp_path / "mask.png").write_text("no picture")
    with pytest.raises(UsageError, match="cannot be read"):
        read_mask(str(tmp_path / "mask.png"), (1, 3, 4))


def test_a_mask_goes_with_changes_of_pixels_only() -> None:
    mask = torch.ones(1, 4, 4, dtype=torch.bool)
    asked = settings("untargeted").model_copy(update={"threats": (ThreatSetting(norm=Norm.PATCH, eps=0.1),)})
    with pytest.raises(UsageError, match="does not go with --norm patch"):
        threats_of(asked, 2, None, mask)


def test_a_patch_takes_at_least_a_pixel() -> None:
    asked = settings("untargeted").model_copy(update={"threats": (ThreatSetting(norm=Norm.PATCH, eps=0.001),)})
    with pytest.raises(UsageError, match="less than one"):
        check_sizes(asked, (1, 8, 8))
    check_sizes(asked, (1, 40, 40))


def test_a_shift_leaves_something_of_the_picture() -> None:
    spatial = {"threats": (ThreatSetting(norm=Norm.SPATIAL, eps=1.0),), "translation": 8.0}
    asked = settings("untargeted").model_copy(update=spatial)
    with pytest.raises(UsageError, match="less than 8"):
        check_sizes(asked, (1, 6, 8))
    check_sizes(asked, (1, 6, 9))


def test_corruptions_of_colour_are_left_out_for_gray_samples_and_said_so() -> None:
    asked = settings("untargeted").model_copy(
        update={"threats": (ThreatSetting(norm=Norm.CORRUPTION, eps=5.0),), "corruptions": "hue,fog"}
    )
    (colour,) = threats_of(asked, 2, None, None, channels=3)
    (gray,) = threats_of(asked, 2, None, None, channels=1)
    assert (set(colour.corruptions), gray.corruptions) == ({"fog", "hue"}, ("fog",))
    assert corruptions_left_out(asked, 1) == ("hue",)
    assert corruptions_left_out(asked, 3) == ()
    assert not list(colourless(()))
    (finding,) = colourless(("hue",))
    assert (finding.code, finding.severity) == ("AUD125", Severity.INFO)
    with pytest.raises(UsageError, match="hue changes colours alone"):
        threats_of(asked.model_copy(update={"corruptions": "hue"}), 2, None, None, channels=1)


@pytest.mark.parametrize("norm", [Norm.FLOW, Norm.PATCH])
def test_where_nothing_looks_for_the_smallest_change_budgets_are_suggested(norm: Norm) -> None:
    untried = ThreatResult(norm=norm, eps=math.inf, robust_accuracy=None, robust_interval=None, robust_upper_bound=1.0)
    (finding,) = nothing_ran([untried.model_copy(update={"not_evaluated": 3})])
    assert f"No attack looks for the smallest change in {norm}." in finding.detail
    assert f"--eps {norm}:" in finding.remedy


def test_where_every_sample_is_of_the_wanted_class_nobody_is_called_robust_without_a_word() -> None:
    labels = np.array([3, 3])
    clean = Clean(labels, labels, np.ones(2), -np.ones(2), np.array([3, 3]))
    (finding,) = all_wanted(clean)
    assert finding.severity is Severity.INCONCLUSIVE
    assert not list(all_wanted(Clean(labels, labels, np.ones(2), -np.ones(2), np.array([3, 1]))))
    assert not list(all_wanted(Clean(labels, labels, np.ones(2), -np.ones(2))))
