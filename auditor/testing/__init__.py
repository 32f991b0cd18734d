"""For the tests of others: models that have to be robust, and plugins that have to keep what plugins promise."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.testing.kit import Question, questions
    from auditor.testing.loaders import Loading
    from auditor.testing.oracles import Linear, run
    from auditor.testing.robustness import assert_robust

__all__ = ["Linear", "Loading", "Question", "assert_robust", "questions", "run"]

_HOME = {
    "Linear": "oracles",
    "Loading": "loaders",
    "Question": "kit",
    "assert_robust": "robustness",
    "questions": "kit",
    "run": "oracles",
}


def __getattr__(name: str) -> Any:
    # pytest loads this package at its start, in every project that has auditor installed: nothing heavy until asked.
    if name not in _HOME:
        raise AttributeError(f"module 'auditor.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"auditor.testing.{_HOME[name]}"), name)
