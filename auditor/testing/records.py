"""Records of small audits that never took place, for plugins that read them: formats, and checks of what was done."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.result.data import Data
from auditor.result.record import (
    AttackRun,
    Finding,
    GateOutcome,
    GateResult,
    ModelResult,
    Result,
    ThreatResult,
    Verdict,
)
from auditor.result.samples_csv import Row
from auditor.result.statistics import clopper_pearson
from auditor.types import Norm

N, EPS = 8, 8 / 255


def result_of(
    verdict: Verdict,
    outcome: GateOutcome | None = None,
    standing: int = 0,
    unknown: int = 0,
    audited: bool = True,
    name: str = "net",
) -> Result:
    """Eight samples of two classes, one model and one budget, under which so many are `standing`."""
    model = model_of(name, standing, unknown) if audited else not_audited(name)
    interval = clopper_pearson(standing, N)
    gate = GateResult(
        rule="min_robust_accuracy",
        value=standing / N,
        threshold=0.5,
        outcome=outcome or "pass",
        interval=interval,
        model=name,
        norm="linf",
        eps=EPS,
    )
    return Result(
        verdict=verdict,
        exit_code={"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}[verdict],
        summary="One sentence.",
        gates=(gate,) if outcome else (),
        data=Data(source="images", n=N, sha256="d" * 64, shape=(1, 4, 4), classes=("cat", name)),
        settings={"seed": 0, "suite": "quick", "confidence": 0.95},
        environment={"auditor": "0"},
        models=(model,),
        started="2026-01-02T03:04:05+00:00",
        seconds=1.0,
        command="auditor scan",
    )


def model_of(name: str, standing: int, unknown: int) -> ModelResult:
    attack = AttackRun(
        name="pgd",
        parameters={"steps": 10},
        status="timed out" if unknown else "ran",
        reason="the time limit was reached" if unknown else "",
        attacked=N,
        broken=N - standing - unknown,
        seconds=0.5,
        forwards=80,
        backwards=80,
    )
    threat = ThreatResult(
        norm=Norm.LINF,
        eps=EPS,
        robust_accuracy=None if unknown else standing / N,
        robust_interval=None if unknown else clopper_pearson(standing, N),
        robust_upper_bound=(standing + unknown) / N,
        not_evaluated=unknown,
        attacks=(attack,),
    )
    doubt = Finding(code="AUD201", severity="inconclusive" if unknown else "info", title="T", detail=f"About {name}.")
    return not_audited(name).model_copy(
        update={"clean_accuracy": 1.0, "clean_interval": (0.6, 1.0), "findings": (doubt,), "threats": (threat,)}
    )


def not_audited(name: str) -> ModelResult:
    return ModelResult(
        name=name,
        path=f"{name}.onnx",
        sha256="e" * 64,
        format="onnx",
        gradients="twin",
        clean_accuracy=None,
        clean_interval=None,
        findings=(Finding(code="AUD001", severity="block", title="Not audited", detail="It does not load."),),
        num_classes=2,
    )


def rows_of(model: ModelResult) -> Iterator[Row]:
    for threat in model.threats:
        standing = round(threat.robust_upper_bound * N) - threat.not_evaluated
        for index in range(N):
            outcome = "robust" if index < standing else "broken"
            yield Row(
                model=model.name,
                norm=threat.norm,
                eps=threat.eps,
                index=index,
                label=index % 2,
                clean_prediction=index % 2,
                clean_correct=True,
                outcome="not_evaluated" if index >= N - threat.not_evaluated else outcome,
                broken_by="pgd" if outcome == "broken" else "",
            )
