from __future__ import annotations

import re
from collections.abc import Callable

from auditor.formats.metrics import Metrics
from auditor.result.record import Result
from auditor.result.run import Run

SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? ([-+.\de]+)")


def told(run: Run) -> dict[tuple[str, str], float]:
    lines = [line for line in Metrics().render(run).splitlines() if not line.startswith("#")]
    matches = [SAMPLE.fullmatch(line) for line in lines]
    return {(match[1], match[2] or ""): float(match[3]) for match in matches if match}


def test_every_accuracy_that_is_known_is_a_gauge(run: Run) -> None:
    values = told(run)
    model = run.result.models[0]
    assert values["auditor_accuracy", 'model="small"'] == model.clean_accuracy
    assert (
        values["auditor_robust_accuracy", 'model="small",norm="linf",eps="8/255"'] == model.threats[1].robust_accuracy
    )
    assert values["auditor_exit_code", ""] == 1
    known = [t.robust_accuracy is not None for m in run.result.models for t in m.threats]
    assert not all(known)
    assert sum(name == "auditor_robust_accuracy" for name, _ in values) == sum(known)


def test_the_text_ends_as_openmetrics_asks_and_each_family_is_typed_once(run: Run) -> None:
    text = Metrics().render(run)
    assert text.endswith("# EOF\n")
    families = re.findall(r"^# TYPE (\w+) gauge$", text, re.MULTILINE)
    assert len(families) == len(set(families))
    assert {name for name, _ in told(run)} <= set(families)


def test_names_cannot_break_out_of_their_label(changed: Callable[[Callable[[Result], Result]], Run]) -> None:
    def hostile(result: Result) -> Result:
        model = result.models[0].model_copy(update={"name": 'a"} 1\nb\\'})
        return result.model_copy(update={"models": (model,)})

    assert ("auditor_accuracy", 'model="a\\"} 1\\\\nb\\\\"') in told(changed(hostile))
