"""Few entries that may change: which attacks find most within an l0 budget, and what they find one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from auditor.attack import Attack
from auditor.engine.suites import recipe
from auditor.types import Norm, Threat
from auditor_attacks import auditor_attacks
from benchmarks.attacks.common import Cell, ours, problem

BUDGETS = {"mnist-plain": 10, "mnist-pgd": 10, "mnist-kwinners": 6, "color-plain": 12, "color-pgd": 24}
TRIED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sigma-zero", {"steps": 100}),
    ("sigma-zero", {"steps": 400}),
    ("sparse-rs", {"queries": 500}),
    ("sparse-rs", {"queries": 3000}),
    ("jsma", {}),
    ("fmn", {"steps": 200}),
    ("pointwise", {}),
)


def cells(network: tuple[str, ...] = tuple(BUDGETS), samples: int = 100) -> Iterator[Cell]:
    for name in network:
        task = problem(name, Norm.L0, samples, BUDGETS[name])
        for attack, parameters in TRIED:
            yield Cell(task, "auditor", attack, ours(_made(attack, parameters)), parameters)
        for suite in ("quick", "standard"):
            parts = recipe(suite, Threat(norm=Norm.L0, eps=BUDGETS[name]))
            made = [_made(attack, parameters) for attack, parameters, among in parts if among == "all"]
            yield Cell(task, "auditor", f"suite {suite}", ours(*made))


def _made(name: str, parameters: dict[str, Any]) -> Attack:
    return {attack.name: attack for attack in auditor_attacks()}[name](**parameters)
