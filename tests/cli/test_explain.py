"""Everything that a report names can be explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import auditor as package
from auditor.codes import CODES
from auditor.plugins import load_plugins

ROOT = Path(package.__file__).parent


def test_every_code_in_the_core_has_a_text() -> None:
    # What the bench of broken models expects, its own tests hold against the checks.
    core = [path for path in ROOT.rglob("*.py") if "selftest" not in path.relative_to(ROOT).parts]
    used = {code for path in core for code in re.findall(r'"(AUD\d{3})"', path.read_text())}
    assert used <= CODES.keys() | load_plugins().checks().keys()


@pytest.mark.parametrize("code", CODES)
def test_every_text_has_the_headings_of_a_check(code: str) -> None:
    for heading in ("Seen:", "Means:", "Measured:", "Threshold:", "Do:"):
        assert heading in CODES[code][1]


@pytest.mark.parametrize("name", ["apgd", "AUD104", "aud114", "AUD120", "html"])
def test_names_and_codes_are_explained(auditor: Callable, name: str) -> None:
    outcome = auditor("explain", name)
    assert outcome.code == 0
    assert len(outcome.out) > 20


def test_an_attack_is_explained_with_its_parameters_and_cost(auditor: Callable) -> None:
    said = auditor("explain", "apgd").out
    for word in ("Finds:", "Blind to:", "Cost:", "steps = 100", "2003.01690"):
        assert word in said


def test_a_misspelt_name_is_answered_with_the_nearest(auditor: Callable) -> None:
    outcome = auditor("explain", "apdg")
    assert (outcome.code, "apgd" in outcome.err) == (2, True)


def test_an_attack_and_a_defense_of_one_name_are_both_explained(auditor: Callable) -> None:
    said = auditor("explain", "pgd").out
    assert said.index("pgd (attack)") < said.index("Blind to:") < said.index("pgd (defense)") < said.index("Helps:")
