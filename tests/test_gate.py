"""Gates are decided on intervals; verdict and exit code are one decision."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.gate import EXIT_CODES, gates_of, judge
from auditor.result.comparison import drop_of
from auditor.result.measures import DropResult, ExpectationResult
from auditor.result.paired import drop_bounds
from auditor.result.record import AttackRun, Finding, GateResult, ModelResult, ThreatResult
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


def test_every_model_that_was_not_audited_is_named() -> None:
    models = [model(0.9, findings=(doubt("block"),)).model_copy(update={"name": name}) for name in ("a", "b", "c")]
    sound = model(0.9).model_copy(update={"name": "sound"})
    assert judge([sound, *models], ())[2] == "a was not audited: AUD305: An attack failed. Not audited either: b, c."
    assert judge([sound, models[1]], ())[2] == "b was not audited: AUD305: An attack failed."


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


def since(lost: int, gained: int, unknown: int = 0, doubts: tuple[str, ...] = (), n: int = 1000) -> DropResult:
    flags = [(True, False)] * lost + [(False, True)] * gained
    flags += [(True, True)] * (n - unknown - lost - gained)
    return drop_of(flags, unknown=unknown).model_copy(update={"doubts": doubts})


def dropped(drop: DropResult | None) -> ModelResult:
    audited = model(0.5)
    return audited.model_copy(update={"threats": (audited.threats[0].model_copy(update={"drop": drop}),)})


def drop_gate(drop: DropResult | None) -> GateResult:
    (gate,) = gates_of(settings(max_drop=0.05), [dropped(drop)], 1000)
    return gate


def test_a_drop_within_what_is_allowed_passes_and_a_larger_one_fails() -> None:
    assert drop_gate(since(5, 3)).outcome == "pass"
    assert drop_gate(since(150, 3)).outcome == "fail"
    assert drop_gate(since(50, 3)).outcome == "inconclusive"


def test_a_drop_is_decided_on_the_interval_of_the_difference() -> None:
    for lost in range(0, 120, 3):
        low, high = drop_bounds(lost, 10, 1000, 0.95)
        gate = drop_gate(since(lost, 10))
        assert gate.interval == pytest.approx((low, high))
        assert gate.outcome == ("pass" if high <= 0.05 else "fail" if low > 0.05 else "inconclusive")


def test_an_open_drop_says_how_many_samples_would_decide_and_they_do() -> None:
    gate = drop_gate(since(45, 15))
    assert gate.outcome == "inconclusive"
    assert gate.samples_needed is not None
    assert f"about {gate.samples_needed:,} samples would decide" in gate.detail
    more = gate.samples_needed / 1000
    assert drop_gate(since(round(45 * more), round(15 * more), n=gate.samples_needed)).outcome == "pass"
    fewer = (1 + more) / 2
    assert drop_gate(since(round(45 * fewer), round(15 * fewer), n=round(1000 * fewer))).outcome == "inconclusive"


def test_no_number_of_samples_decides_a_drop_of_what_is_allowed() -> None:
    assert "no number of samples would decide" in drop_gate(since(60, 10)).detail


def test_samples_that_were_not_evaluated_keep_a_drop_open() -> None:
    assert drop_gate(since(5, 3, unknown=200)).outcome == "inconclusive"
    assert drop_gate(since(400, 3, unknown=20)).outcome == "fail"


def test_runs_of_different_settings_cannot_pass_a_drop_but_can_fail_it() -> None:
    doubted = drop_gate(since(5, 3, doubts=("the runs differ in suite",)))
    assert doubted.outcome == "inconclusive"
    assert "the runs differ in suite" in doubted.detail
    assert drop_gate(since(150, 3, doubts=("the runs differ in suite",))).outcome == "fail"


def test_a_threat_that_the_baseline_lacks_is_inconclusive() -> None:
    assert drop_gate(None).outcome == "inconclusive"
    assert judge([dropped(None)], (drop_gate(None),))[:2] == ("inconclusive", 3)


def threats(*shares: float) -> ModelResult:
    audited = model(0.5)
    made = [
        audited.threats[0].model_copy(update={"eps": 0.1 * i, "robust_accuracy": share, "robust_upper_bound": share})
        for i, share in enumerate(shares, 1)
    ]
    return audited.model_copy(update={"threats": tuple(made)})


def test_what_one_gate_decides_several_may_leave_open() -> None:
    low = next(k for k in range(1001) if clopper_pearson(k, 1000)[0] >= 0.4)
    (alone,) = gates_of(settings(min_robust_accuracy=0.4), [threats(low / 1000)], 1000)
    assert (alone.outcome, alone.corrected_for) == ("pass", 1)
    assert "corrected" not in alone.detail
    several = gates_of(settings(min_robust_accuracy=0.4), [threats(low / 1000, low / 1000)], 1000)
    assert [gate.outcome for gate in several] == ["inconclusive", "inconclusive"]
    assert all(
        gate.corrected_for == 2 and "the 95% interval, corrected for 2 gates, is" in gate.detail for gate in several
    )


def test_a_gate_that_holds_by_far_leaves_its_error_to_the_others() -> None:
    low = next(k for k in range(1001) if clopper_pearson(k, 1000)[0] >= 0.4)
    both = gates_of(settings(min_robust_accuracy=0.4), [threats(0.9, low / 1000)], 1000)
    assert [gate.outcome for gate in both] == ["pass", "pass"]


def test_gates_of_several_models_and_rules_are_one_family() -> None:
    rules = settings(min_robust_accuracy=0.4, min_clean_accuracy=0.5, max_drop=0.05)
    models = [dropped(since(1, 1)), dropped(since(1, 1)).model_copy(update={"name": "other"})]
    gates = gates_of(rules, models, 1000)
    assert [gate.corrected_for for gate in gates] == [6] * 6
    assert judge(models, gates)[0] == "pass"


@pytest.mark.parametrize("shares", [(0.42, 0.38), (0.44, 0.9, 0.43), (0.4, 0.2, 0.36, 0.44), (0.431, 0.437)])
def test_what_is_printed_of_a_corrected_gate_is_what_was_decided(shares: tuple[float, ...]) -> None:
    for gate in gates_of(settings(min_robust_accuracy=0.4), [threats(*shares)], 1000):
        assert gate.interval is not None
        low, high = gate.interval
        assert gate.outcome == ("pass" if low >= 0.4 else "fail" if high < 0.4 else "inconclusive")


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


def test_a_drop_that_is_small_by_the_luck_of_the_draws_alone_does_not_pass() -> None:
    sure = since(5, 3)
    assert drop_gate(sure).outcome == "pass"
    gate = drop_gate(sure.model_copy(update={"effective_samples": 60}))
    assert (gate.outcome, gate.value) == ("inconclusive", drop_gate(sure).value)
    assert "no more certainty than 60 samples" in gate.detail
    assert drop_gate(since(500, 3).model_copy(update={"effective_samples": 200})).outcome == "fail"


def by_chance(robust: float, effective: int) -> ModelResult:
    """Whose draws leave no more certainty than so many samples without chance."""
    audited = model(robust)
    expected = ExpectationResult(
        draws=20, rule="majority", majority=robust, any=0.0, mean=robust, interval=(0, 1), effective_samples=effective
    )
    threat = audited.threats[0].model_copy(update={"expectation": expected})
    return audited.model_copy(update={"threats": (threat,)})


def test_a_share_of_fewer_samples_that_is_no_whole_number_is_not_rounded_to_the_better() -> None:
    # 0.96 of 12 samples are 11.52.
    (gate,) = gates_of(settings(min_robust_accuracy=0.7), [by_chance(0.96, 12)], 500)
    assert (gate.outcome, gate.value) == ("inconclusive", 0.96)
    assert gate.interval == (clopper_pearson(11, 12)[0], 1.0)
    assert "over 20 draws, which leave no more certainty than 12 samples without chance" in gate.detail


def test_samples_that_would_decide_are_counted_in_samples_also_where_draws_add_to_the_doubt() -> None:
    def needed(effective: int, n: int) -> int | None:
        (gate,) = gates_of(settings(min_robust_accuracy=0.45), [by_chance(0.5, effective)], n)
        assert gate.outcome == "inconclusive"
        return gate.samples_needed

    plain = needed(300, 300)
    assert plain is not None
    one_of_ten = needed(270, 300)
    # Of 1 / 270 the draws keep 1 / 270 - 1 / 300, however many samples there are.
    assert one_of_ten is not None
    assert 1.0 / one_of_ten == pytest.approx(1.0 / plain - (1.0 / 270 - 1.0 / 300), rel=0.02)
    assert needed(30, 300) is None
