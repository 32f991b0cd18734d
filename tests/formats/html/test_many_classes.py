from __future__ import annotations

from auditor.formats.html.threat import threat_context
from auditor.result.record import ModelResult, ThreatResult
from tests.formats.rows import row


def test_a_thousand_classes_fold_and_none_is_silently_dropped() -> None:
    names = tuple(f"class number {i} with a long name" for i in range(1000))
    rows = [row(i, "broken" if i % 3 else "robust", label=i % 1000, adversarial_prediction=i % 7) for i in range(3000)]
    threat = ThreatResult(
        norm="linf", eps=0.1, robust_accuracy=1 / 3, robust_interval=(0.3, 0.4), robust_upper_bound=1 / 3
    )
    model = ModelResult(
        name="m",
        path="m.onnx",
        sha256="",
        format="onnx",
        gradients="native",
        clean_accuracy=1.0,
        clean_interval=(0.9, 1.0),
        threats=(threat,),
        classes=names,
    )
    shown = threat_context(model, threat, rows, 3000, 0.95, "anchor")
    assert shown.classes is not None
    assert len(shown.classes.shown) + len(shown.classes.folded) == 200
    assert shown.classes.left_out == "800 classes"
    assert shown.mistakes is not None
    assert len(shown.mistakes.heads) == 11
    assert shown.mistakes.heads[-1] == "all others"
    assert max(map(len, shown.mistakes.heads)) <= 20
