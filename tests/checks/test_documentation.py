"""Every check explains itself, and the reference page is made from what it says."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import pytest

from auditor.check import Check, Stage
from auditor_checks import auditor_checks

ROOT = Path(__file__).parents[2]
HEADINGS = ["Seen", "Means", "Measured", "Threshold", "Do"]
CHECKS = list(auditor_checks())


def test_codes_are_unique_and_in_order() -> None:
    codes = [check.code for check in CHECKS]
    assert codes == sorted(set(codes))
    assert {f"AUD{number}" for number in range(101, 118)} <= set(codes)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_every_check_says_what_it_sees_means_measures_and_what_to_do(check: type[Check]) -> None:
    text = inspect.getdoc(check) or ""
    first, _, rest = text.partition("\n\n")
    assert "\n" not in first
    assert first.endswith(".")
    assert re.findall(r"^(\w+): \S", rest, re.MULTILINE) == HEADINGS
    assert re.search(r"proposed|AutoAttack|arXiv|Pintor", rest), "a threshold without its source"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_preflight_has_the_codes_from_100_and_what_comes_after_has_others(check: type[Check]) -> None:
    assert (check.stage is Stage.PREFLIGHT) is check.code.startswith("AUD1")
    assert check.title


def test_the_reference_page_is_what_the_docstrings_say() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "generate_checks.py"))["page"]
    assert (ROOT / "docs" / "reference" / "checks.md").read_text(encoding="utf-8") == page()
