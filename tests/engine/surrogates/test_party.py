"""The surrogates of a scan: those that are named, and one that the longest suite tries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditor.configuration import build_settings
from auditor.engine.plan import configured
from auditor.engine.store import Store
from auditor.engine.surrogates.party import Party
from auditor.errors import UsageError
from auditor_attacks import auditor_attacks
from tests.engine.scenes import VALUES, Scene, Shift
from tests.engine.surrogates.helpers import Fit, standard_of

ATTACKS = {attack.name: attack for attack in (*auditor_attacks(), Shift)}


def make(name: str, parameters: Any) -> Any:
    return configured(ATTACKS, name, parameters)


def party(*surrogates: str, **more: Any) -> Party:
    settings = build_settings({"models": ["m"], "data": "d", "surrogate": list(surrogates), **more}, {})
    return Party(settings, {"fit": Fit, "distill": Fit}, lambda *_: pytest.fail("loaded"), make)


@pytest.fixture
def scene(build: Any, network: Any, images: Any, memory: Any, tmp_path: Path) -> Scene:
    """Ten times the same six samples; the target gives no gradients."""
    x = images(VALUES * 10)
    return Scene(build(network, gradients="none"), memory(x, (x.flatten(1).mean(1) > 0.5).long()), tmp_path / "run")


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
