from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from auditor.formats.terminal import render_terminal
from auditor.result.record import Finding, Result
from auditor.result.run import Run


def printed(run: Run, width: int = 80, *, colour: bool = False) -> str:
    output = io.StringIO()
    render_terminal(run, Console(file=output, width=width, no_color=not colour, force_terminal=colour))
    return output.getvalue()


def test_the_verdict_comes_first_with_its_reason(run: Run) -> None:
    assert printed(run).splitlines()[0] == "FAIL  small: robust accuracy under linf 8/255 is too low."


@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_line_but_a_path_fits_the_terminal(run: Run, width: int) -> None:
    lines = printed(run, width).splitlines()
    assert max(len(line) for line in lines if str(run.path) not in line) <= width


def test_accuracies_carry_interval_and_denominator(run: Run) -> None:
    lines = [" ".join(line.split()) for line in printed(run).splitlines()]
    assert "clean 90.0% 79.9–95.3% 54 of 60 samples" in lines
    assert "under linf 8/255 40.0% 28.6–52.6% 24 of 60 samples" in lines
    assert "square 39 15 3,900 4.5 s" in lines


def test_what_went_wrong_is_said(run: Run) -> None:
    text = printed(run, 200)
    assert "not evaluated (at most 60.0%)" in text
    assert "square timed out: the time limit was reached" in text
    assert "black-box attacks only" in text
    assert "What to do: Look for masked gradients." in text
    assert "upper bound" in text


def test_reports_that_were_written_are_named(run: Run) -> None:
    assert "report.html" not in printed(run)
    (run.path / "report.html").write_text("x")
    assert str(run.path / "report.html") in printed(run)


def test_a_name_cannot_drive_the_terminal(run: Run, changed: Callable[..., Run]) -> None:
    def hostile(result: Result) -> Result:
        finding = Finding(code="AUD1", severity="warn", title="[bold red]x[/]", detail="\x1b]0;owned\x07 \u202egnp")
        model = result.models[0].model_copy(update={"name": "\x1b[2Jgone[/]", "findings": (finding,)})
        return result.model_copy(update={"models": (model,)})

    text = printed(changed(hostile))
    assert not set("\x1b\x07\u202e") & set(text)
    assert "\\x1b[2Jgone[/]" in text
    assert "[bold red]x[/]" in text


def test_colour_only_adds_to_what_is_said(run: Run) -> None:
    from rich.text import Text

    assert Text.from_ansi(printed(run, colour=True)).plain.split() == printed(run).split()


def test_a_model_that_was_not_audited_shows_why_and_no_number(run: Run, changed: Callable[..., Run]) -> None:
    def blocked(result: Result) -> Result:
        finding = Finding(code="AUD001", severity="block", title="The file is empty", detail="0 bytes.")
        update = {"clean_accuracy": None, "clean_interval": None, "threats": (), "findings": (finding,)}
        models = (result.models[0].model_copy(update=update),)
        return result.model_copy(update={"models": models, "gates": (), "verdict": "error", "exit_code": 4})

    text = printed(changed(blocked))
    assert text.startswith("ERROR")
    assert "The file is empty" in text
    assert "%" not in text


def test_attacks_that_had_nothing_to_do_take_no_line(run: Run) -> None:
    assert "apgd-dlr" not in printed(run)
