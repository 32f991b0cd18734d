from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from auditor.formats.badge import Badge, Shields
from auditor.result.record import Result
from auditor.result.run import Run

Changed = Callable[[Callable[[Result], Result]], Run]
SVG = "{http://www.w3.org/2000/svg}"


def shield(run: Run) -> dict[str, Any]:
    return json.loads(Shields().render(run))  # type: ignore[no-any-return]


def judged(verdict: str, *, gated: bool = True) -> Callable[[Result], Result]:
    def change(result: Result) -> Result:
        return result.model_copy(update={"verdict": verdict, "gates": result.gates if gated else ()})

    return change


def test_the_least_robust_accuracy_of_the_run_is_said(run: Run) -> None:
    known = [t.robust_accuracy for m in run.result.models for t in m.threats if t.robust_accuracy is not None]
    assert shield(run)["message"].startswith(f"{100 * min(known):.1f}% at l")


@pytest.mark.parametrize(
    ("verdict", "gated", "colour"),
    [
        ("pass", True, "brightgreen"),
        ("pass", False, "blue"),
        ("fail", True, "red"),
        ("inconclusive", True, "yellow"),
        ("error", True, "lightgrey"),
    ],
)
def test_the_colour_is_the_verdicts(changed: Changed, verdict: str, gated: bool, colour: str) -> None:
    told = shield(changed(judged(verdict, gated=gated)))
    assert told["color"] == colour
    assert told.get("isError", False) is (verdict == "error")


def test_what_nobody_can_trust_is_called_inconclusive_before_its_number(changed: Changed) -> None:
    assert shield(changed(judged("inconclusive")))["message"].startswith("inconclusive (")


def test_where_nothing_was_evaluated_no_number_is_shown(changed: Changed) -> None:
    def unknown(result: Result) -> Result:
        models = []
        for model in result.models:
            threats = [threat.model_copy(update={"robust_accuracy": None}) for threat in model.threats]
            models.append(model.model_copy(update={"threats": tuple(threats)}))
        return result.model_copy(update={"models": tuple(models), "verdict": "inconclusive"})

    assert shield(changed(unknown))["message"] == "inconclusive"


def test_the_picture_says_the_same_and_needs_nothing_else(run: Run) -> None:
    root = ET.fromstring(Badge().render(run))
    assert [text.text for text in root.iter(f"{SVG}text")] == ["robust accuracy", shield(run)["message"]]
    assert root.findtext(f"{SVG}title") == f"robust accuracy: {shield(run)['message']}"
    assert "href" not in Badge().render(run)
