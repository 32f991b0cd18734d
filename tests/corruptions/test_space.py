"""Points of the corruption threat: what they name, how large they are, what they make of a sample."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from auditor import Norm, Rng, Threat
from auditor.corruptions import COMMON, CORRUPTIONS, EXTRA, chosen
from auditor.corruptions.space import DRAWS, Corrupted, name_of, number_of
from auditor.errors import UsageError

SPACE = Corrupted()


def images(n: int) -> Tensor:
    return torch.rand(n, 3, 12, 12, generator=torch.Generator().manual_seed(0)).mul(255).round().div(255)


def point(name: str, severity: float, seed: float = 7) -> list[float]:
    return [number_of(name), severity, seed]


def test_the_origin_renders_the_samples_to_the_last_bit() -> None:
    x = torch.rand(3, 1, 5, 5)
    threat = Threat(norm=Norm.CORRUPTION, eps=5)
    assert torch.equal(threat.render(threat.origin(x), x), x)
    assert threat.distance(threat.origin(x), threat.origin(x)).tolist() == [0, 0, 0]


def test_a_point_renders_the_corruption_it_names_whatever_lies_beside_it() -> None:
    x = images(4)
    points = torch.tensor([point("snow", 2), [0, 0, 0], point("shot_noise", 5, DRAWS - 1), point("snow", 2)])
    rendered = SPACE.render(points, x)
    assert torch.equal(rendered[1], x[1])
    for i, name, severity in ((0, "snow", 2), (2, "shot_noise", 5), (3, "snow", 2)):
        rng = Rng.keyed(0, "corruption", points[i : i + 1, 2].long())
        assert torch.equal(rendered[i], CORRUPTIONS[name](x[i : i + 1], severity, rng)[0])
    assert torch.equal(SPACE.render(points.flip(0), x.flip(0)).flip(0), rendered)


def test_the_size_is_the_severity() -> None:
    points = torch.tensor([point("fog", 1), point("gamma", 5), [0, 0, 0]])
    assert SPACE.distance(points, points).tolist() == [1, 5, 0]


@pytest.mark.parametrize(
    "strange",
    [
        [0, 3, 7],
        [len(CORRUPTIONS) + 1, 3, 7],
        [1.5, 3, 7],
        [1, 0, 7],
        [1, 6, 7],
        [1, 2.5, 7],
        [1, 3, -1],
        [1, 3, DRAWS],
        [math.nan, 3, 7],
        [1, math.inf, 7],
    ],
    ids=str,
)
def test_what_names_no_corruption_lies_outside_every_budget_and_changes_nothing(strange: list[float]) -> None:
    points, x = torch.tensor([strange]), images(1)
    assert SPACE.distance(points, points).tolist() == [math.inf]
    assert torch.equal(SPACE.render(points, x), x)


def test_projection_ends_at_a_point_within_the_budget() -> None:
    points = torch.randn(200, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([20.0, 4.0, 1e7])
    projected = SPACE.project(points, torch.zeros(200, 3), 3.0)
    assert (SPACE.distance(projected, projected) <= 3).all()
    assert torch.equal(SPACE.project(projected, torch.zeros(200, 3), 3.0), projected)
    allowed = torch.tensor([point("fog", 3), point("jpeg_compression", 1)])
    assert torch.equal(SPACE.project(allowed, torch.zeros(2, 3), 3.0), allowed)
    assert SPACE.project(allowed, torch.zeros(2, 3), 2.0)[:, 1].tolist() == [2, 1]


def test_numbers_stay_what_evidence_calls_them() -> None:
    assert [name_of(number) for number in (1, 15, 19, 23)] == [
        "gaussian_noise",
        "jpeg_compression",
        "saturate",
        "uniform_noise",
    ]
    assert all(name_of(number_of(name)) == name for name in CORRUPTIONS)


def test_corruptions_are_chosen_by_name_group_and_set() -> None:
    assert chosen("common") == COMMON
    assert chosen("extra, common") == COMMON + EXTRA
    assert [each.name for each in chosen("fog,gaussian_noise,fog")] == ["gaussian_noise", "fog"]
    assert {each.group for each in chosen("noise,blur")} == {"noise", "blur"}
    assert len(chosen("all")) == len(CORRUPTIONS) == 23


def test_an_unknown_corruption_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no corruption 'frog'\. Did you mean 'fog'"):
        chosen("noise,frog")
