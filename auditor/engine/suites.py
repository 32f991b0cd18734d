"""Suites: ordered lists of attacks with budgets. Cheap attacks first, since each sees only what still stands."""

from __future__ import annotations

from typing import Any, TypeAlias

from auditor.errors import UsageError

Recipe: TypeAlias = tuple[tuple[str, dict[str, Any]], ...]

SUITES: dict[str, Recipe] = {
    # A smoke test: what a single step and a short multi-step attack find.
    "quick": (
        ("noise", {"draws": 5}),
        ("fgsm", {}),
        ("apgd", {"loss": "ce", "steps": 20}),
        ("apgd", {"loss": "dlr-targeted", "steps": 20, "targets": 3}),
        ("square", {"queries": 200}),
    ),
    # AutoAttack's standard set without FAB, which did not make it stronger where both were measured
    # (docs/explanation/suites.md has the figures), behind attacks that make the easy samples cheap.
    "standard": (
        ("noise", {"draws": 10}),
        ("fgsm", {}),
        ("pgd", {"steps": 10}),
        ("apgd", {"loss": "ce", "steps": 100}),
        ("apgd", {"loss": "dlr-targeted", "steps": 100, "targets": 9}),
        ("square", {"queries": 5000}),
    ),
    "thorough": (
        ("noise", {"draws": 100}),
        ("fgsm", {}),
        ("pgd", {"steps": 40, "restarts": 2}),
        ("apgd", {"loss": "ce", "steps": 100, "restarts": 5}),
        ("apgd", {"loss": "dlr", "steps": 100, "restarts": 5}),
        ("apgd", {"loss": "dlr-targeted", "steps": 100, "targets": 9, "restarts": 3}),
        ("square", {"queries": 10000}),
    ),
}


def recipe(suite: str) -> Recipe:
    """The attacks of a suite. Raises UsageError for a name that is none."""
    try:
        return SUITES[suite]
    except KeyError:
        raise UsageError(f"There is no suite {suite!r}; choose one of {', '.join(SUITES)}.") from None
