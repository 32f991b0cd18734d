"""The exact budget that crosses a straight border."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditor import Norm
from auditor_checks._linear import Border


@pytest.fixture
def border() -> Border:
    """Score 2 a - b + 4 c - 1 of three pixels."""
    return Border(torch.tensor([2.0, -1.0, 4.0], dtype=torch.float64), torch.tensor(-1.0, dtype=torch.float64))


MIDDLE = torch.full((1, 3), 0.5)
NEGATIVE = torch.tensor([0])


@pytest.mark.parametrize(
    ("norm", "eps", "reach"),
    [
        (Norm.LINF, 0.1, 0.7),
        (Norm.LINF, 1.0, 3.5),
        (Norm.L1, 0.2, 0.8),
        (Norm.L1, 0.6, 0.5 * 4.0 + 0.1 * 2.0),
        (Norm.L0, 1.0, 2.0),
        (Norm.L0, 2.0, 3.0),
        (Norm.L2, 0.1, 0.1 * 21.0**0.5),
        (Norm.L2, 9.0, 3.5),
    ],
)
def test_what_a_budget_takes_from_the_lead_is_known(border: Border, norm: Norm, eps: float, reach: float) -> None:
    assert border.reach(MIDDLE, NEGATIVE, norm, eps).item() == pytest.approx(reach, abs=1e-6)


def test_pixels_do_not_leave_their_range(border: Border) -> None:
    white = torch.ones(1, 3)
    assert border.reach(white, NEGATIVE, Norm.LINF, 0.1).item() == pytest.approx(0.1)
    assert border.reach(white, torch.tensor([1]), Norm.LINF, 0.1).item() == pytest.approx(0.6)


def test_a_cut_l2_change_fills_the_ball_with_what_is_left(border: Border) -> None:
    high = torch.tensor([[0.5, 0.5, 0.9]])
    left = (0.3**2 - 0.1**2) ** 0.5
    expected = 0.1 * 4.0 + left * 5.0**0.5
    assert border.reach(high, NEGATIVE, Norm.L2, 0.3).item() == pytest.approx(expected, abs=1e-6)


def test_it_fits_what_it_was_shown_with_leads_at_which_no_loss_vanishes() -> None:
    x: Tensor = torch.rand(20, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    y = torch.arange(20) % 2
    fitted = Border.fitted(x, y)
    assert torch.equal(fitted(x).argmax(1), y)
    assert fitted.lead(x, y).max().item() == pytest.approx(10.0, rel=0.01)
    answer = fitted(x)
    assert torch.allclose((answer[:, 1] - answer[:, 0]).double() * (2 * y - 1), fitted.lead(x, y), atol=1e-3)
