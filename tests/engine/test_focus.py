"""Passes go where they pay: to samples that came close, and to the kind of attack that still finds something."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditor import Access, Norm, Threat, UsageError
from auditor.engine.focus import Focus, unpaid
from auditor.engine.memory import Memory
from auditor.engine.plan import Part, Step, make_plan
from auditor.engine.standing import Break, Clean, Standing
from auditor.engine.suites import ALL, BLIND, BORDER, CLOSE, MUTE, PAYING, SUITES, recipe
from auditor.result.record import UNPAID, AttackRun
from auditor_attacks import auditor_attacks
from auditor_attacks.square import Square
from tests.engine.scenes import Scene
from tests.engine.strides import Slope, Stride, strides_short

SIXTY = np.arange(60)


def remembered(tmp_path: Path, eaten: np.ndarray) -> Memory:
    """A memory of samples that lost these shares of a margin of 2."""
    memory = Memory(tmp_path / "closest", np.full(len(eaten), -2.0))
    x = torch.rand(len(eaten), 1, 2, 2)
    memory.note(np.arange(len(eaten)), x, x + 0.01, torch.from_numpy(-2.0 * (1.0 - eaten)))
    return memory


def standing(n: int = 60) -> Standing:
    zeros = np.zeros(n, dtype=np.int64)
    return Standing(Clean(zeros, zeros, np.ones(n), np.full(n, -2.0)))


def ran(name: str, attacked: int, broken: int, access: Access = Access.SCORES, status: str = "ran") -> AttackRun:
    fields: dict[str, Any] = {"parameters": {}, "reason": "", "seconds": 0.0, "forwards": 0, "backwards": 0}
    return AttackRun(
        name=name, attack=name, status=status, attacked=attacked, broken=broken, access=str(access), **fields
    )


def step(among: str, name: str = "square") -> Step:
    return Step(name, Square(), among=among)


CLIMBED = ran("apgd", 100, 50, Access.GRADIENTS)


@pytest.mark.parametrize("among", [ALL, BLIND])
def test_some_attacks_are_for_all_that_stand(tmp_path: Path, among: str) -> None:
    chosen = Focus().choose(among, SIXTY[5:], remembered(tmp_path, np.zeros(60)))
    assert chosen.tolist() == SIXTY[5:].tolist()


@pytest.mark.parametrize("among", [CLOSE, PAYING])
def test_close_are_all_that_lost_most_of_their_margin_and_at_least_a_quarter(tmp_path: Path, among: str) -> None:
    many = np.where(SIXTY % 2 == 0, 0.81, 0.79)
    assert Focus().choose(among, SIXTY, remembered(tmp_path, many)).tolist() == SIXTY[::2].tolist()
    few = np.where(SIXTY % 20 == 7, 0.9, SIXTY / 200)
    chosen = Focus().choose(among, SIXTY, remembered(tmp_path, few)).tolist()
    assert len(chosen) == 15
    assert chosen == sorted(np.argsort(-few)[:15].tolist())
    assert {7, 27, 47} <= set(chosen)


def test_the_border_is_nearly_all_of_the_margin_and_at_least_a_tenth(tmp_path: Path) -> None:
    many = np.where(SIXTY % 3 == 0, 0.86, 0.84)
    assert Focus().choose(BORDER, SIXTY, remembered(tmp_path, many)).tolist() == SIXTY[::3].tolist()
    assert Focus().choose(BORDER, SIXTY, remembered(tmp_path, SIXTY / 100)).tolist() == list(range(54, 60))


def test_shares_are_of_the_samples_that_stand_and_ties_go_by_position(tmp_path: Path) -> None:
    stand = SIXTY[10:19]
    assert Focus().choose(CLOSE, stand, remembered(tmp_path, np.zeros(60))).tolist() == [10, 11, 12]
    assert Focus().choose(CLOSE, stand[:1], remembered(tmp_path, np.zeros(60))).tolist() == [10]


def fell(*indices: int) -> list[Break]:
    return [Break(index, 1, 1.0, 0.1, True) for index in indices]


def test_where_samples_fall_that_had_not_come_close_the_next_attack_looks_at_twice_as_many(tmp_path: Path) -> None:
    memory, focus, state = remembered(tmp_path, 0.5 - SIXTY / 200), Focus(), standing()
    assert len(focus.choose(CLOSE, SIXTY, memory)) == 15
    state.note("apgd", fell(0, 3, 7))
    focus.learn(state)
    assert len(focus.choose(CLOSE, SIXTY, memory)) == 15
    # One from afar may be chance.
    state.note("apgd", fell(11))
    focus.learn(state)
    assert len(focus.choose(CLOSE, SIXTY, memory)) == 15
    state.note("apgd", fell(13))
    focus.learn(state)
    assert len(focus.choose(CLOSE, SIXTY, memory)) == 30
    state.note("apgd", fell(27, 28, 29))
    focus.learn(state)
    assert len(focus.choose(CLOSE, SIXTY, memory)) == 60


def test_few_falls_from_afar_among_many_widen_nothing(tmp_path: Path) -> None:
    memory, focus, state = remembered(tmp_path, 0.5 - SIXTY / 200), Focus(), standing()
    focus.choose(CLOSE, SIXTY, memory)
    state.note("apgd", fell(*range(7), 11, 13))
    focus.learn(state)
    assert len(focus.choose(CLOSE, SIXTY, memory)) == 15


@pytest.mark.parametrize("among", [CLOSE, PAYING])
def test_where_only_what_was_close_falls_the_next_attack_looks_at_half_as_many_and_never_at_fewer_than_a_quarter(
    tmp_path: Path, among: str
) -> None:
    memory, focus, state = remembered(tmp_path, 0.5 - SIXTY / 200), Focus(), standing()
    looked = []
    for broken in ((12, 13), (25, 26), (0, 29), (), (1,), (2, 3)):
        looked.append(len(focus.choose(among, SIXTY, memory)))
        state.note("square", fell(*broken))
        focus.learn(state)
        state = standing()
    assert looked == [15, 30, 60, 30, 15, 15]


@pytest.mark.parametrize("among", [ALL, BORDER])
def test_what_falls_to_attacks_on_all_or_at_the_border_widens_nothing(tmp_path: Path, among: str) -> None:
    memory, focus, state = remembered(tmp_path, 0.5 - SIXTY / 200), Focus(), standing()
    chosen = focus.choose(among, SIXTY, memory)
    state.note("apgd", fell(*chosen.tolist()))
    focus.learn(state)
    assert len(focus.choose(CLOSE, SIXTY, memory)) == 15


def test_an_attack_that_runs_where_it_pays_stops_when_its_kind_stopped_finding() -> None:
    assert unpaid(step(PAYING), [CLIMBED, ran("square", 100, 6)]) == ""
    assert unpaid(step(PAYING), [CLIMBED, ran("square", 20, 2)]) == ""
    told = unpaid(step(PAYING), [CLIMBED, ran("square", 100, 40), ran("square", 100, 5)])
    assert told == f"square broke 5 of 100, {UNPAID}"
    assert "square broke 1 of 10" in unpaid(step(PAYING), [CLIMBED, ran("square", 10, 1)])
    assert unpaid(step(PAYING), [CLIMBED]) == f"none of its kind ran before, {UNPAID}"
    failed = ran("square", 100, 90, status="failed")
    assert unpaid(step(PAYING), [CLIMBED, failed]) == f"none of its kind ran before, {UNPAID}"


def test_a_blind_attack_runs_only_where_no_gradient_was_followed() -> None:
    assert unpaid(step(BLIND), [CLIMBED]) == f"gradients find more for fewer passes, {UNPAID}"
    skipped = ran("apgd", 0, 0, Access.GRADIENTS, status="skipped")
    for among in (BLIND, PAYING):
        assert unpaid(step(among), [skipped, ran("square", 100, 0)]) == ""


def test_attacks_for_all_or_for_what_came_close_run_whatever_they_find() -> None:
    for among in (ALL, CLOSE, BORDER):
        assert unpaid(step(among), [CLIMBED, ran("square", 100, 0)]) == ""


@pytest.fixture
def gray(build, network, images, memory, tmp_path: Path) -> Any:
    """Thirty samples, from one to thirty strides short of the border."""

    def scene(gradients: bool = True) -> Scene:
        x = images(strides_short([float(short) for short in range(1, 31)]).tolist())
        target = build(network, gradients="native" if gradients else "none")
        threat = Threat(norm=Norm.LINF, eps=0.25)
        return Scene(target, memory(x, (x.flatten(1).mean(1) > 0.5).long()), tmp_path / str(gradients), threat=threat)

    return scene


def followed(scene: Scene, *parts: Part) -> Any:
    return scene.follow(make_plan(parts, scene.target, scene.ring.threat, 3), 8)


def test_a_cascade_attacks_those_that_came_closest_and_says_so(gray) -> None:
    scene = gray()
    first, second = followed(scene, Part(Slope(steps=3)), Part(Slope(steps=12), CLOSE))
    assert (first.attacked, first.broken) == (30, 3)
    # Of the 27 that stand the seven nearest to the border are those that lost most of their margin.
    assert second.attacked == 7
    assert second.reason == "attacked the 7 of 27 samples that came closest"
    assert sorted(scene.standing.broken_by) == list(range(10))
    # What it did not look at withstood the first attack, and is as robust as that could tell.
    assert scene.outcomes[10:] == ["robust"] * 20


def test_a_model_without_gradients_gets_the_attacks_that_need_none(gray) -> None:
    plan = (Part(Slope(steps=3)), Part(Stride(steps=4), BLIND))
    with_gradients, without = followed(gray(), *plan), followed(gray(gradients=False), *plan)
    assert [run.status for run in with_gradients] == ["ran", "skipped"]
    assert UNPAID in with_gradients[1].reason
    assert [run.status for run in without] == ["skipped", "ran"]
    assert (without[1].attacked, without[1].broken) == (30, 4)


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_is_made_of_installed_attacks_and_known_words(suite: str) -> None:
    installed = {attack.name: attack for attack in auditor_attacks()}
    for name, parameters, among in recipe(suite):
        assert installed[name](**parameters).passes(10) is not None
        assert among in (ALL, CLOSE, BORDER, PAYING, BLIND)


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_has_something_for_models_without_gradients(suite: str) -> None:
    installed = {attack.name: attack for attack in auditor_attacks()}
    blind = [name for name, _, among in recipe(suite) if among in (ALL, BLIND, PAYING)]
    assert any(installed[name].access is not Access.GRADIENTS and name != "noise" for name in blind)


def test_what_starts_from_the_closest_points_comes_after_something_that_found_some() -> None:
    for parts in SUITES.values():
        starts = [parameters.get("start") for _, parameters, _ in parts]
        climbs = [name in {"apgd", "fgsm"} for name, _, _ in parts]
        assert climbs.index(True) < starts.index("closest")


def test_standard_starts_from_elsewhere_on_everyone_before_it_chooses_whom_to_attack_on() -> None:
    # A climb from the sample alone ranks by where it got stuck.
    parts = recipe("standard")
    chosen = next(at for at, (_, _, among) in enumerate(parts) if among not in (ALL, BLIND))
    elsewhere = [p for name, p, _ in parts[:chosen] if name == "apgd" and p.get("start") == "tiles"]
    assert sum(p.get("restarts", 1) for p in elsewhere) >= 4


def test_a_suite_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(UsageError, match=r"no suite 'fast'; choose one of quick, standard, thorough"):
        recipe("fast")


def test_attacks_that_see_labels_alone_run_only_where_nothing_else_can() -> None:
    noise = ran("noise", 60, 0, Access.LABELS)
    assert unpaid(step(MUTE), [noise]) == ""
    for access in (Access.SCORES, Access.GRADIENTS):
        assert UNPAID in unpaid(step(MUTE), [noise, ran("other", 60, 0, access)])


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2, Norm.L0])
def test_every_suite_ends_with_an_attack_for_models_that_answer_with_labels(norm: Norm) -> None:
    installed = {attack.name: attack for attack in auditor_attacks()}
    for suite in SUITES:
        for eps, among in ((1.0, MUTE), (math.inf, BLIND)):
            name, _, whom = recipe(suite, Threat(norm=norm, eps=eps))[-1]
            assert whom == among
            assert installed[name].access is Access.LABELS
            assert norm in installed[name].norms
            assert installed[name].minimal
