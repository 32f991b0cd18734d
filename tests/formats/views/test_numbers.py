from __future__ import annotations

from auditor.engine.cascade import SMALLER
from auditor.formats.views import numbers


def test_inherited_examples_go_by_the_name_that_the_engine_gives_them() -> None:
    assert numbers.INHERITED == SMALLER
