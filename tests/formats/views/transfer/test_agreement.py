from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from auditor.formats.views.transfer.agreement import explained
from auditor.formats.views.transfer.reading import agreement_text
from auditor.result.transfer import TransferResult
from tests.formats.transferred import matrix, result


def made(names: str, kappa: np.ndarray, travels: np.ndarray, n: int = 1000) -> TransferResult:
    pairs = list(itertools.combinations(range(len(names)), 2))
    rates = {(names[i], names[j]): float(travels[i, j]) for i, j in itertools.permutations(range(len(names)), 2)}
    kappas = {(names[i], names[j]): float(kappa[i, j]) for i, j in pairs}
    return result(matrix(rates, n=n, noise=0.0), kappas=kappas)


def symmetric(seed: int, count: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).random((count, count)).round(2)
    return np.triu(drawn, 1) + np.triu(drawn, 1).T


def test_correlation_and_p_are_those_of_scipy_over_all_orders() -> None:
    kappa, travels = symmetric(0, 5), symmetric(1, 5)
    travels[0, 1] = travels[1, 0] = travels[2, 3]  # A tie.
    travels[3, 2] = travels[2, 3]
    found = explained(made("abcde", kappa, travels))
    assert found is not None
    upper = np.triu_indices(5, 1)

    def rho(order: tuple[int, ...]) -> float:
        return float(spearmanr(kappa[upper], travels[np.ix_(order, order)][upper]).statistic)

    measured = rho((0, 1, 2, 3, 4))
    orders = [rho(order) for order in itertools.permutations(range(5))]
    assert found.correlation == pytest.approx(measured)
    assert found.p == pytest.approx(np.mean([abs(r) >= abs(measured) - 1e-9 for r in orders]))
    assert found.pairs == 10


def test_models_that_err_together_and_fall_together_are_said_to() -> None:
    kappa = symmetric(2, 7)
    said = agreement_text(made("abcdefg", kappa, kappa), 0.95)
    assert said.startswith("The more two models err on the same clean samples, the more travels between them")
    assert "rank correlation 1.00 over 21 pairs, p < 0.001" in said
    assert "the less travels" in agreement_text(made("abcdefg", kappa, 1.0 - kappa), 0.95)


def test_what_may_be_chance_is_not_called_an_explanation() -> None:
    said = agreement_text(made("abcdef", symmetric(3, 6), symmetric(4, 6)), 0.95)
    assert "cannot be told" in said


def test_many_models_are_permuted_by_draws_that_do_not_change() -> None:
    record = made("abcdefghij", symmetric(5, 10), symmetric(6, 10))
    assert explained(record) == explained(record)


def test_too_few_models_say_nothing() -> None:
    assert explained(made("abcd", symmetric(0, 4), symmetric(0, 4))) is None
    assert agreement_text(made("abcd", symmetric(0, 4), symmetric(0, 4)), 0.95) == ""


def test_a_model_that_is_never_wrong_is_left_out_and_the_others_are_looked_at() -> None:
    record = made("abcdef", symmetric(7, 6), symmetric(8, 6))
    without = [a.model_copy(update={"kappa": None}) if "f" in (a.first, a.second) else a for a in record.agreements]
    found = explained(record.model_copy(update={"agreements": tuple(without)}))
    assert found is not None
    assert found.pairs == 10
    alike = made("abcde", np.full((5, 5), 0.5), symmetric(8, 5))
    assert explained(alike) is None
