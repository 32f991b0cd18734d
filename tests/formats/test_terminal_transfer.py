from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import pytest
from rich.console import Console

from auditor.formats.terminal import render_terminal
from auditor.result.run import Run
from tests.formats.conftest import Change
from tests.formats.transferred import matrix, result


def printed(changed: Callable[[Change], Run], rates: Mapping[tuple[str, str], float], **known: object) -> list[str]:
    """The lines on transfer, in 80 columns."""
    output = io.StringIO()
    run = changed(lambda r: r.model_copy(update={"transfer": result(matrix(rates, **known))}))  # type: ignore[arg-type]
    render_terminal(run, Console(file=output, width=80))
    # Where the run lies is never folded.
    lines = [line.rstrip() for line in output.getvalue().splitlines() if not line.startswith(("run ", "report "))]
    return lines[lines.index("transfer  rows: made on, columns: tried on") :]


def between(names: list[str], rate: float = 0.25) -> dict[tuple[str, str], float]:
    return {(a, b): 1.0 if a == b else rate for a in names for b in names}


def test_few_models_with_short_names_have_columns_by_name(changed: Callable[[Change], Run]) -> None:
    lines = printed(changed, between(["a", "b"]))
    assert [" ".join(line.split()) for line in lines[2:6]] == ["a b", "a (100%) 25%", "b 25% (100%)", "noise 2% 2%"]


def test_the_worst_group_has_a_line_of_its_own(changed: Callable[[Change], Run]) -> None:
    groups = {"all but a": ("b", "c"), "all but b": ("a", "c")}
    lines = printed(
        changed, between(["a", "b", "c"]) | {("all but a", "a"): 0.5, ("all but b", "b"): 0.75}, groups=groups
    )
    assert any(line.split()[:4] == ["worst", "group", "50%", "75%"] for line in lines)


def test_eleven_models_take_a_line_each_and_no_name_is_cut(changed: Callable[[Change], Run]) -> None:
    names = [f"network-{i}" for i in range(11)]
    lines = printed(changed, between(names))
    assert lines[2].split() == [str(i) for i in range(1, 12)]
    rows = dict(zip(names, lines[3:14], strict=True))
    for place, name in enumerate(names):
        number, said, *cells = rows[name].split()
        assert (number, said) == (str(place + 1), name)
        assert cells == ["100" if at == place else "25" for at in range(11)]
    assert lines[14].split() == ["noise", *["2"] * 11]


@pytest.mark.parametrize("count", [2, 11, 13, 25])
def test_long_names_are_shortened_in_rows_and_told_below(changed: Callable[[Change], Run], count: int) -> None:
    names = [f"the-network-of-a-team-with-a-very-long-name-in-its-version-{i}" for i in range(count)]
    lines = printed(changed, between(names))
    assert max(map(len, lines)) <= 80
    text = "".join(line.strip() for line in lines)
    for place, name in enumerate(names, 1):
        # A line may break within a name, at a hyphen at the latest.
        assert f"{place} {name}".replace(" ", "") in text.replace(" ", "")
    assert sum(line.split()[:1] == ["noise"] for line in lines) == -(-count // 12)
