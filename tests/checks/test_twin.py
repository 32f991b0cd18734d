from __future__ import annotations

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor_checks.twin import TwinAgreement
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of, target_of


def test_nothing_is_said_of_models_that_are_their_own_twin(honest: Scene) -> None:
    assert not found(TwinAgreement, honest)


def test_nothing_is_said_of_a_twin_that_differs_by_rounding(gray: Trained) -> None:
    target = target_of(gray.network, twin=lambda z: gray.network(z.double().float() + 1e-7), gradients="twin")
    assert not found(TwinAgreement, scene_of(gray.network, gray.x, gray.y, target=target))


def test_nothing_is_said_without_a_twin(gray: Trained) -> None:
    target = target_of(gray.network, twin=None, gradients="none")
    assert not found(TwinAgreement, scene_of(gray.network, gray.x, gray.y, target=target))


def test_a_twin_that_computes_something_else_warns(gray: Trained) -> None:
    target = target_of(gray.network, twin=lambda z: gray.network(z.clamp(max=0.9)), gradients="twin")
    (finding,) = found(TwinAgreement, scene_of(gray.network, gray.x, gray.y, target=target))
    assert finding.severity is Severity.WARN
