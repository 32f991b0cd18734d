from __future__ import annotations

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor.target.head import Head
from auditor_checks.probabilities import ProbabilityHead
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of, target_of


def test_nothing_is_said_of_logits(honest: Scene) -> None:
    assert not found(ProbabilityHead, honest)


def test_probabilities_that_are_read_as_such_are_mentioned(gray: Trained) -> None:
    target = target_of(lambda z: gray.network(z).softmax(1), head=Head.PROBABILITIES)
    (finding,) = found(ProbabilityHead, scene_of(gray.network, gray.x, gray.y, target=target))
    assert finding.severity is Severity.INFO


def test_probabilities_that_are_read_as_logits_warn(gray: Trained) -> None:
    (finding,) = found(ProbabilityHead, scene_of(lambda z: gray.network(z).softmax(1), gray.x, gray.y))
    assert finding.severity is Severity.WARN


def test_independent_scores_in_0_to_1_are_no_distribution(gray: Trained) -> None:
    assert not found(ProbabilityHead, scene_of(lambda z: gray.network(z).sigmoid(), gray.x, gray.y))
