"""8-bit forms of adversarial examples lie inside the threat, and tell fragile examples from those that survive."""

from __future__ import annotations

import pytest
import torch

from auditor import Norm, Threat
from auditor.engine.aims import Aims
from auditor.engine.referee import fools_in_8bit
from auditor.engine.rounding import drawn_out, forms, nearest, outward

THREATS = [
    (Norm.LINF, 0.037),
    (Norm.LINF, 8 / 255),
    (Norm.L2, 0.5),
    (Norm.L2, 0.02),
    (Norm.L1, 2.0),
    (Norm.L1, 0.1),
    (Norm.L0, 5.0),
]


@pytest.mark.parametrize(("norm", "eps"), THREATS)
def test_every_form_is_8_bit_and_inside_box_and_ball(norm: Norm, eps: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (50, 3, 5, 4), generator=generator) / 255.0
    threat = Threat(norm=norm, eps=eps)
    candidates = threat.project(x + 0.3 * torch.randn(x.shape, generator=generator), x)
    for form in forms(threat):
        rounded = form(candidates, x)
        assert torch.allclose(rounded * 255, (rounded * 255).round(), atol=1e-4)
        assert rounded.min() >= 0
        assert rounded.max() <= 1
        assert threat.distance(rounded, x).max() <= eps * (1 + 1e-5) + 1e-6


def test_a_budget_below_one_level_leaves_the_original(images) -> None:
    x = images([100 / 255])
    threat = Threat(norm=Norm.LINF, eps=0.3 / 255)
    for form in forms(threat):
        assert torch.allclose(form(x + 0.3 / 255, x), x)


def test_the_forms_differ_as_they_say(images) -> None:
    x, threat = images([100 / 255]), Threat(norm=Norm.LINF, eps=8 / 255)
    candidate = images([102.4 / 255])
    levels = [round(float(form(threat, candidate, x).mean() * 255)) for form in (nearest, outward, drawn_out)]
    assert levels == [102, 103, 108]


def test_in_l0_entries_that_did_not_change_stay_as_they_are_and_the_others_go_as_far_as_pixels_do() -> None:
    x = torch.tensor([[100.3, 40.0, 200.0]]) / 255
    candidate = torch.tensor([[100.3, 90.2, 150.0]]) / 255
    threat = Threat(norm=Norm.L0, eps=2.0)
    levels = [(form(candidate, x) * 255).round().flatten().tolist() for form in forms(threat)]
    assert levels == [[100.0, 90.0, 150.0], [100.0, 91.0, 150.0], [100.0, 255.0, 0.0]]


def test_an_example_at_the_boundary_survives_where_the_budget_has_room(target, images) -> None:
    """The boundary lies between levels 127 and 128."""
    x, candidates, y = images([127 / 255]), images([127.504 / 255]), torch.tensor([0])
    wide, narrow = Threat(norm=Norm.LINF, eps=2 / 255), Threat(norm=Norm.LINF, eps=0.9 / 255)
    assert fools_in_8bit(target, x, candidates, Aims(y), wide).tolist() == [True]
    assert fools_in_8bit(target, x, candidates, Aims(y), narrow).tolist() == [False]
