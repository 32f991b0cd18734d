"""The page of attacks is what the attacks say of themselves."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from auditor.attack import Attack
from auditor_attacks import auditor_attacks

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_docstrings_and_the_measurements_give() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "generate_attacks.py"))["page"]
    assert (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("attack", auditor_attacks(), ids=lambda a: a.name)
def test_every_attack_names_its_paper_and_stands_on_the_page(attack: type[Attack]) -> None:
    assert attack.name == "noise" or attack.paper.startswith(("arXiv:", "doi:"))
    assert f"### {attack.name}\n" in (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
