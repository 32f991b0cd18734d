"""A finished run, written by the project's own writers: two models, two norms, hostile names, one attack cut short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from auditor.result.data import Data, Skipped
from auditor.result.evidence import Shard, folder, write_shard
from auditor.result.measures import ForecastResult
from auditor.result.record import AttackRun, Finding, GateResult, ModelResult, Result, ThreatResult
from auditor.result.samples_csv import Row, write_rows
from auditor.result.statistics import clopper_pearson, wilson

HOSTILE = '<script>alert("x")</script>'
CLASSES = ("cat", HOSTILE, 'a "quoted" & |piped| `name`', "\u202egnp.exe\u202c", "a very long class name " * 5)
N = 60
EPS = 8 / 255


MODELS = ("small", "bold & <b>big</b>")


def write_run(path: Path, names: tuple[str, ...] = MODELS) -> Path:
    """Sample `i` has class `i % 5`. Every tenth is misclassified; what falls is written in `fate`."""
    path.mkdir()
    models = [_model(path, name) for name in names]
    robust = models[0].threats[1]
    gate = GateResult(
        rule="min_robust_accuracy",
        value=robust.robust_accuracy,
        threshold=0.9,
        outcome="fail",
        interval=clopper_pearson(round(robust.robust_upper_bound * N), N),
        detail="the interval lies below 90.0%",
        model="small",
        norm="linf",
        eps=EPS,
    )
    result = Result(
        verdict="fail",
        exit_code=1,
        summary="small: robust accuracy under linf 8/255 is too low.",
        gates=(gate,),
        data=Data(
            source="data/<images>",
            n=N,
            sha256="d" * 64,
            shape=(3, 16, 16),
            classes=CLASSES,
            skipped=(Skipped(name=f"{HOSTILE}.png", reason="truncated"),),
            eight_bit=True,
        ),
        settings={"seed": 7, "suite": "standard", "confidence": 0.95, "models": ["small.onnx"]},
        environment={"auditor": "0.1.0", "torch": "2.9"},
        models=tuple(models),
        started="2026-01-02T03:04:05+00:00",
        seconds=83.2,
        command=f"auditor scan small.onnx --data '{HOSTILE}'",
    )
    (path / "result.json").write_text(result.to_json(), encoding="utf-8")
    write_rows(path / "samples.csv", [row for model in models for row in rows_of(model.name)])
    return path


def fate(model: str, norm: str, eps: float, index: int) -> tuple[str, str]:
    """Outcome and cause of a sample: `small` is easier to break, and larger budgets break more."""
    if index % 10 == 0:
        return "misclassified", ""
    hard = 2 if model == "small" else 3
    if index % (2 * hard) == 1:
        return "broken", "apgd-ce" if norm == "l2" or eps < EPS else "smaller-budget"
    if index % hard == 1 and eps >= EPS:
        return "broken", "square" if index % 4 == 3 else "apgd-ce"
    if model != "small" and norm == "l2" and index >= 50:
        return "not_evaluated", ""
    return "robust", ""


BUDGETS = (("linf", 2 / 255), ("linf", EPS), ("l2", 0.5))


def rows_of(model: str) -> Iterator[Row]:
    for norm, eps in BUDGETS:
        for index in range(N):
            outcome, cause = fate(model, norm, eps, index)
            label = index % len(CLASSES)
            wrong = (label + 1 + index % 3) % len(CLASSES)
            broken = outcome == "broken"
            yield Row(
                model=model,
                norm=norm,
                eps=eps,
                index=index,
                label=label,
                clean_prediction=wrong if outcome == "misclassified" else label,
                clean_correct=outcome != "misclassified",
                outcome=outcome,
                broken_by=cause,
                adversarial_prediction=wrong if broken else None,
                adversarial_confidence=0.5 + index / 200 if broken else None,
                distance=eps * (0.5 if index % 3 else 1.0) if broken else None,
                clean_confidence=0.9,
                name=f"{HOSTILE}/{index}.png",
            )


def _model(path: Path, name: str) -> ModelResult:
    rows = list(rows_of(name))
    correct = sum(row.clean_correct for row in rows) // len(BUDGETS)
    threats = tuple(_threat(path, name, norm, eps, rows, correct) for norm, eps in BUDGETS)
    finding = Finding(
        code="AUD104",
        severity="warn" if name == "small" else "inconclusive",
        title=f"Black-box beats {HOSTILE}",
        detail="square broke what apgd did not.",
        remedy="Look for masked gradients.",
    )
    return ModelResult(
        name=name,
        path=f"models/{name}.onnx",
        sha256="a" * 64,
        format="onnx",
        gradients="twin" if name == "small" else "none",
        clean_accuracy=correct / N,
        clean_interval=wilson(correct, N),
        findings=(finding,),
        threats=threats,
        num_classes=len(CLASSES),
        classes=CLASSES,
        input_shape=(None, 3, 16, 16),
        seconds={"clean": 0.2, "attack": 12.0},
    )


def _threat(path: Path, name: str, norm: str, eps: float, rows: list[Row], correct: int) -> ThreatResult:
    mine = [row for row in rows if (row.norm, row.eps) == (norm, eps)]
    robust = sum(row.outcome == "robust" for row in mine)
    unknown = sum(row.outcome == "not_evaluated" for row in mine)
    runs, standing = [], correct
    for cause in ("smaller-budget", "apgd-ce", "square"):
        fallen = [row for row in mine if row.broken_by == cause]
        if cause == "smaller-budget" and not fallen:
            continue
        cut = bool(unknown) and cause == "square"
        runs.append(_attack(cause, standing, len(fallen), cut=cut))
        standing -= len(fallen)
        if fallen and cause != "smaller-budget":
            _evidence(path, name, norm, eps, fallen)
    runs.append(_attack("apgd-dlr", 0, 0, skipped=True))
    return ThreatResult(
        norm=norm,
        eps=eps,
        robust_accuracy=None if unknown else robust / N,
        robust_interval=None if unknown else wilson(robust, N),
        robust_upper_bound=(robust + unknown) / N,
        not_evaluated=unknown,
        robust_accuracy_8bit=None if unknown else (robust + 1) / N,
        attacks=tuple(runs),
        forecast=None if unknown else ForecastResult(expected=0.004, low=0.0, high=1 / N, confidence=0.95, passes=800),
    )


def _attack(name: str, attacked: int, broken: int, *, cut: bool = False, skipped: bool = False) -> AttackRun:
    inherited = name == "smaller-budget"
    status, reason = ("timed out", "the time limit was reached") if cut else ("ran", "")
    if skipped:
        status, reason = "skipped", "nothing was left to attack"
    free = inherited or skipped
    return AttackRun(
        name=name,
        parameters={} if inherited else {"steps": 100, "loss": HOSTILE},
        status=status,  # type: ignore[arg-type]
        reason=reason,
        attacked=attacked,
        broken=broken,
        seconds=0.0 if free else 4.5,
        forwards=0 if free else attacked * 100,
        backwards=0 if free or name == "square" else attacked * 100,
        attack="" if inherited else name.partition("-")[0],
        access="" if inherited else "scores" if name == "square" else "gradients",
        paper="" if inherited else "arXiv:2003.01690",
    )


def _evidence(path: Path, name: str, norm: str, eps: float, rows: list[Row]) -> None:
    index = np.array([row.index for row in rows])
    rng = np.random.default_rng(len(rows))
    original = np.stack([_image(int(i)) for i in index])
    noise = rng.choice([-1.0, 1.0], original.shape).astype(np.float32) * np.float32(EPS)
    label = np.array([row.label for row in rows])
    place = folder(path, name, norm, eps)
    number = len(list(place.glob("*"))) if place.exists() else 0
    shard = Shard(index, label, original, np.clip(original + noise, 0.0, 1.0))
    write_shard(place / f"{number:05d}.safetensors", shard, eight_bit=True)


def _image(index: int) -> np.ndarray:
    """A disc on a gradient, in 8-bit levels: `(3, 16, 16)`."""
    rows, columns = np.mgrid[0:16, 0:16] / 15.0
    disc = ((rows - 0.5) ** 2 + (columns - (index % 7) / 6) ** 2 < 0.08).astype(float)
    image = np.stack([0.2 + 0.6 * disc, rows * 0.8, columns * (index % 5) / 5])
    return (np.rint(image * 255.0) / 255.0).astype(np.float32)
