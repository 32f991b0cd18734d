"""Noise as large as the budget, dealt by a sample's position in the data."""

from __future__ import annotations

import pytest
import torch

from auditor import Norm, Threat
from auditor.engine.transfer.noise import noisy
from auditor.norms import distance

X = torch.full((5, 1, 6, 6), 0.5)
ROWS = torch.arange(5)


@pytest.mark.parametrize(("norm", "eps"), [(Norm.LINF, 0.1), (Norm.L2, 0.7), (Norm.L1, 3.0), (Norm.L0, 4.0)])
def test_noise_is_as_large_as_the_budget(norm: Norm, eps: float) -> None:
    shown = noisy(Threat(norm=norm, eps=eps), X, ROWS, 0)
    assert torch.allclose(distance(shown, X, norm), torch.full((5,), eps, dtype=torch.float64), rtol=1e-5)


def test_in_linf_every_entry_moves_by_all_that_is_allowed() -> None:
    change = noisy(Threat(norm=Norm.LINF, eps=0.1), X, ROWS, 0) - X
    assert torch.allclose(change.abs(), torch.full_like(change, 0.1))
    assert 0.3 < float((change > 0).float().mean()) < 0.7


def test_noise_stays_in_the_box() -> None:
    shown = noisy(Threat(norm=Norm.LINF, eps=0.4), torch.full_like(X, 0.9), ROWS, 0)
    assert float(shown.max()) == 1.0


def test_a_mask_is_kept_to_and_its_pixels_get_all_of_the_budget() -> None:
    mask = torch.zeros(1, 6, 6, dtype=torch.bool)
    mask[0, :2] = True
    change = noisy(Threat(norm=Norm.L2, eps=0.3, mask=mask), X, ROWS, 0) - X
    assert float(change[:, :, 2:].abs().max()) == 0.0
    assert torch.allclose(change.flatten(1).norm(dim=1), torch.full((5,), 0.3))


def test_in_l0_entries_go_to_either_end_of_the_box_and_a_mask_is_kept_to() -> None:
    mask = torch.zeros(1, 6, 6, dtype=torch.bool)
    mask[0, :2] = True
    shown = noisy(Threat(norm=Norm.L0, eps=7.0, mask=mask), X, ROWS, 0)
    assert torch.equal(shown[:, :, 2:], X[:, :, 2:])
    assert (shown != X).flatten(1).sum(1).tolist() == [7] * 5
    assert set(shown.unique().tolist()) == {0.0, 0.5, 1.0}


def test_the_neighbours_in_a_batch_change_nothing() -> None:
    threat = Threat(norm=Norm.L2, eps=0.7)
    assert torch.equal(noisy(threat, X, ROWS, 0)[3:], noisy(threat, X[3:], ROWS[3:], 0))
    assert not torch.equal(noisy(threat, X, ROWS, 0), noisy(threat, X, ROWS, 1))
