"""For the tests of others: models that have to be robust."""

from __future__ import annotations

from auditor.testing.robust import assert_robust

__all__ = ["assert_robust"]
