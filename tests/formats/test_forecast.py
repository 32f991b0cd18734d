"""What more of the same search would find, in every format: one careful sentence, or nothing."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from auditor.formats import words
from auditor.formats.html import Html
from auditor.formats.markdown import Markdown
from auditor.formats.terminal import render_terminal
from auditor.formats.views.numbers import forecast_text
from auditor.result.measures import ForecastResult
from auditor.result.record import Result
from auditor.result.run import Run
from tests.formats.finished import EPS, N
from tests.formats.html.reading import Reading

SENTENCE = "With twice the passes we expect at most 1.7 points less."


def terminal(run: Run, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    render_terminal(run, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def markdown(run: Run) -> str:
    return Markdown().render(run)


def html(run: Run) -> str:
    return Reading(Html().render(run)).text


def with_forecast(result: Result, forecast: ForecastResult | None) -> Result:
    """The record with this forecast for every threat."""
    models = tuple(
        model.model_copy(update={"threats": tuple(t.model_copy(update={"forecast": forecast}) for t in model.threats)})
        for model in result.models
    )
    return result.model_copy(update={"models": models})


@pytest.mark.parametrize("render", [terminal, markdown, html])
def test_every_format_says_what_twice_the_passes_would_find(run: Run, render: Callable[[Run], str]) -> None:
    assert SENTENCE in " ".join(render(run).split())


@pytest.mark.parametrize("render", [terminal, markdown, html])
def test_what_cannot_be_told_is_not_spoken_of(
    run: Run, changed: Callable[..., Run], render: Callable[[Run], str]
) -> None:
    silent = render(changed(lambda result: with_forecast(result, None)))
    assert "twice the passes" not in silent


def test_a_search_that_was_stopped_says_so(run: Run) -> None:
    threat = run.result.models[0].threats[1]
    assert threat.eps == EPS
    assert threat.forecast is not None
    stopped = threat.forecast.model_copy(update={"high": 0.002, "tolerance": 0.002, "stopped_early": True})
    text = forecast_text(threat.model_copy(update={"forecast": stopped}))
    assert text == "Stopped early: with twice the passes we expect at most 0.2 points less."


@given(st.floats(0.0, 1.0))
def test_an_upper_bound_is_never_rounded_down(share: float) -> None:
    printed = float(words.at_most(share).split()[2])
    assert 100 * share - 1e-4 <= printed < 100 * share + 0.1 + 1e-9


@pytest.mark.parametrize(("share", "text"), [(0.002, "0.2"), (1 / N, "1.7"), (0.0, "0.0"), (0.00001, "0.1")])
def test_an_upper_bound_is_written_in_points(share: float, text: str) -> None:
    assert words.at_most(share) == f"at most {text} points"


def test_a_record_from_before_forecasts_is_still_read(run: Run) -> None:
    record = run.result.model_dump(by_alias=True)
    for model in record["models"]:
        for threat in model["threats"]:
            del threat["forecast"]
    assert all(t.forecast is None for m in Result.model_validate(record).models for t in m.threats)
