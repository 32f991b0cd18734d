from __future__ import annotations

from auditor.formats.html import context
from auditor.formats.html.threat import threat_context
from auditor.result.data import Data
from auditor.result.record import ModelResult, Result, ThreatResult
from auditor.result.samples_csv import Row
from tests.formats.rows import row


def test_a_thousand_classes_fold_and_none_is_silently_dropped() -> None:
    names = tuple(f"class number {i} with a long name" for i in range(1000))
    rows = [row(i, "broken" if i % 3 else "robust", label=i % 1000, adversarial_prediction=i % 7) for i in range(3000)]
    threat = ThreatResult(
        norm="linf", eps=0.1, robust_accuracy=1 / 3, robust_interval=(0.3, 0.4), robust_upper_bound=1 / 3
    )
    shown = _shown(threat, rows, names)
    assert shown.classes is not None
    assert len(shown.classes.shown) + len(shown.classes.folded) == 200
    assert shown.classes.left_out == "800 classes"
    assert shown.mistakes is not None
    assert len(shown.mistakes.heads) == 11
    assert shown.mistakes.heads[-1] == "all others"
    assert max(map(len, shown.mistakes.heads)) <= 20


def test_a_weakness_that_may_be_chance_is_called_so() -> None:
    rows = [row(0, "broken", label=0), row(1, "broken", label=1), *(row(i, label=2) for i in range(2, 9))]
    table = _classes(rows)
    assert table.worst.startswith("2 classes are weakest, among them 0, 0.0% robust (1 sample), 77.8 points below")
    assert table.worst.endswith("With so few samples that may be chance.")
    assert not any(line.weak for line in table.shown)


def test_a_weakness_that_is_no_chance_is_marked_in_its_line() -> None:
    rows = [row(i, "broken" if i % 2 else "robust", label=i % 2) for i in range(100)]
    table = _classes(rows)
    assert table.alarming
    assert "chance" not in table.worst
    assert [line.weak for line in table.shown] == [True, False]


def test_equal_classes_have_no_weakest() -> None:
    assert _classes([row(0, label=0), row(1, label=1)]).worst == "All classes are equally robust."
    assert _classes([row(0, label=3)]).worst == "All samples are of one class, 3."


def _classes(rows: list[Row]) -> context.Classes:
    share = sum(r.outcome == "robust" for r in rows) / len(rows)
    threat = ThreatResult(norm="linf", eps=0.1, robust_accuracy=share, robust_interval=None, robust_upper_bound=share)
    shown = _shown(threat, rows)
    assert shown.classes is not None
    return shown.classes


def _shown(threat: ThreatResult, rows: list[Row], names: tuple[str, ...] | None = None) -> context.Threat:
    model = _model(threat, names)
    result = Result(
        verdict="pass",
        exit_code=0,
        data=Data(source="", n=len(rows), sha256=""),
        settings={},
        environment={},
        models=(model,),
    )
    return threat_context(result, model, threat, rows, "anchor")


def _model(threat: ThreatResult, classes: tuple[str, ...] | None = None) -> ModelResult:
    return ModelResult(
        name="m",
        path="m.onnx",
        sha256="",
        format="onnx",
        gradients="native",
        clean_accuracy=1.0,
        clean_interval=(0.9, 1.0),
        threats=(threat,),
        classes=classes,
    )
