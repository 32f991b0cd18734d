from __future__ import annotations

from dataclasses import replace

from auditor.formats.html.charts.bars import bar_chart
from auditor.formats.html.charts.cascade import cascade_chart
from auditor.formats.html.charts.curve import curve_chart
from auditor.formats.views.cascade import cascade
from auditor.formats.views.curve import Curve, Point
from auditor.result.record import AttackRun, ModelResult, ThreatResult


def curve(*eps: float) -> Curve:
    points = tuple(Point(e, 1.0 - e, (0.9 - e, 1.0 - e)) for e in (0.0, *eps))
    return Curve("l2", points, ((0.25, 0.75), (0.5, 0.5)))


def test_bars_are_shares_of_the_width_and_what_is_open_says_so() -> None:
    threats = (
        ThreatResult(
            norm="linf",
            eps=0.1,
            robust_accuracy=0.25,
            robust_interval=(0.2, 0.3),
            robust_upper_bound=0.25,
            certified_accuracy=0.125,
        ),
        ThreatResult(
            norm="l2", eps=1.0, robust_accuracy=None, robust_interval=None, robust_upper_bound=0.5, not_evaluated=3
        ),
    )
    model = ModelResult(
        name="m",
        path="m.onnx",
        sha256="",
        format="onnx",
        gradients="native",
        clean_accuracy=0.75,
        clean_interval=(0.7, 0.8),
        threats=threats,
    )
    chart = bar_chart(model)
    assert chart is not None
    assert [(bar.label, bar.kind, bar.width, bar.certified) for bar in chart.bars] == [
        ("clean", "clean", 75.0, None),
        ("linf 0.1", "robust", 25.0, 12.5),
        ("l2 1", "open", 50.0, None),
    ]
    assert chart.bars[1].value == "25.0% (20.0–30.0%)"
    assert chart.bars[2].value == "not evaluated, ≤ 50.0%"
    assert bar_chart(model.model_copy(update={"clean_accuracy": None})) is None


def test_marks_lie_where_budget_and_share_say() -> None:
    chart = curve_chart([("m", curve(0.25, 0.5))], "title")
    (series,) = chart.series
    assert [(mark.x, mark.y) for mark in series.marks] == [(0.0, 0.0), (50.0, 60.0), (100.0, 120.0)]
    assert series.line == "M0.0 0.0 L500.0 60.0 L1000.0 120.0"
    assert series.bound == "M0 0.0 H500.0 V60.0 H1000.0 V120.0 H1000"


def test_budgets_that_lie_close_together_share_no_room_for_labels() -> None:
    chart = curve_chart([("m", curve(0.01, 0.02, 0.3, 0.5))], "title")
    assert [tick.label for tick in chart.ticks] == ["0", "", "", "0.3", "0.5"]
    assert [bool(mark.label) for mark in chart.series[0].marks] == [True, False, False, True, True]


def test_several_models_share_a_scale_and_draw_no_band() -> None:
    chart = curve_chart([("a", curve(0.5)), ("b", curve(0.25))], "title")
    assert [series.marks[-1].x for series in chart.series] == [100.0, 50.0]
    assert not any(series.band or series.bound for series in chart.series)
    assert "a: clean 100.0%, 0.5 50.0%. b: clean" in chart.description


def test_a_cascade_leaves_out_what_was_skipped() -> None:
    known = {"parameters": {}, "reason": "", "seconds": 1.0, "forwards": 5, "backwards": 0}
    runs = [
        AttackRun(name="a", status="ran", attacked=8, broken=6, **known),
        AttackRun(name="b", status="skipped", attacked=0, broken=0, **known),
        AttackRun(name="c", status="timed out", attacked=2, broken=0, **known),
    ]
    chart = cascade_chart(cascade(runs, 8), 8, 10, "title")
    assert [(fall.name, fall.standing, fall.fallen) for fall in chart.falls] == [
        ("Before any attack", 80.0, 0.0),
        ("a", 20.0, 60.0),
        ("c", 20.0, 0.0),
    ]
    assert chart.falls[2].cost == "timed out after 5 passes, 1.0 s"
    assert not chart.falls[2].complete


def test_a_cascade_says_where_an_attack_looked_at_the_closest_samples_only() -> None:
    known = {"parameters": {}, "status": "ran", "seconds": 1.0, "forwards": 5, "backwards": 0}
    runs = [
        AttackRun(name="a", attacked=8, broken=2, reason="", **known),
        AttackRun(name="b", attacked=3, broken=1, reason="attacked the 3 of 6 samples that came closest", **known),
    ]
    chart = cascade_chart(cascade(runs, 9), 9, 10, "title")
    assert [fall.result for fall in chart.falls[1:]] == ["broke 2 of 8", "broke 1 of the 3 closest"]


def test_what_is_proven_is_level_up_to_each_radius_and_ends_with_the_chart() -> None:
    proven = replace(curve(0.25, 0.5), proven=((0.1, 0.6), (0.3, 0.2), (0.9, 0.1)))
    (series,) = curve_chart([("m", proven)], "title").series
    assert series.proven == "M0 96.0 H200.0 V192.0 H600.0 V216.0 H1000"
    assert curve_chart([("m", curve(0.25))], "title").series[0].proven == ""
