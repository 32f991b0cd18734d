"""The forecast of a threat is made from counted passes, or not at all."""

import numpy as np
import pytest

from auditor.engine.outlook import LEAST, outlook
from auditor.engine.standing import Break, Clean, Standing

N = 40


def standing_after(fell: dict[int, int | None], spent: int = 64, n: int = N, wrong: int = 0) -> Standing:
    """`n` samples, the last `wrong` of them misclassified; `fell` maps samples to the passes when they fell."""
    labels = np.zeros(n, dtype=np.int64)
    prediction = (np.arange(n) >= n - wrong).astype(np.int64)
    found = Standing(Clean(labels=labels, prediction=prediction, confidence=np.ones(n), margin=-np.ones(n)))
    found.note("pgd", [Break(i, 1, 0.9, 0.1, True, passes=passes) for i, passes in fell.items()])
    found.spent = {i: spent for i in range(n - wrong) if i not in fell}
    return found


def test_shares_are_of_all_samples_the_misclassified_included() -> None:
    whole = outlook(standing_after({0: 3, 1: 60}), 0.95)
    halved = outlook(standing_after({0: 3, 1: 60}, n=2 * N, wrong=N), 0.95)
    assert whole is not None
    assert halved is not None
    assert whole.passes == halved.passes == 64
    assert whole.high == pytest.approx(2 * halved.high)
    assert whole.expected == pytest.approx(2 * halved.expected)


def test_what_fell_to_a_smaller_budget_at_no_cost_is_no_recent_find() -> None:
    free, early = outlook(standing_after(dict.fromkeys(range(9), 0)), 0.95), outlook(standing_after({}, n=N - 9), 0.95)
    assert free is not None
    assert early is not None
    assert free.expected * N == pytest.approx(early.expected * (N - 9))


@pytest.mark.parametrize(
    "case",
    [
        standing_after({0: None, 1: 60}),
        standing_after({0: 5}, spent=0),
        standing_after({0: 5}, n=LEAST - 1),
        standing_after(dict.fromkeys(range(N), 5)),
    ],
    ids=["passes not counted", "nothing spent", "few samples", "nothing stands"],
)
def test_nothing_is_foretold_where_it_cannot_be(case: Standing) -> None:
    assert outlook(case, 0.95) is None


def test_an_attack_that_was_cut_short_leaves_nothing_to_go_by() -> None:
    case = standing_after({0: 5})
    assert outlook(case, 0.95) is not None
    case.cut = {7}
    assert outlook(case, 0.95) is None


def test_the_rule_to_stop_is_recorded_with_the_forecast() -> None:
    told = outlook(standing_after({0: 5}), 0.9, 0.05, stopped_early=True)
    assert told is not None
    assert (told.confidence, told.tolerance, told.stopped_early) == (0.9, 0.05, True)
