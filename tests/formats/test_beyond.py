"""Smallest changes, rendered threats, patches, patterns and goals, in every format."""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from auditor.formats import words
from auditor.formats.html import Html
from auditor.formats.html.deeds import corrupted, done, moved
from auditor.formats.html.page import page_of
from auditor.formats.html.patterns import patterns
from auditor.formats.junit import Junit
from auditor.formats.markdown import Markdown
from auditor.formats.terminal import render_terminal
from auditor.formats.views.numbers import change_text, conditions
from auditor.result.evidence import pattern_path
from auditor.result.measures import ChangeResult
from auditor.result.run import Run
from tests.formats.beyond import PATCHED, WRONG, N, rows_of, write_beyond
from tests.formats.html.reading import Reading


@pytest.fixture(scope="module")
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(write_beyond(tmp_path_factory.mktemp("beyond") / "run"))


def terminal(run: Run) -> str:
    console = Console(file=io.StringIO(), width=100)
    render_terminal(run, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def junit(run: Run) -> str:
    return "\n".join(ET.fromstring(Junit().render(run)).itertext())


def html(run: Run) -> str:
    return Reading(Html().render(run)).text


def markdown(run: Run) -> str:
    return Markdown().render(run).replace("\\", "")


FORMATS = pytest.mark.parametrize("render", [terminal, markdown, html, junit])


def said(render: Callable[[Run], str], run: Run) -> str:
    return " ".join(render(run).split())


@FORMATS
def test_the_goal_is_said_with_the_name_of_the_class(beyond: Run, render: Callable[[Run], str]) -> None:
    assert "Goal: targeted:2. A sample falls only where the model names the class that is wanted: class 2 (ship)" in (
        said(render, beyond)
    )


@FORMATS
def test_what_may_change_and_who_answers_is_said(beyond: Run, render: Callable[[Run], str]) -> None:
    text = said(render, beyond)
    assert "Only the pixels that frame.png marks white may change." in text
    assert "averaged over 8 answers" in text


@FORMATS
def test_the_median_and_the_budget_at_which_half_fall_are_said(beyond: Run, render: Callable[[Run], str]) -> None:
    found = beyond.result.models[0].threats[0].smallest
    assert found is not None
    assert found.median is not None
    text = f"Half of the samples that are right fall at l2 {words.budget('l2', found.median)} ("
    assert text in said(render, beyond)
    assert f"at {words.budget('l2', found.half or 0.0)} at most half of all samples stand." in said(render, beyond)


@pytest.mark.parametrize("render", [terminal, markdown, html], ids=lambda f: f.__name__)
def test_budgets_are_written_in_their_units(beyond: Run, render: Callable[[Run], str]) -> None:
    text = said(render, beyond)
    assert "spatial 1 (20°, 4 px)" in text
    assert "patch 6%" in text
    assert "flow 1 px" in text


def test_junit_names_its_cases_in_units(beyond: Run) -> None:
    names = [case.get("name") for case in ET.fromstring(Junit().render(beyond)).iter("testcase")]
    assert {"smallest l2", "spatial 1 (20°, 4 px)", "patch 6%", "flow 1 px"} <= set(names)


def test_an_ordinary_run_has_no_conditions(tmp_path: Path) -> None:
    run = Run(write_beyond(tmp_path / "run", ("soft",), "dodge"))
    result = run.result.model_copy(update={"settings": {"goal": "dodge", "eot": None, "mask": None}})
    assert list(conditions(result)) == []


def test_the_least_likely_class_and_names_are_said_as_such(beyond: Run) -> None:
    def goal(text: str) -> str:
        return next(conditions(beyond.result.model_copy(update={"settings": {"goal": text}})))

    assert goal("targeted:least-likely").endswith("wanted: the class that the model finds least likely.")
    assert goal("impersonate:ship").endswith("wanted: ship.")


def test_attacks_that_looked_for_the_smallest_change_say_how_often_they_found_it(beyond: Run) -> None:
    rows = list(rows_of("soft", "l2", math.inf))
    ddn = sum(row.broken_by == "ddn" for row in rows)
    (model, *_) = page_of(beyond).models
    lines = {line.name: line for line in model.threats[0].attacks}
    assert lines["ddn"].best == f"{ddn} ({ddn / (N - WRONG):.1%})"
    assert f"| ddn | ran | {N - WRONG} | {ddn} | {ddn} | 246,456 |" in markdown(beyond)
    assert "Smallest of all" in html(beyond)


def test_where_the_smallest_changes_were_looked_for_nothing_is_called_robust(beyond: Run) -> None:
    threat = page_of(beyond).models[0].threats[0]
    assert threat.minimal
    assert threat.cascade is None
    assert threat.classes is None
    assert "Median" in (text := html(beyond))
    assert "eps = inf" not in text


def test_the_classes_are_told_by_the_medians_of_their_smallest_changes(beyond: Run) -> None:
    table = page_of(beyond).models[0].threats[0].medians
    assert table is not None
    rows = [row for row in rows_of("soft", "l2", math.inf) if row.clean_correct]
    medians = {label: statistics.median(row.distance or 0.0 for row in rows if row.label == label) for label in (0, 1)}
    weak, strong = sorted(medians, key=lambda label: medians[label])
    assert [line.median for line in table.shown] == [f"{medians[label]:.4g}" for label in (weak, strong)]
    assert table.shown[1].width == 100.0
    assert table.worst.startswith("Half of each class falls at this size. Weakest: ")
    assert "Class by class" in html(beyond)


def test_pictures_fit_the_threat(beyond: Run) -> None:
    pictures = page_of(beyond).models[0].pictures
    by = {picture.cause.partition(",")[0]: picture for picture in pictures}
    assert {name: len(picture.shown) for name, picture in by.items()} == {
        "adversarial-patch": 3,
        "spatial-random": 2,
        "stadv": 2,
        "ddn": 3,
        "fmn": 3,
    }
    assert by["spatial-random"].done == "turned 10.0° clockwise, shifted 1.0 px left and 2.0 px down"
    assert by["stadv"].done == "pixels come from 0.42 px away on average, 0.42 px at most"
    patched = by["adversarial-patch"]
    assert patched.done == "a patch of 3 × 4 pixels"
    assert [shown.outline for shown in patched.shown] == [None, None, (7, 5, 3, 4)]
    assert (patched.shown[1].width, patched.shown[1].height) == (3, 4)
    assert all(picture.wanted for picture in pictures)
    assert by["ddn"].done.startswith("change magnified 50")


def test_patterns_are_shown_once_with_the_share_that_they_fool(beyond: Run) -> None:
    (pattern,) = page_of(beyond).models[0].patterns
    assert pattern.name == "adversarial-patch, patch 6%"
    # Odd samples fall, and none of them is among the misclassified.
    assert pattern.said == f"fools 20 of the 36 samples that it met ({20 / 36:.1%})"
    assert "Patterns that were learned" in html(beyond)


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_a_damaged_pattern_is_left_out(tmp_path: Path, content: bytes | None) -> None:
    run = Run(write_beyond(tmp_path / "run", ("soft",)))
    path = pattern_path(run.path, "soft", "patch", PATCHED, "adversarial-patch")
    if content is None:
        np.save(path, np.zeros(5, np.float32))
    else:
        path.write_bytes(content)
    assert patterns(run, run.result.models[0]) == ()


def test_a_pattern_with_both_signs_is_drawn_around_grey(tmp_path: Path) -> None:
    run = Run(write_beyond(tmp_path / "run", ("soft",)))
    path = pattern_path(run.path, "soft", "patch", PATCHED, "adversarial-patch")
    np.save(path, np.linspace(-0.1, 0.1, 48, dtype=np.float32).reshape(3, 4, 4))
    (pattern,) = patterns(run, run.result.models[0])
    assert pattern.said.endswith("magnified, grey means no change")


def test_small_movements_are_not_spoken_of() -> None:
    limits = {"rotation": 30.0, "translation": 3.0}
    assert moved(-0.4, 0.0, -1.0, limits) == "turned 12.0° counter-clockwise, shifted 3.0 px up"
    assert moved(0.0, 0.001, 0.0, limits) == "hardly moved"


def test_a_corruption_is_named_with_its_severity() -> None:
    from auditor.corruptions.space import number_of

    assert done("corruption", np.array([number_of("shot_noise"), 3, 7]), {}) == "shot noise, severity 3"
    assert corrupted(0, 3) == ""
    assert corrupted(10_000, 3) == ""
    assert done("linf", np.zeros((3, 4, 4)), {}) == ""


def test_a_change_since_the_baseline_is_said_with_its_ratio() -> None:
    change = ChangeResult(n=98, before=0.5, after=0.4, ratio=0.8, smaller=70, larger=9, p=1e-12, word="worse")
    assert change_text(change, "l2") == (
        "median 0.5 then, 0.4 now, 0.8 times as large; 70 smaller and 9 larger of 98 (p = 1e-12: worse)"
    )
    unknown = change.model_copy(update={"after": None, "ratio": None})
    assert change_text(unknown, "l2").startswith("median 0.5 then, not found now; 70 smaller")
    assert change_text(None, "l2") == ""


@pytest.mark.parametrize("render", [markdown, html, junit], ids=lambda f: f.__name__)
def test_every_report_says_how_the_smallest_changes_moved(beyond: Run, render: Callable[[Run], str]) -> None:
    change = ChangeResult(n=98, before=0.5, after=0.4, ratio=0.8, smaller=70, larger=9, p=1e-12, word="worse")
    model = beyond.result.models[0]
    threats = (model.threats[0].model_copy(update={"change": change}), *model.threats[1:])
    result = beyond.result.model_copy(update={"models": (model.model_copy(update={"threats": threats}),)})
    assert "median 0.5 then, 0.4 now, 0.8 times as large" in said(render, Run(beyond.path, result))
