"""What stood in for a model: the same facts in the terminal, in Markdown and in the report."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from auditor.formats.html import Html
from auditor.formats.markdown import Markdown
from auditor.formats.terminal import render_terminal
from auditor.formats.views.surrogates import surrogate_lines
from auditor.result.record import AttackRun, Result
from auditor.result.run import Run
from auditor.result.surrogates import SurrogateResult
from tests.formats.conftest import Change
from tests.formats.html.reading import Reading

GIVEN = SurrogateResult(
    name="other",
    source="other.onnx",
    options={"mean": 0.5},
    agreement=0.95,
    agreement_interval=(0.88, 0.98),
    samples=100,
)
TRAINED = SurrogateResult(
    name="distill", source="distill", queries=6400, agreement=0.8, agreement_interval=(0.6, 0.9), samples=50
)
LEFT = SurrogateResult(
    name="wrong", source="wrong.onnx", left_out="it agrees with the model on 3 of 60 samples", samples=60
)


def made_on(name: str, attacked: int, broken: int) -> AttackRun:
    return AttackRun(
        name=f"surrogate:{name}",
        attack="surrogate",
        access="transfer",
        parameters={"surrogate": name, "attack": "transfer"},
        status="ran" if attacked else "skipped",
        reason="",
        attacked=attacked,
        broken=broken,
        seconds=0.1,
        forwards=attacked,
        backwards=0,
        surrogate_forwards=10 * attacked,
        surrogate_backwards=10 * attacked,
    )


@pytest.fixture
def stood_in(changed: Callable[[Change], Run]) -> Run:
    """The first model with three surrogates, of which one was left out and two were tried together too."""

    def change(result: Result) -> Result:
        first = result.models[0]
        runs = (made_on("other", 40, 3), made_on("distill", 37, 0), made_on("wrong", 0, 0), made_on("ensemble", 37, 1))
        threat = first.threats[0].model_copy(update={"attacks": (*first.threats[0].attacks, *runs)})
        update = {"surrogates": (GIVEN, TRAINED, LEFT), "threats": (threat, *first.threats[1:])}
        return result.model_copy(update={"models": (first.model_copy(update=update), *result.models[1:])})

    return changed(change)


def test_each_has_its_price_its_likeness_and_what_it_broke(stood_in: Run) -> None:
    other, distill, wrong, together = surrogate_lines(stood_in.result.models[0])
    assert other.broke == "3 of 40 that stood under linf 2/255"
    assert (other.source, other.queries, other.alike, other.interval) == (
        "other.onnx (mean 0.5)",
        "",
        "95 of 100 samples",
        "88.0–98.0%",
    )
    assert (distill.queries, distill.alike, distill.broke) == (
        "6,400",
        "40 of 50 samples",
        other.broke.replace("3 of 40", "0 of 37"),
    )
    assert (wrong.alike, wrong.broke) == (f"left out: {LEFT.left_out}", "")
    assert replace(together, broke="") == replace(
        other, name="ensemble", source="all of them at once", alike="", interval="", broke=""
    )
    assert together.broke.startswith("1 of 37")


def test_the_report_has_a_table_of_them(stood_in: Run, run: Run) -> None:
    text = " ".join(Reading(Html().render(stood_in)).text.split())
    assert "What stood in for it" in text
    # (40 + 37 + 37) samples, ten passes forwards and ten backwards on each.
    assert "2,280 passes went through the surrogates" in text
    assert "distill distill 6,400 40 of 50 samples 60.0–90.0% 0 of 37 that stood under linf 2/255" in text
    assert f"wrong wrong.onnx left out: {LEFT.left_out} not tried" in text


def test_a_run_without_surrogates_says_nothing_of_them(run: Run) -> None:
    assert "What stood in for it" not in Html().render(run)
    assert "surrogate" not in Markdown().render(run)


def test_terminal_and_markdown_tell_the_same_in_sentences(stood_in: Run) -> None:
    output = io.StringIO()
    render_terminal(stood_in, Console(file=output, width=400))
    for text in (output.getvalue(), Markdown().render(stood_in).replace("\\", "")):
        assert (
            "surrogate distill, trained on 6,400 queries: it gives the model's label to 40 of 50 samples that it was "
            "not trained on; examples made on it broke 0 of 37 that stood under linf 2/255."
        ) in text
        assert "surrogate wrong" not in text, "what was left out has a finding"
