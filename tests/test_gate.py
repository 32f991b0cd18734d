"""Gates are decided on intervals; verdict and exit code are one decision."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.gate import EXIT_CODES, drop_gates, gates_of, judge
from auditor.result.comparison import Comparison, Pair
from auditor.result.record import AttackRun, Finding, ModelResult, ThreatResult
from auditor.result.statistics import clopper_pearson
from auditor.settings import Settings, ThreatSetting
from auditor.types import Norm


def settings(**rules: Any) -> Settings:
    return Settings(models=("m",), data="d", threats=(ThreatSetting(norm=Norm.LINF, eps=0.1),), **rules)


def model(robust: float | None, *, upper: float | None = None, findings: tuple[Finding, ...] = ()) -> ModelResult:
    threat = ThreatResult(
        norm="linf",
        eps=0.1,
        robust_accuracy=robust,
        robust_interval=(0.0, 1.0) if robust is not None else None,
        robust_upper_bound=upper if upper is not None else robust or 0.0,
        not_evaluated=0 if robust is not None else 10,
    )
    return ModelResult(
        name="m",
        path="m.onnx",
        sha256="0",
        format="onnx",
        gradients="twin",
        clean_accuracy=0.98,
        clean_interval=(0.9, 1.0),
        findings=findings,
        threats=(threat,),
    )


def doubt(severity: str) -> Finding:
    return Finding(code="AUD305", severity=severity, title="An attack failed", detail="it crashed")  # type: ignore[arg-type]


def decide(n: int, robust: float | None, findings: tuple[Finding, ...] = (), **more: Any) -> tuple[str, int, str]:
    threshold = more.pop("threshold", 0.4)
    models = [model(robust, findings=findings, **more)]
    return judge(models, gates_of(settings(min_robust_accuracy=threshold), models, n))


def test_an_interval_above_the_threshold_passes() -> None:
    assert decide(1000, 0.5)[:2] == ("pass", 0)


def test_an_interval_below_the_threshold_fails() -> None:
    assert decide(1000, 0.3)[:2] == ("fail", 1)


def test_an_interval_across_the_threshold_is_inconclusive_and_says_how_many_samples_decide() -> None:
    verdict, code, why = decide(50, 0.5)
    assert (verdict, code) == ("inconclusive", 3)
    assert "samples would decide" in why
    assert clopper_pearson(25, 50)[0] < 0.4 < clopper_pearson(25, 50)[1]


@pytest.mark.parametrize("n", [20, 100, 1000])
def test_the_outcome_is_what_the_exact_interval_says(n: int) -> None:
    for k in range(0, n + 1, max(1, n // 20)):
        low, high = clopper_pearson(k, n)
        expected = "pass" if low >= 0.4 else "fail" if high < 0.4 else "inconclusive"
        assert decide(n, k / n)[0] == expected


def test_a_doubted_evaluation_cannot_pass() -> None:
    assert decide(1000, 0.9, (doubt("inconclusive"),))[:2] == ("inconclusive", 3)


def test_a_doubted_evaluation_can_still_fail_since_robust_accuracy_is_an_upper_bound() -> None:
    assert decide(1000, 0.1, (doubt("inconclusive"),))[:2] == ("fail", 1)


def test_a_warning_does_not_change_the_verdict() -> None:
    assert decide(1000, 0.9, (doubt("warn"),))[:2] == ("pass", 0)


def test_a_blocking_finding_is_an_error_whatever_the_gates_say() -> None:
    assert decide(1000, 0.1, (doubt("block"),))[:2] == ("error", 4)


def test_samples_that_were_not_evaluated_never_pass() -> None:
    assert decide(1000, None, upper=0.9)[:2] == ("inconclusive", 3)


def test_samples_that_were_not_evaluated_fail_where_even_the_upper_bound_is_too_low() -> None:
    assert decide(1000, None, upper=0.2)[:2] == ("fail", 1)


def test_without_a_gate_a_sound_audit_passes_and_a_doubted_one_does_not() -> None:
    assert judge([model(0.0)], ())[0] == "pass"
    assert judge([model(0.5, findings=(doubt("inconclusive"),))], ())[0] == "inconclusive"


def test_clean_accuracy_is_gated_too() -> None:
    models = [model(0.5)]
    assert judge(models, gates_of(settings(min_clean_accuracy=0.99), models, 10_000))[0] == "fail"
    assert judge(models, gates_of(settings(min_clean_accuracy=0.9), models, 10_000))[0] == "pass"


def test_every_verdict_has_its_exit_code() -> None:
    assert EXIT_CODES == {"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}


def drop(lost: int, gained: int, unknown: int = 0, notes: tuple[str, ...] = (), n: int = 1000) -> tuple[str, int, str]:
    pair = Pair("m", "linf", 0.1, n, 0.5, 0.5 - (lost - gained) / n, lost, gained, unknown)
    models = [model(0.5)]
    return judge(models, drop_gates(Comparison((pair,), notes), models, 0.05, 0.95))


def test_a_drop_within_what_is_allowed_passes_and_a_larger_one_fails() -> None:
    assert drop(5, 3)[0] == "pass"
    assert drop(150, 3)[0] == "fail"
    assert drop(50, 3)[0] == "inconclusive"


def test_samples_that_were_not_evaluated_keep_a_drop_open() -> None:
    assert drop(5, 3, unknown=200)[0] == "inconclusive"
    assert drop(400, 3, unknown=20)[0] == "fail"


def test_runs_of_different_settings_cannot_pass_a_drop() -> None:
    assert drop(5, 3, notes=("the runs differ in suite",))[0] == "inconclusive"


def test_a_threat_that_the_baseline_lacks_is_inconclusive() -> None:
    models = [model(0.5)]
    assert judge(models, drop_gates(Comparison((), ()), models, 0.05, 0.95))[0] == "inconclusive"


def test_what_preview_attacks_alone_broke_never_gates() -> None:
    def run(name: str, broken: int, stage: str) -> AttackRun:
        counts = {"attacked": 1000, "broken": broken, "seconds": 0.0, "forwards": 0, "backwards": 0}
        return AttackRun(name=name, parameters={}, status="ran", reason="", stage=stage, **counts)

    def outcome(stage: str) -> tuple[str, float | None]:
        audited = model(0.3)
        threat = audited.threats[0].model_copy(update={"attacks": (run("pgd", 480, "stable"), run("new", 200, stage))})
        models = [audited.model_copy(update={"threats": (threat,)})]
        (gate,) = gates_of(settings(min_robust_accuracy=0.4), models, 1000)
        return gate.outcome, gate.value

    assert outcome("stable") == ("fail", 0.3)
    assert outcome("preview") == ("pass", 0.5)
