from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from auditor_checks._assignment import best_assignment


@settings(max_examples=60)
@given(rows=st.integers(1, 8), more=st.integers(0, 5), levels=st.sampled_from([2, 5, 1000]), seed=st.integers(0, 10**6))
def test_no_assignment_is_cheaper(rows: int, more: int, levels: int, seed: int) -> None:
    # Few levels mean many ties.
    cost = np.random.default_rng(seed).integers(-levels, levels, (rows, rows + more)).astype(float)
    columns = best_assignment(cost)
    assert len(set(columns.tolist())) == rows
    expected = cost[linear_sum_assignment(cost)].sum()
    assert cost[np.arange(rows), columns].sum() == pytest.approx(expected)


def test_as_many_classes_as_preflight_samples_are_solved() -> None:
    cost = np.random.default_rng(0).random((128, 256))
    columns = best_assignment(cost)
    assert cost[np.arange(128), columns].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum())
