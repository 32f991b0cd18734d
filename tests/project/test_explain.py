"""`auditor explain` speaks from the plugin's own text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[[str], Any]


@pytest.mark.parametrize("name", ["pgd", "PGD"])
def test_an_attack_is_explained_with_paper_norms_cost_and_parameters(shell: Shell, name: str) -> None:
    said = shell(f"auditor explain {name}").out
    for part in ("arXiv:1706.06083", "l1, l2, linf", "Finds:", "Blind to:", "Cost:", "steps ="):
        assert part in said


def test_a_check_is_explained_with_threshold_and_remedy(shell: Shell) -> None:
    said = shell("auditor explain AUD101").out
    for part in ("Seen:", "Means:", "Measured:", "Threshold:", "Do:"):
        assert part in said


def test_a_slip_of_the_pen_is_answered_with_what_may_have_been_meant(shell: Shell) -> None:
    outcome = shell("auditor explain apgdd")
    assert outcome.code == 2
    assert "Did you mean apgd" in outcome.err
