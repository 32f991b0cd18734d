from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.formats.html import Html
from auditor.formats.html.charts.heat import HeatCell, heat_map
from auditor.formats.html.transfer import transfer_context
from auditor.formats.html.transfer_parts import Transfer
from auditor.formats.views.transfer.reading import RISK
from auditor.result.run import Run
from auditor.result.transfer import TransferResult
from tests.formats.conftest import Change
from tests.formats.finished import HOSTILE
from tests.formats.html.reading import Reading
from tests.formats.transferred import FAMILIES, families, matrix, result

RATES = {("a", "a"): 0.97, ("a", "b"): 0.4, ("b", "a"): 0.03, ("b", "b"): 0.9, ("a+b", "a"): 0.99, ("a+b", "b"): 0.95}
GROUP = {"a+b": ("a", "b")}


def page(changed: Callable[[Change], Run], record: TransferResult) -> Reading:
    return Reading(Html().render(changed(lambda r: r.model_copy(update={"transfer": record}))))


def context_of(record: TransferResult, run: Run) -> Transfer | None:
    return transfer_context(Run(run.path, run.result.model_copy(update={"transfer": record})), 0.95)


def chart_of(record: TransferResult, run: Run) -> dict[tuple[int, int], HeatCell]:
    """The cells of the first chart, by row and column."""
    made = context_of(record, run)
    assert made is not None
    chart = made.matrices[0].chart
    assert len(chart.cells) == len(chart.rows) * len(chart.columns)
    return {divmod(at, len(chart.columns)): cell for at, cell in enumerate(chart.cells)}


def test_a_run_without_transfer_has_no_section(run: Run) -> None:
    assert transfer_context(run, 0.95) is None
    assert 'id="transfer"' not in Html().render(run)


def test_the_risk_stands_before_every_number(changed: Callable[[Change], Run]) -> None:
    text = page(changed, result(matrix(RATES, groups=GROUP))).text
    parts = ("Transfer between the models", RISK, "mifgsm within linf 8/255", "Best surrogate", "Every number")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_every_number_of_a_cell_is_in_the_table(changed: Callable[[Change], Run]) -> None:
    text = page(changed, result(matrix({("a", "b"): 0.4, ("b", "a"): 0.2}))).text
    assert "a b 40.0% 80 of 200 33.5–46.9% 2.0% 95.0% 50.0%" in " ".join(text.split())


def test_what_was_made_on_the_target_is_outlined(run: Run) -> None:
    cells = chart_of(result(matrix(RATES, groups=GROUP)), run)
    assert [at for at, cell in cells.items() if cell.own] == [(0, 0), (1, 1)]


def test_groups_share_one_row_of_what_is_worst_for_each_target(run: Run) -> None:
    names, groups = "abc", {"a+b": ("a", "b"), "b+c": ("b", "c"), "all but c": ("a", "b"), "a+c": ("a", "c")}
    rates = {(a, b): 0.3 for a in names for b in names}
    tried = {("a+b", "c"): 0.4, ("all but c", "c"): 0.6, ("b+c", "a"): 0.7, ("a+b", "a"): 0.99}
    made = context_of(result(matrix(rates | tried, groups=groups)), run)
    assert made is not None
    chart = made.matrices[0].chart
    assert [label.text for label in chart.rows] == ["a", "b", "c", "worst group"]
    assert [cell.text for cell in chart.cells[-3:]] == ["70%", "–", "60%"]
    assert [(group.target, group.source) for group in made.matrices[0].groups] == [("a", "b+c"), ("c", "all but c")]
    assert len(made.matrices[0].cells) == 13, "the table holds all of them"


def test_what_noise_explains_is_marked_and_the_diagonal_is_not(run: Run) -> None:
    cells = chart_of(result(matrix(RATES, groups=GROUP)), run)
    assert {at: cell.text for at, cell in cells.items() if cell.text.startswith("≈")} == {(1, 0): "≈ 3%"}


def test_rate_floor_and_ceiling_lie_on_one_scale(run: Run) -> None:
    cell = chart_of(result(matrix({("a", "b"): 0.5, ("b", "a"): 0.5}, noise=0.0, direct=200)), run)[0, 1]
    assert cell.floor is not None
    assert cell.ceiling is not None
    assert cell.at == pytest.approx((cell.floor + cell.ceiling) / 2.0)
    assert cell.floor < cell.low < cell.at < cell.high < cell.ceiling


def test_a_higher_rate_is_never_lighter(run: Run) -> None:
    rates = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]
    levels = [chart_of(result(matrix({("a", "b"): r, ("b", "a"): 0.0})), run)[0, 1].level for r in rates]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, 5)


def test_a_cell_that_was_not_measured_is_empty_and_says_why(changed: Callable[[Change], Run]) -> None:
    made = matrix(RATES, groups=GROUP)
    gone = made.cells[1].model_copy(update={"rate": None, "interval": None, "reason": "no sample is right in both"})
    record = result(made.model_copy(update={"cells": (made.cells[0], gone, *made.cells[2:])}))
    reading = page(changed, record)
    assert "a b not evaluated no sample is right in both" in " ".join(reading.text.split())
    assert "–" in reading.text


def test_the_strongest_attack_of_a_norm_is_shown_and_the_others_are_folded(run: Run) -> None:
    weak = matrix({pair: 0.5 * rate for pair, rate in families().items()}, attack="pgd")
    record = result(weak, matrix(families()), matrix(families(), eps=4 / 255, n=100, noise=0.1))
    made = context_of(record, run)
    assert made is not None
    assert [(each.title, each.main) for each in made.matrices] == [
        ("mifgsm within linf 8/255", True),
        ("pgd within linf 8/255", False),
        ("mifgsm within linf 4/255", False),
    ]


def test_families_stand_together_in_rows_and_columns(run: Run) -> None:
    made = context_of(result(matrix(families())), run)
    assert made is not None
    across = [FAMILIES[label.text] for label in made.matrices[0].chart.columns]
    down = [FAMILIES[label.text] for label in made.matrices[0].chart.rows]
    assert across == down
    assert sum(a != b for a, b in zip(across[1:], across[:-1], strict=True)) == 2


def test_names_that_look_alike_when_shortened_are_numbered() -> None:
    long = [f"the-network-of-team-{letter}-in-its-best-version" for letter in "ab"]
    chart = heat_map("title", {}, {name: (name,) for name in long}, long, ())
    assert [label.text[:2] for label in chart.columns] == [label.text[:2] for label in chart.rows] == ["1 ", "2 "]
    assert [label.text for label in heat_map("t", {}, {"a": ("a",)}, ["a", "b"], ()).columns] == ["a", "b"]


def test_names_of_models_are_text(changed: Callable[[Change], Run], tmp_path: Path) -> None:
    html = Html().render(
        changed(lambda r: r.model_copy(update={"transfer": result(matrix({(HOSTILE, "b"): 0.4, ("b", HOSTILE): 0.3}))}))
    )
    assert HOSTILE not in html
