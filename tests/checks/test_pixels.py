from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from auditor.check import Severity
from auditor.engine.scene import Scene
from auditor_checks.pixels import PixelRange, PixelScale
from tests.checks.conftest import Trained
from tests.checks.scenes import found, scene_of


def test_nothing_is_said_of_pixels_from_0_to_1(honest: Scene) -> None:
    assert not found(PixelRange, honest)
    assert not found(PixelScale, honest)


def test_rounding_just_outside_the_range_passes(gray: Trained) -> None:
    x = gray.x * (1.0 + 2e-5) - 1e-5
    assert not found(PixelRange, scene_of(gray.network, x, gray.y))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_pixel_that_is_not_finite_stops_the_audit_and_its_sample_is_named(gray: Trained, value: float) -> None:
    x = gray.x.clone()
    x[7, 0, 3, 3] = value
    scene = scene_of(gray.network, x, gray.y)
    (finding,) = found(PixelRange, scene)
    assert finding.severity is Severity.BLOCK
    assert "1 of 256" in finding.detail
    assert "position 7" in finding.detail
    assert not found(PixelScale, scene)


def test_pixels_a_little_outside_stop_the_audit(gray: Trained) -> None:
    (finding,) = found(PixelRange, scene_of(gray.network, gray.x * 1.01, gray.y))
    assert finding.severity is Severity.BLOCK
    assert "1.01" in finding.detail
    assert "[0, 1]" in finding.remedy


@pytest.mark.parametrize(
    ("stored", "remedy"),
    [
        (lambda x: 255.0 * x, "--input-range 0,255"),
        (lambda x: (x - 0.1307) / 0.3081, "--mean"),
        (lambda x: x / 255.0, "once only"),
    ],
    ids=["not divided by 255", "normalised", "divided twice"],
)
def test_samples_in_other_units_stop_the_audit_with_the_way_out(
    gray: Trained, stored: Callable[[Tensor], Tensor], remedy: str
) -> None:
    scene = scene_of(gray.network, stored(gray.x), gray.y)
    (finding,) = found(PixelScale, scene)
    assert finding.severity is Severity.BLOCK
    assert remedy in finding.remedy
    assert not found(PixelRange, scene)


def test_a_black_sample_among_others_is_in_the_right_units(gray: Trained) -> None:
    x = torch.cat([torch.zeros_like(gray.x[:1]), gray.x[1:]])
    assert not found(PixelScale, scene_of(gray.network, x, gray.y))
