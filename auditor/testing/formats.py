"""Questions for formats: a pure function of a finished run, that copes with any."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from auditor.formats.base import Format
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
from auditor.result.run import Run
from auditor.result.samples_csv import Row, write_rows
from auditor.result.statistics import clopper_pearson
from auditor.testing.kit import Question, demand
from auditor.types import Norm

_N, _EPS = 8, 8 / 255


def format_questions(form: Format) -> Iterator[Question]:
    """About its name and file, and about runs that passed, failed, found nothing out, or bear hostile names."""
    ask = partial(Question, form.name)
    yield ask("its file has a plain name, and it says what it is for", partial(_named, form))
    yield ask("the same run gives the same text, and the run is left as it is", partial(_pure, form))
    for name in _RUNS:
        yield ask(f"it renders a run {name}", partial(_renders, form, name))


def _named(form: Format) -> None:
    name = form.filename
    demand(name and PurePath(name).name == name and not name.startswith("."), f"{name!r} is no plain file name")
    demand(form.help.strip(), "it has no help")


def _pure(form: Format) -> None:
    with TemporaryDirectory() as folder:
        run = _written(Path(folder), "that failed its gate")
        before = {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
        demand(form.render(run) == form.render(run), "it rendered one run in two ways")
        after = {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
        demand(before == after, "rendering changed the run's folder")


def _renders(form: Format, name: str) -> None:
    with TemporaryDirectory() as folder:
        text = form.render(_written(Path(folder), name))
    demand(isinstance(text, str), f"it gave {type(text).__name__} in place of text")
    demand(text.strip(), "it gave an empty text")
    text.encode("utf-8")


_RUNS = {
    "that failed its gate": {"verdict": "fail", "outcome": "fail", "standing": 2},
    "without gates": {"verdict": "pass", "standing": 4},
    "whose gate is left open": {"verdict": "inconclusive", "outcome": "inconclusive", "standing": 5},
    "in which samples were not evaluated": {"verdict": "inconclusive", "unknown": 3},
    "of a model that could not be audited": {"verdict": "error", "audited": False},
    "with hostile names": {"verdict": "pass", "outcome": "pass", "standing": 8, "name": '<b>"|`\u202e\n&'},
}


def _written(folder: Path, name: str) -> Run:
    """One of these runs, as the project's own writers write it."""
    run, result = folder / "run", _result(**_RUNS[name])  # type: ignore[arg-type]
    run.mkdir()
    (run / "result.json").write_text(result.to_json(), encoding="utf-8")
    write_rows(run / "samples.csv", [row for model in result.models for row in _rows(model)])
    return Run(run)


def _result(
    verdict: Verdict,
    outcome: GateOutcome | None = None,
    standing: int = 0,
    unknown: int = 0,
    audited: bool = True,
    name: str = "net",
) -> Result:
    """Eight samples of two classes, one model and one budget, under which so many are `standing`."""
    model = _model(name, standing, unknown) if audited else _not_audited(name)
    interval = clopper_pearson(standing, _N)
    gate = GateResult(
        rule="min_robust_accuracy",
        value=standing / _N,
        threshold=0.5,
        outcome=outcome or "pass",
        interval=interval,
        model=name,
        norm="linf",
        eps=_EPS,
    )
    return Result(
        verdict=verdict,
        exit_code={"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}[verdict],
        summary="One sentence.",
        gates=(gate,) if outcome else (),
        data=Data(source="images", n=_N, sha256="d" * 64, shape=(1, 4, 4), classes=("cat", name)),
        settings={"seed": 0, "suite": "quick", "confidence": 0.95},
        environment={"auditor": "0"},
        models=(model,),
        started="2026-01-02T03:04:05+00:00",
        seconds=1.0,
        command="auditor scan",
    )


def _model(name: str, standing: int, unknown: int) -> ModelResult:
    attack = AttackRun(
        name="pgd",
        parameters={"steps": 10},
        status="timed out" if unknown else "ran",
        reason="the time limit was reached" if unknown else "",
        attacked=_N,
        broken=_N - standing - unknown,
        seconds=0.5,
        forwards=80,
        backwards=80,
    )
    threat = ThreatResult(
        norm=Norm.LINF,
        eps=_EPS,
        robust_accuracy=None if unknown else standing / _N,
        robust_interval=None if unknown else clopper_pearson(standing, _N),
        robust_upper_bound=(standing + unknown) / _N,
        not_evaluated=unknown,
        attacks=(attack,),
    )
    doubt = Finding(code="AUD201", severity="inconclusive" if unknown else "info", title="T", detail=f"About {name}.")
    return _not_audited(name).model_copy(
        update={"clean_accuracy": 1.0, "clean_interval": (0.6, 1.0), "findings": (doubt,), "threats": (threat,)}
    )


def _not_audited(name: str) -> ModelResult:
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


def _rows(model: ModelResult) -> Iterator[Row]:
    for threat in model.threats:
        standing = round(threat.robust_upper_bound * _N) - threat.not_evaluated
        for index in range(_N):
            outcome = "robust" if index < standing else "broken"
            yield Row(
                model=model.name,
                norm=threat.norm,
                eps=threat.eps,
                index=index,
                label=index % 2,
                clean_prediction=index % 2,
                clean_correct=True,
                outcome="not_evaluated" if index >= _N - threat.not_evaluated else outcome,
                broken_by="pgd" if outcome == "broken" else "",
            )
