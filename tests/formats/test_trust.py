"""What checks asked of the attacks is told in order in every format: the doubt, what was tried, what came of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from auditor.formats.html import Html
from auditor.formats.html.charts.line import HEIGHT, line_chart
from auditor.formats.junit import Junit
from auditor.formats.markdown import Markdown
from auditor.formats.terminal import render_terminal
from auditor.formats.views.trust import came_of_it, chapters, in_doubt, points, said, story, trust_text
from auditor.result.record import CheckRun, Finding, Result
from auditor.result.run import Run
from tests.formats.html.reading import Reading

PLOT = {
    "x": [0.1, 0.2, 1.0],
    "y": [0.9, 0.5, 0.25],
    "x_title": "budget",
    "y_title": "share that stands",
    "threshold": 0.1,
}


def check(code: str, outcome: str = "clear", **changes: Any) -> CheckRun:
    return CheckRun(**{"code": code, "title": f"Title of {code}", "outcome": outcome, **changes})


CLEAR = check("AUD209", forwards=700, backwards=300, evidence={"broken by restarts": 0})
MENDED = check(
    "AUD207",
    "mended",
    doubt="Twice the steps broke 8.",
    tried=("pgd#2", "pgd#3"),
    broken=14,
    detail="Twice the steps broke 8. With 32 it was done.",
)
STAYS = check(
    "AUD203",
    "doubtful",
    doubt="12 of 64 stand <b>anywhere</b>.",
    tried=("square#2",),
    detail="8 still stand.",
    evidence={"plot": PLOT, "tried": 64, "share": 0.12345},
)
MISSED = check("AUD214", "not looked at", detail="there is no last layer to replace")


def terminal(run: Run) -> str:
    console = Console(file=io.StringIO(), width=200)
    render_terminal(run, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def asked(changed: Callable[[Callable[[Result], Result]], Run]) -> Run:
    """A run in which every threat was questioned."""

    def with_checks(result: Result) -> Result:
        models = tuple(
            model.model_copy(
                update={
                    "threats": tuple(
                        threat.model_copy(update={"checks": (CLEAR, MENDED, STAYS, MISSED)}) for threat in model.threats
                    )
                }
            )
            for model in result.models
        )
        return result.model_copy(update={"models": models})

    return changed(with_checks)


def test_one_sentence_counts_the_checks_and_names_those_with_a_doubt() -> None:
    assert trust_text([]) == ""
    assert trust_text([CLEAR]) == "1 check questioned these attacks and found nothing wrong."
    assert trust_text([CLEAR, MENDED, STAYS, MISSED]) == (
        "4 checks questioned these attacks: 1 found nothing wrong; settled: AUD207; the doubt stays: AUD203; "
        "not looked at: AUD214."
    )


def test_a_check_that_looked_at_nothing_found_nothing_wrong_for_no_reason() -> None:
    idle = check("AUD211")
    assert trust_text([CLEAR, idle, check("AUD219")]) == (
        "1 check questioned these attacks and found nothing wrong. 2 more looked at nothing."
    )
    assert trust_text([MENDED, idle]).endswith("settled: AUD207. 1 more looked at nothing.")
    assert trust_text([idle]) == "1 check looked at nothing."
    assert came_of_it(idle) == "looked at nothing"
    # A number that was read off the attacks costs no pass.
    assert came_of_it(check("AUD217", evidence={"kinds": 2})) == "nothing was wrong"


def test_a_robust_accuracy_that_a_finding_doubts_is_marked_wherever_it_stands(
    changed: Callable[[Callable[[Result], Result]], Run],
) -> None:
    def with_doubt(result: Result) -> Result:
        finding = Finding(code="AUD203", severity="inconclusive", title="Stands", detail="d")
        model = result.models[0]
        threats = [threat.model_copy(update={"checks": (CLEAR,)}) for threat in model.threats]
        threats[-1] = threats[-1].model_copy(update={"checks": (CLEAR, STAYS)})
        model = model.model_copy(update={"threats": tuple(threats), "findings": (finding,)})
        return result.model_copy(update={"models": (model, *result.models[1:])})

    run = changed(with_doubt)
    model = run.result.models[0]
    assert [in_doubt(model, threat) for threat in model.threats[:-1]] == [""] * (len(model.threats) - 1)
    assert in_doubt(model, model.threats[-1]) == "in doubt: AUD203"
    html = Html().render(run)
    threats = [(m, t) for m in run.result.models for t in m.threats if m.clean_accuracy is not None]
    drawn = [in_doubt(m, t) for m, t in threats if not t.minimal and not t.unknown]
    assert html.count('class="bar doubted"') == sum(map(bool, drawn)) < len(drawn)
    assert '<span class="tag inconclusive">in doubt: AUD203</span>' in html
    assert "in doubt: AUD203" in terminal(run)
    assert "in doubt: AUD203" in Markdown().render(run)


def test_what_doubts_the_whole_model_doubts_every_threat(
    changed: Callable[[Callable[[Result], Result]], Run],
) -> None:
    def with_doubt(result: Result) -> Result:
        finding = Finding(code="AUD113", severity="inconclusive", title="Zero", detail="d")
        model = result.models[0].model_copy(update={"findings": (finding,)})
        return result.model_copy(update={"models": (model, *result.models[1:])})

    model = changed(with_doubt).result.models[0]
    assert {in_doubt(model, threat) for threat in model.threats} == {"in doubt: AUD113"}


def test_a_story_says_the_doubt_once_then_what_was_tried_and_then_what_came_of_it() -> None:
    assert story(MENDED) == "Twice the steps broke 8. Tried: pgd (2 times). With 32 it was done."
    assert story(STAYS) == "12 of 64 stand <b>anywhere</b>. Tried: square. 8 still stand."
    assert story(STAYS.model_copy(update={"tried": ()})) == "12 of 64 stand <b>anywhere</b>. 8 still stand."
    settled = dict(chapters(MENDED.model_copy(update={"tried": ()})))
    assert settled["Tried"] == "nothing that a check before it had not searched to its end."
    assert dict(chapters(STAYS.model_copy(update={"tried": ()})))["Tried"] == "nothing further."
    assert story(MISSED) == "there is no last layer to replace"
    assert story(CLEAR) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234, "1,234"), (0.12345, "0.1235"), (True, "True"), ("dlr", "dlr"), ([3, 14], "3, 14"), ([], "none")],
)
def test_numbers_are_printed_as_they_were_measured(value: object, text: str) -> None:
    assert said(value) == text


def test_the_terminal_says_the_sentence_under_each_threat(asked: Run) -> None:
    text = terminal(asked)
    assert text.count(trust_text([CLEAR, MENDED, STAYS, MISSED])) == sum(len(m.threats) for m in asked.result.models)


def test_an_attack_that_a_check_asked_for_names_it(changed: Callable[[Callable[[Result], Result]], Run]) -> None:
    def because(result: Result) -> Result:
        model = result.models[0]
        threat = model.threats[-1]
        runs = tuple(run.model_copy(update={"because": "AUD207"}) for run in threat.attacks)
        threats = (*model.threats[:-1], threat.model_copy(update={"attacks": runs}))
        return result.model_copy(update={"models": (model.model_copy(update={"threats": threats}), *result.models[1:])})

    run = changed(because)
    assert "AUD207" in terminal(run)
    assert "AUD207 asked for it" in Reading(Html().render(run)).text


def test_markdown_tells_every_doubt(asked: Run) -> None:
    text = Markdown().render(asked)
    assert "`AUD207` settled, 14 more samples broken: Twice the steps broke 8." in text
    assert "`AUD203` the doubt stays" in text
    assert "`AUD209`" not in text


def test_the_report_tells_every_doubt_draws_the_line_and_folds_the_rest_away(asked: Run) -> None:
    html = Html().render(asked)
    page = Reading(html)
    assert "Did these attacks do their work?" in page.text
    told = "Doubted 12 of 64 stand <b>anywhere</b>. Tried square. Came of it 8 still stand."
    assert told in " ".join(page.text.split())
    assert "<b>anywhere</b>" not in html
    assert "broken by restarts : 0" in " ".join(page.text.split())
    assert "share that stands ; dashed: threshold, 10.0%" in " ".join(page.text.split())
    assert "share that stands over budget: 0.1 90.0%, 0.2 50.0%, 1 25.0%." in " ".join(page.text.split())


def test_a_finding_that_no_threat_tells_shows_its_numbers(changed: Callable[[Callable[[Result], Result]], Run]) -> None:
    def with_finding(result: Result) -> Result:
        finding = Finding(
            code="AUD113", severity="warn", title="Zero", detail="d", evidence={"zero rows": 17, "plot": PLOT}
        )
        model = result.models[0].model_copy(update={"findings": (finding,)})
        return result.model_copy(update={"models": (model, *result.models[1:])})

    text = " ".join(Reading(Html().render(changed(with_finding))).text.split())
    assert "zero rows 17" in text
    assert "share that stands over budget" in text


def test_junit_has_a_case_for_each_check_and_skips_those_that_were_not_made(asked: Run) -> None:
    root = ET.fromstring(Junit().render(asked).encode())
    cases = {case.get("name", ""): case for case in root.iter("testcase") if ".checks" in case.get("classname", "")}
    assert {name.split()[0] for name in cases} == {"AUD203", "AUD207", "AUD209", "AUD214"}
    kinds = {name.split()[0]: case[0].tag for name, case in cases.items()}
    assert kinds == dict.fromkeys(("AUD203", "AUD207", "AUD209"), "system-out") | {"AUD214": "skipped"}


def test_no_checks_no_section(run: Run) -> None:
    assert "Did these attacks do their work?" not in Html().render(run)


def test_points_lie_where_their_shares_are() -> None:
    chart = line_chart("title", PLOT)
    assert chart is not None
    assert [(point.x, point.y) for point in chart.points] == [
        (0.0, pytest.approx(0.1 * HEIGHT)),
        (50.0, pytest.approx(0.5 * HEIGHT)),
        (100.0, pytest.approx(0.75 * HEIGHT)),
    ]
    assert chart.threshold == pytest.approx(0.9 * HEIGHT)
    assert chart.line.startswith("M0.0 16.0 L500.0 80.0")


@pytest.mark.parametrize(
    "plot",
    [
        None,
        "text",
        {},
        {"x": [1], "y": [1]},
        {"x": [1, 2], "y": [1]},
        {"x": ["a", "b"], "y": [0, 1]},
        {"x": 3, "y": 4},
    ],
)
def test_what_cannot_be_drawn_is_not(plot: Any) -> None:
    assert points(plot) == ()
    assert line_chart("title", plot) is None
