"""The surrogates of a scan: those that are named, one that the longest suite tries, and one that a check asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from auditor.configuration import build_settings
from auditor.engine.inquiry import Inquiry
from auditor.engine.plan import configured
from auditor.engine.store import Store
from auditor.engine.surrogates.party import Party
from auditor.errors import UsageError
from auditor_attacks import auditor_attacks
from tests.engine.scenes import VALUES, Scene, Shift
from tests.engine.surrogates.helpers import Broken, Fit, standard_of

ATTACKS = {attack.name: attack for attack in (*auditor_attacks(), Shift)}


def make(name: str, parameters: Any) -> Any:
    return configured(ATTACKS, name, parameters)


def party(*surrogates: str, **more: Any) -> Party:
    settings = build_settings({"models": ["m"], "data": "d", "surrogate": list(surrogates), **more}, {})
    return Party(settings, {"fit": Fit, "broken": Broken, "distill": Fit}, lambda *_: pytest.fail("loaded"), make)


@pytest.fixture
def scene(build: Any, network: Any, images: Any, memory: Any, tmp_path: Path) -> Scene:
    """Ten times the same six samples; the target gives no gradients."""
    x = images(VALUES * 10)
    return Scene(build(network, gradients="none"), memory(x, (x.flatten(1).mean(1) > 0.5).long()), tmp_path / "run")


@pytest.fixture
def inquiry(scene: Scene, tmp_path: Path) -> Inquiry:
    asked = party()
    standard = standard_of(scene.target, scene.samples)
    asked.gather(standard, Store(tmp_path / "kept"), 16, float("inf"))
    opened = Inquiry(scene.batches(), list(scene.run(Shift(size=0.001))), make, party=asked)
    opened.begin("AUD299", 1000.0)
    return opened


def test_a_check_may_attack_through_a_substitute_whose_questions_are_counted_once(inquiry: Inquiry) -> None:
    attack = inquiry.substitute("fit", queries=30)
    assert attack is not None
    assert (inquiry.forwards, inquiry.spent - sum(run.passes for run in inquiry.runs)) == (30, 30)
    run = inquiry.attack(attack)
    assert (run.name, run.because, run.broken) == ("surrogate:fit", "AUD299", 40)
    assert inquiry.forwards == 30 + run.forwards + run.surrogate_forwards
    assert inquiry.substitute("fit", queries=30) is not None
    assert inquiry.spent - sum(run.passes for run in inquiry.runs) == 30
    assert inquiry.party is not None
    assert [record.queries for record in inquiry.party.records] == [30]


def test_it_gets_none_where_there_is_none_to_be_had(inquiry: Inquiry) -> None:
    assert inquiry.substitute("broken") is None
    assert replace(inquiry, budget=inquiry.spent + 10).substitute("fit", queries=30) is None
    assert replace(inquiry, party=None).substitute("fit") is None
    with pytest.raises(UsageError, match="Nothing installed trains substitutes by the name 'fitt'"):
        inquiry.substitute("fitt")


def test_the_longest_suite_trains_one_where_nothing_follows_gradients(
    scene: Scene, build: Any, network: Any, tmp_path: Path
) -> None:
    def gathered(target: Any, **more: Any) -> list[str]:
        asked = party(**more)
        asked.gather(
            standard_of(target, scene.samples),
            Store(tmp_path / "-".join(["of", target.gradients, *more])),
            16,
            float("inf"),
        )
        assert not list(asked.findings)
        return [record.name for record in asked.records]

    assert gathered(scene.target, suite="thorough") == ["distill"]
    assert gathered(scene.target) == []
    assert gathered(build(network), suite="thorough", seed=1) == []
    assert gathered(scene.target, suite="thorough", attack=["shift"]) == []


def test_names_are_short_and_tell_surrogates_apart(scene: Scene, tmp_path: Path) -> None:
    asked = party("fit:queries=9", "fit:queries=8")
    asked.gather(standard_of(scene.target, scene.samples), Store(tmp_path / "n"), 16, float("inf"))
    assert [record.name for record in asked.records] == ["fit", "fit-2"]
    assert asked.queries == 17


def test_what_cannot_be_meant_is_said_before_anything_is_loaded() -> None:
    party("fit:queries=9", "other.onnx:mean=0.5").check()
    with pytest.raises(UsageError, match="has no parameter 'colour'"):
        party("fit:colour=9").check()
    with pytest.raises(UsageError, match="has no option 'colour'"):
        party("other.onnx:colour=9").check()
