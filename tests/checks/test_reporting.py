"""Numbers that say less than they seem to, or contradict each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from auditor import Severity
from auditor.engine.scene import Scene
from auditor.result.measures import CertificateResult
from auditor_checks.certified import ProofAgainstExample
from auditor_checks.rounding import EightBits
from tests.checks.conftest import Trained
from tests.checks.scenes import found, record, run, scene_of


def scene(gray: Trained, **numbers: Any) -> Scene:
    """A record of 256 samples whose one threat has these numbers."""
    model = record(run("pgd", "gradients", 10))
    threat = model.threats[0].model_copy(update=numbers)
    return scene_of(gray.network, gray.x, gray.y, result=model.model_copy(update={"threats": (threat,)}))


@pytest.mark.parametrize(
    ("rounded", "said"),
    [(0.5, None), (0.507, None), (0.52, Severity.INFO), (0.85, Severity.INFO), (0.87, Severity.WARN), (None, None)],
)
def test_examples_that_rounding_undoes_are_told_and_warned_of(
    gray: Trained, rounded: float | None, said: Severity | None
) -> None:
    findings = found(EightBits, scene(gray, robust_accuracy=0.5, robust_accuracy_8bit=rounded))
    assert [finding.severity for finding in findings] == ([] if said is None else [said])


def test_below_one_level_rounding_undoes_examples_as_a_matter_of_course(gray: Trained) -> None:
    (finding,) = found(EightBits, scene(gray, robust_accuracy=0.5, robust_accuracy_8bit=0.9, eps=0.003))
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize(("certified", "contradicts"), [(None, False), (0.3, False), (0.5, False), (0.51, True)])
def test_more_proofs_than_samples_that_stand_are_an_error(
    gray: Trained, certified: float | None, contradicts: bool
) -> None:
    findings = found(ProofAgainstExample, scene(gray, certified_accuracy=certified, robust_upper_bound=0.5))
    assert [finding.severity for finding in findings] == [Severity.BLOCK] * contradicts


@pytest.mark.parametrize(("both", "alpha", "contradicts"), [(0, 0.001, False), (1, 0.001, False), (9, 0.001, True)])
def test_samples_with_a_proof_and_an_example_are_an_error_beyond_what_proofs_may_be_wrong_by(
    gray: Trained, both: int, alpha: float, contradicts: bool
) -> None:
    made = scene(gray, certified_accuracy=0.5, certified_broken=both, robust_upper_bound=0.4)
    assert made.result is not None
    proofs = CertificateResult(alpha=alpha, abstained=0)
    made = replace(made, result=made.result.model_copy(update={"certificate": proofs}))
    findings = found(ProofAgainstExample, made)
    assert [finding.severity for finding in findings] == [Severity.BLOCK] * contradicts
