"""How many examples may fail a second judgement by chance."""

from __future__ import annotations

import numpy as np

from auditor.engine.redraw import may_fail


def test_examples_that_fooled_every_draw_hardly_ever_fail() -> None:
    assert may_fail([20] * 20, 20) < 1.0


def test_examples_at_the_border_may_fail_as_often_as_not() -> None:
    assert 50.0 < may_fail([10] * 100, 20) <= 100.0


def test_nothing_may_fail_of_nothing() -> None:
    assert may_fail([], 20) == 0.0


def test_what_may_fail_covers_what_does() -> None:
    rng = np.random.default_rng(0)
    beyond = 0
    for _ in range(200):
        chance = rng.uniform(0.5, 1.0, 60)
        first, second, third = (rng.binomial(20, chance) for _ in range(3))
        failed = int(((second <= 10) | (third <= 10)).sum())
        beyond += failed > may_fail(first.tolist(), 20)
    assert beyond <= 2
