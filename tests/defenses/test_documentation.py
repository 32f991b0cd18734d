"""The page of recipes tells of every recipe, and where it is from."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.defense import Addition, Defense, Recipe
from auditor_defenses import auditor_defenses

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "recipes.md").read_text(encoding="utf-8")
KINDS = [kind for kind in auditor_defenses() if issubclass(kind, Recipe | Addition)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_recipe_stands_on_the_page_with_its_paper(kind: type[Defense]) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind.name}` (")]
    assert not kind.paper.startswith("arXiv:") or kind.paper in row


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, Recipe)], ids=lambda kind: kind.name)
def test_the_page_names_the_norms_that_a_recipe_trains_for(kind: type[Recipe]) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind.name}` (")]
    named = {name.strip() for name in row.split("|")[3].split(",")}
    assert named == {norm.value for norm in kind.norms}
