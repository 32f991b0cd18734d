"""What is known of each sample: the passes spent on it reach the table."""

import numpy as np

from auditor.engine.standing import Break, Clean, Standing


def _standing() -> Standing:
    confidence = np.array([0.9, 0.8, 0.7])
    return Standing(Clean(np.array([0, 1, 2]), np.array([0, 1, 0]), confidence, margin=np.array([-1.0, -1.0, 1.0])))


def test_rows_tell_the_passes_until_a_sample_fell_or_in_all() -> None:
    standing = _standing()
    standing.note("pgd", [Break(0, 3, 0.6, 0.1, True, passes=17)])
    standing.spent = {0: 99, 1: 40}
    assert [row.passes for row in standing.rows("m", "linf", 0.1, ["", "", ""])] == [17, 40, None]


def test_passes_that_nobody_counted_are_left_empty_rather_than_zero() -> None:
    standing = _standing()
    standing.note("pgd", [Break(0, 3, 0.6, 0.1, True)])
    assert [row.passes for row in standing.rows("m", "linf", 0.1, ["", "", ""])] == [None, None, None]
