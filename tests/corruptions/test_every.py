"""What holds for every corruption, at every severity, size and number of channels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auditor import Rng
from auditor.corruptions import COMMON, CORRUPTIONS, EXTRA, SEVERITIES, Corruption
from auditor.errors import UsageError

every = pytest.mark.parametrize("corruption", CORRUPTIONS.values(), ids=CORRUPTIONS.keys())
# At these severities the paper's own constants change such images no more than at the severity before.
FALLS = {
    "cifar": {
        "saturate": (3,),
        "elastic_transform": (2, 3, 4, 5),
        "frost": (4, 5),
        "glass_blur": (2, 5),
        "spatter": (4,),
    },
    "imagenet": {"saturate": (3,), "elastic_transform": (3,), "frost": (4,), "glass_blur": (2, 4), "snow": (3,)},
}
SLIGHT = {"spatter", "glass_blur", "defocus_blur", "gaussian_blur", "motion_blur"}
STILL_IN_GRAY = {"saturate", "hue"}


def streams(n: int, first: int = 0) -> Rng:
    return Rng.keyed(3, "test", torch.arange(first, first + n))


def scenes(n: int, channels: int = 3, height: int = 32, width: int = 32) -> Tensor:
    """Smooth images with edges, multiples of 1/255, no two alike."""
    i, j = torch.arange(height).view(-1, 1) / height, torch.arange(width).view(1, -1) / width
    k = torch.arange(n * channels).view(n, channels, 1, 1)
    waves = 0.5 + 0.3 * torch.sin(7 * i + 11 * j * (1 + k % 5) + k) + 0.15 * ((i + j + 0.1 * k) % 0.4 > 0.2)
    return waves.clamp(0, 1).mul(255).round().div(255)


@every
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 40, 25), (1, 9, 17), (4, 16, 16)], ids=str)
@pytest.mark.parametrize("severity", [1, 5])
def test_images_stay_8_bit_images_of_their_shape(
    corruption: Corruption, severity: int, shape: tuple[int, int, int]
) -> None:
    x = scenes(3, *shape)
    before = x.clone()
    y = corruption(x, severity, streams(3))
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert (y >= 0).all()
    assert (y <= 1).all()
    assert torch.equal(y, y.mul(255).round().div(255))
    assert torch.equal(x, before)
    if shape[0] == 3 or corruption.name not in STILL_IN_GRAY:
        assert not torch.equal(y, x) or corruption.name in SLIGHT


@every
@pytest.mark.parametrize("table", ["cifar", "imagenet"])
def test_an_image_knows_nothing_of_its_batch(corruption: Corruption, table: str) -> None:
    x = scenes(5)
    together = corruption(x, 4, streams(5), table)
    alone = torch.cat([corruption(x[i : i + 1], 4, streams(1, i), table) for i in range(5)])
    # Sums may be taken in another order, which moves a pixel to the next of 255 steps now and then.
    assert (together - alone).abs().max() <= 1.01 / 255
    assert (together != alone).float().mean() < 1e-3


@pytest.mark.parametrize("name", ["gaussian_noise", "snow", "glass_blur", "fog"])
def test_batches_larger_than_the_cache_are_dealt_the_same(name: str) -> None:
    x = scenes(7, 3, 224, 224)
    together = CORRUPTIONS[name](x, 2, streams(7))
    assert torch.equal(together[5:], CORRUPTIONS[name](x[5:], 2, streams(2, 5)))


@every
@pytest.mark.parametrize(("table", "side"), [("cifar", 32), ("imagenet", 64)])
def test_damage_rises_with_severity(corruption: Corruption, table: str, side: int) -> None:
    x = scenes(8, 3, side, side)
    damage = [float((corruption(x, s, streams(8), table) - x).abs().mean()) for s in SEVERITIES]
    assert damage[4] > damage[0] or corruption.name == "elastic_transform"
    for before, after, severity in zip(damage, damage[1:], SEVERITIES[1:], strict=False):
        assert after > before or severity in FALLS[table].get(corruption.name, ()), (severity, damage)


@pytest.mark.parametrize("name", ["gaussian_noise", "motion_blur", "snow", "frost", "fog", "spatter", "glass_blur"])
def test_streams_decide(name: str) -> None:
    x = scenes(1).expand(2, -1, -1, -1)
    one, other = CORRUPTIONS[name](x, 3, streams(2), "imagenet")
    assert not torch.equal(one, other)


def test_corruptions_share_no_numbers_and_use_none_up() -> None:
    x, rng = torch.full((1, 3, 64, 64), 128 / 255), streams(1)
    first, second = (CORRUPTIONS[name](x, 1, rng) - x for name in ("gaussian_noise", "speckle_noise"))
    assert torch.stack([first.flatten(), second.flatten()]).corrcoef()[0, 1].abs() < 0.05
    assert torch.equal(CORRUPTIONS["gaussian_noise"](x, 1, rng) - x, first)


def test_no_images_are_no_images() -> None:
    assert CORRUPTIONS["fog"](torch.zeros(0, 3, 8, 8), 1, streams(0)).shape == (0, 3, 8, 8)


def test_the_paper_has_fifteen_and_four() -> None:
    assert [each.name for each in COMMON] == [
        *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
        *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    ]
    assert [each.name for each in EXTRA] == ["speckle_noise", "gaussian_blur", "spatter", "saturate"]
    assert all(each.about for each in CORRUPTIONS.values())


def test_constants_follow_the_size() -> None:
    blur = CORRUPTIONS["motion_blur"]
    assert blur.constants(1, 32) == (6, 1)
    assert blur.constants(1, 224) == (10, 3)
    assert blur.constants(5, 448) == (40, 30)
    assert blur.constants(5, 16) == (4.5, 1.25)
    between = blur.constants(1, round((32 * 224) ** 0.5))
    assert between == pytest.approx((8, 2), abs=0.01)
    assert blur.constants(1, 32, "imagenet") == (10, 3)
    assert CORRUPTIONS["gaussian_noise"].constants(2, 448) == (0.12,)


@pytest.mark.parametrize("severity", [0, 6, 2.5])
def test_there_are_five_severities(severity: float) -> None:
    with pytest.raises(UsageError, match="severities 1 to 5"):
        CORRUPTIONS["fog"](scenes(1), severity, streams(1))  # type: ignore[arg-type]


def test_rows_of_numbers_are_no_images() -> None:
    with pytest.raises(UsageError, match="corrupts images"):
        CORRUPTIONS["fog"](torch.zeros(2, 10), 1, streams(2))


def test_there_are_three_tables() -> None:
    with pytest.raises(UsageError, match="size, cifar, imagenet"):
        CORRUPTIONS["fog"](scenes(1), 1, streams(1), "mnist")


@every
def test_a_corruption_says_whether_it_can_change_images_in_gray(corruption: Corruption) -> None:
    x = scenes(4, 1)
    changed = any(not torch.equal(corruption(x, severity, streams(4)), x) for severity in SEVERITIES)
    assert corruption.applies(1) == changed
    assert corruption.applies(3)
