"""Each corruption beside its formula, written plainly with other libraries and one image at a time."""

from __future__ import annotations

import colorsys
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from auditor import Rng
from auditor.corruptions import CORRUPTIONS, SEVERITIES, blur, digital, filters, spatter, weather
from auditor.corruptions.draws import normals, poissons, uniforms

STEP = 1 / 255
each_severity = pytest.mark.parametrize("severity", SEVERITIES)


def streams(n: int) -> Rng:
    return Rng.keyed(0, "test", torch.arange(n))


def picture(side: int = 48, channels: int = 3) -> Tensor:
    """One image full of detail, multiples of 1/255."""
    noise = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(1))
    return (0.6 * filters.gaussian(noise, 1.0) + 0.4 * noise).mul(255).round().div(255)


def near(ours: Tensor, reference: Any, most: float = STEP) -> None:
    """Equal up to the rounding to 1/255 and to single precision."""
    reference = torch.as_tensor(np.clip(reference, 0, 1)).view(ours.shape)
    assert (ours - reference).abs().max() <= most


def plane(x: Tensor) -> list[np.ndarray[Any, Any]]:
    return [channel.double().numpy() for channel in x[0]]


def test_sixteen_bits_make_normal_numbers() -> None:
    z = normals(streams(4), 50_000).double()
    assert z.mean().abs() < 0.01
    assert abs(z.std() - 1) < 0.01
    assert abs((z**4).mean() - 3) < 0.1
    assert abs((z.abs() > 3).double().mean() - 0.0027) < 0.0005


def test_sixteen_bits_make_uniform_numbers() -> None:
    u = uniforms(streams(4), 50_000).double()
    assert u.min() > -1
    assert u.max() < 1
    assert u.mean().abs() < 0.01
    assert abs(u.var() - 1 / 3) < 0.01


@pytest.mark.parametrize("most", [3, 60, 500])
def test_counts_are_poisson(most: float) -> None:
    levels = torch.full((4, 50_000), 102.0)
    counts = poissons(streams(4), levels, most).double()
    mean = 102 / 255 * most
    if most > 3:  # else what is more than white is cut off
        assert counts.mean() == pytest.approx(mean, rel=0.01)
        assert counts.var() == pytest.approx(mean, rel=0.02)
    for k in range(3):
        expected = math.exp(-mean) * mean**k / math.factorial(k)
        assert abs((counts == k).double().mean() - expected) < 0.003
    assert (poissons(streams(1), torch.zeros(1, 100), most) == 0).all()


@each_severity
def test_noise_has_the_papers_size(severity: int) -> None:
    x = torch.full((2, 3, 100, 100), 128 / 255)
    deviation = CORRUPTIONS["gaussian_noise"].constants(severity, 32)[0]
    change = CORRUPTIONS["gaussian_noise"](x, severity, streams(2), "cifar") - x
    assert change.std() == pytest.approx(deviation, rel=0.02)
    share = CORRUPTIONS["impulse_noise"].constants(severity, 32)[0]
    struck = CORRUPTIONS["impulse_noise"](x, severity, streams(2), "cifar")
    assert (struck == 0).float().mean() == pytest.approx(share / 2, rel=0.1)
    assert (struck == 1).float().mean() == pytest.approx(share / 2, rel=0.1)
    factor = CORRUPTIONS["speckle_noise"].constants(severity, 32)[0]
    dark = torch.full((2, 3, 100, 100), 51 / 255)
    assert (CORRUPTIONS["speckle_noise"](dark, severity, streams(2), "cifar") - dark).std() == pytest.approx(
        factor / 5, rel=0.03
    )
    width = CORRUPTIONS["uniform_noise"].constants(severity, 32)[0]
    assert (CORRUPTIONS["uniform_noise"](x, severity, streams(2), "cifar") - x).abs().max() <= width + STEP


@pytest.mark.parametrize("sigma", [0.05, 0.6, 1.0, 4.0, 30.0])
@pytest.mark.parametrize(("border", "mode"), [("edge", "nearest"), ("half", "reflect"), ("whole", "mirror")])
def test_gaussian_blur_is_scipys(sigma: float, border: str, mode: str) -> None:
    x = picture(20)
    expected = [ndimage.gaussian_filter(channel, sigma, mode=mode) for channel in plane(x)]
    assert np.abs(filters.gaussian(x, sigma, border)[0].numpy() - np.stack(expected)).max() < 1e-5


@each_severity
@pytest.mark.parametrize("table", ["cifar", "imagenet"])
def test_defocus_is_a_disk(severity: int, table: str) -> None:
    radius, softness = CORRUPTIONS["defocus_blur"].constants(severity, 32, table)
    half = 8 if radius <= 8 else int(radius)
    i = np.arange(-half, half + 1)
    disk = (i[:, None] ** 2 + i**2 <= radius**2).astype(float)
    taps = np.arange(-1, 2) if radius <= 8 else np.arange(-2, 3)
    soft = np.exp(-(taps**2) / (2 * softness**2))
    disk = ndimage.correlate(disk / disk.sum(), np.outer(soft, soft) / soft.sum() ** 2, mode="mirror")
    x = picture()
    expected = np.stack([ndimage.correlate(channel, disk, mode="mirror") for channel in plane(x)])
    near(CORRUPTIONS["defocus_blur"](x, severity, streams(1), table), expected)


@pytest.mark.parametrize(("angle", "down", "across"), [(0.0, 0, 1), (90.0, 1, 0), (-90.0, -1, 0), (180.0, 0, -1)])
def test_streaks_fall_off_from_the_pixel_on(angle: float, down: int, across: int) -> None:
    x = picture(24)
    weights = np.exp(-(np.arange(9) ** 2) / (2 * 2.5**2))
    rows, columns = np.arange(24)[:, None], np.arange(24)
    expected = sum(
        weight / weights.sum() * x[0].numpy()[:, np.clip(rows + i * down, 0, 23), np.clip(columns + i * across, 0, 23)]
        for i, weight in enumerate(weights)
    )
    # A hair off the axis, where the single precision of sine and cosine decides nothing.
    ours = blur.streaked(x, streams(1), 4, 2.5, (angle + 0.01, angle + 0.01))
    assert np.abs(ours[0].numpy() - expected).max() < 1e-5


@each_severity
@pytest.mark.parametrize("table", ["cifar", "imagenet"])
def test_zoom_is_a_mean_of_enlargements(severity: int, table: str) -> None:
    x, (largest, step) = picture(), CORRUPTIONS["zoom_blur"].constants(severity, 32, table)
    total, count = x[0].double().numpy().copy(), 0
    for factor in np.arange(1, largest + step / 2, step):
        size = math.ceil(48 / factor)
        top = (48 - size) // 2
        large = ndimage.zoom(x[0, :, top : top + size, top : top + size].double().numpy(), (1, factor, factor), order=1)
        top = (large.shape[1] - 48) // 2
        total += large[:, top : top + 48, top : top + 48]
        count += 1
    near(CORRUPTIONS["zoom_blur"](x, severity, streams(1), table), total / (count + 1))


@pytest.mark.parametrize("delta", [1, 2, 4])
def test_glass_lets_pixels_look_one_after_the_other(delta: int) -> None:
    height, width = 23, 31
    dealt = streams(2).sixteen(2, height, width) >> 4
    moves = (dealt.remainder(2 * delta) - delta).numpy()
    places = blur._scattered(streams(2), height, width, delta, torch.device("cpu")).numpy()
    for k in range(2):
        shown = np.arange(height * width).reshape(height, width)
        for h in range(height - delta, delta, -1):
            for w in range(width - delta, delta, -1):
                shown[h, w] = shown[h + moves[k, 0, h, w], w + moves[k, 1, h, w]]
        assert (places[k] == shown.flatten()).all()


def test_elastic_shifts_pixels() -> None:
    x, sigma, distance = picture(), 1.5, 6.0
    shifts = uniforms(streams(1), 2, 48, 48)[0].double().numpy()
    across, down = (ndimage.gaussian_filter(part, sigma, mode="reflect", truncate=3) * distance for part in shifts)
    rows, columns = np.meshgrid(np.arange(48), np.arange(48), indexing="ij")
    expected = [
        ndimage.map_coordinates(channel, (rows + down, columns + across), order=1, mode="reflect")
        for channel in plane(x)
    ]
    ours = digital.elastic_transform.render(x, streams(1), distance, sigma, 0.0)
    assert np.abs(ours[0].numpy() - np.stack(expected)).max() < 1e-4


def test_elastic_moves_three_corners() -> None:
    x = picture()
    moves = torch.tensor([[[2.0, -1.0], [0.5, 3.0], [-2.0, 1.0]]])
    corners = np.array([[40.0, 40.0], [40.0, 8.0], [8.0, 8.0]])
    forth = np.linalg.solve(np.c_[corners, np.ones(3)], corners + moves[0].double().numpy())
    pixels = np.stack(np.meshgrid(np.arange(48), np.arange(48)), 2).reshape(-1, 2)
    columns, rows = ((pixels - forth[2]) @ np.linalg.inv(forth[:2])).T
    expected = [ndimage.map_coordinates(channel, (rows, columns), order=1, mode="mirror") for channel in plane(x)]
    ours = digital._sheared(x, moves)
    assert np.abs(ours[0].flatten(1).numpy() - np.stack(expected)).max() < 1e-4


@each_severity
@pytest.mark.parametrize("side", [32, 224, 64])
def test_pixels_are_pillows(severity: int, side: int) -> None:
    x = picture(side)
    scale = CORRUPTIONS["pixelate"].constants(severity, side)[0]
    image = Image.fromarray((x[0] * 255).round().byte().permute(1, 2, 0).numpy())
    small = image.resize((int(side * scale),) * 2, Image.Resampling.BOX)
    expected = np.asarray(small.resize((side, side), Image.Resampling.NEAREST)).transpose(2, 0, 1) / 255
    near(CORRUPTIONS["pixelate"](x, severity, streams(1)), expected, 2.01 * STEP)


@each_severity
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_a_jpeg(severity: int, channels: int) -> None:
    x = picture(40, channels)
    pixels = (x[0] * 255).round().byte().permute(1, 2, 0).squeeze().numpy()
    file = io.BytesIO()
    quality = round(CORRUPTIONS["jpeg_compression"].constants(severity, 40)[0])
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    expected = np.asarray(Image.open(file)).reshape(40, 40, channels).transpose(2, 0, 1) / 255
    near(CORRUPTIONS["jpeg_compression"](x, severity, streams(1)), expected, 1e-6)


@each_severity
@pytest.mark.parametrize("name", ["brightness", "darkness", "saturate"])
def test_colours_are_those_of_hue_saturation_and_value(name: str, severity: int) -> None:
    x = picture(8)
    x[:, :, 0] = x[:, :1, 0]  # gray
    x[:, :, 1] = 0.0  # black
    row = CORRUPTIONS[name].constants(severity, 32, "imagenet")

    def changed(pixel: Any) -> Any:
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        if name == "saturate":
            saturation = min(saturation * row[0] + row[1], 1.0)
        else:
            value = min(max(value + (row[0] if name == "brightness" else -row[0]), 0.0), 1.0)
        return colorsys.hsv_to_rgb(hue, saturation, value)

    expected = np.apply_along_axis(changed, 0, x[0].double().numpy())
    near(CORRUPTIONS[name](x, severity, streams(1), "imagenet"), expected)


def test_hue_turns_and_grays_stay() -> None:
    x = torch.tensor([[0.5, 0.5, 0.5], [0.6, 0.4, 0.4]])[:, :, None, None].expand(-1, -1, 4, 4).contiguous()
    y = CORRUPTIONS["hue"](x, 5, streams(2))
    assert (y[0] - x[0]).abs().max() <= STEP
    assert (y[1].sum(0) - x[1].sum(0)).abs().max() <= 2 * STEP
    assert (y[1] - y[1].mean(0)).norm() == pytest.approx(float((x[1] - x[1].mean(0)).norm()), rel=0.05)
    assert torch.cosine_similarity((y[1] - y[1].mean(0))[:, 0, 0], (x[1] - x[1].mean(0))[:, 0, 0], 0).abs() < 0.05


def test_gamma_is_a_power_to_either_side() -> None:
    x = torch.full((40, 1, 1, 1), 64 / 255)
    exponent = CORRUPTIONS["gamma"].constants(3, 32)[0]
    assert set(CORRUPTIONS["gamma"](x, 3, streams(40)).mul(255).flatten().tolist()) == {
        float(round((64 / 255) ** exponent * 255)),
        float(round((64 / 255) ** (1 / exponent) * 255)),
    }


def test_contrast_keeps_the_mean() -> None:
    x = picture()
    mean = x[0].double().numpy().mean((1, 2), keepdims=True)
    kept = CORRUPTIONS["contrast"].constants(5, 32, "cifar")[0]
    near(CORRUPTIONS["contrast"](x, 5, streams(1), "cifar"), (x[0].double().numpy() - mean) * kept + mean)


@pytest.mark.parametrize("decay", [1.4, 3.0])
def test_plasma_is_grown_by_diamonds_and_squares(decay: float) -> None:
    side, rng = 16, streams(1)
    heights, step, wobble = np.zeros((side, side)), side, 100.0
    while step >= 2:
        half, dealt = step // 2, uniforms(rng, 3, side // step, side // step)[0].double().numpy() * wobble**2
        for i in range(0, side, step):
            for j in range(0, side, step):
                corners = [heights[i, j], heights[(i + step) % side, j]]
                corners += [heights[i, (j + step) % side], heights[(i + step) % side, (j + step) % side]]
                heights[i + half, j + half] = sum(corners) / 4 + dealt[0, i // step, j // step]
        for i in range(0, side, step):
            for j in range(0, side, step):
                above = heights[(i - half) % side, j + half] + heights[i + half, j + half]
                beside = heights[i, j] + heights[i, (j + step) % side]
                upright = (above + beside) / 4 + dealt[1, i // step, j // step]
                beside = heights[i + half, (j - half) % side] + heights[i + half, j + half]
                above = heights[i, j] + heights[(i + step) % side, j]
                heights[i, j + half] = upright
                heights[i + half, j] = (above + beside) / 4 + dealt[2, i // step, j // step]
        step, wobble = half, wobble / decay
    expected = (heights - heights.min()) / (heights.max() - heights.min())
    assert np.abs(weather._plasma(streams(1), 1, side, decay, torch.device("cpu"))[0].numpy() - expected).max() < 1e-5


def test_fog_hides_more_where_it_is_denser() -> None:
    black = torch.zeros(3, 3, 32, 32)
    black[:, :, 0, 0] = 1.0
    y = CORRUPTIONS["fog"](black, 5, streams(3))[:, 0, 1:, 1:]
    assert y.flatten(1).amax(1).gt(0.4).all()
    assert y.flatten(1).amin(1).lt(0.2).all()


def test_snow_is_streaks_in_front_of_a_paler_image() -> None:
    x = torch.full((4, 3, 64, 64), 0.2)
    x[:, 0] = 0.4
    y = CORRUPTIONS["snow"](x, 3, streams(4), "imagenet")
    pale = 0.7 * x + 0.3 * (1.5 * (0.299 * 0.4 + 0.701 * 0.2) + 0.5)
    assert (y >= pale - STEP).all()
    snowed = (y - pale)[:, 0] > 0.02
    assert 0.02 < snowed.float().mean() < 0.9
    assert torch.equal(snowed, snowed.flip(1, 2))


def test_frost_is_pale_uneven_ice_that_covers_more_and_more() -> None:
    x = torch.zeros(64, 3, 48, 48)
    y = CORRUPTIONS["frost"](x, 5, streams(64), "imagenet") / 0.75
    assert 0.45 < y.mean() < 0.7
    assert 0.1 < y.std((1, 2, 3)).mean() < 0.25
    assert y.mean((1, 2, 3)).std() > 0.05
    assert y[:, 2].mean() > y[:, 0].mean()


def test_edges_are_where_brightness_jumps() -> None:
    x = torch.zeros(1, 1, 24, 24)
    x[:, :, 6:18, 6:18] = 200.0
    edges = spatter._edges(x)[0, 0]
    assert not edges[9:15, 9:15].any()
    assert not edges[:4].any()
    assert edges[8:16, 4:8].any(1).all()
    assert edges[8:16].sum() == 16


def test_distance_is_to_the_nearest_edge() -> None:
    edges = torch.rand(2, 1, 50, 40, generator=torch.Generator().manual_seed(2)) < 0.004
    edges[1] = False
    expected = ndimage.distance_transform_edt(~edges[0, 0].numpy())
    ours = spatter._distance(edges)
    assert np.abs(ours[0, 0].numpy() - np.minimum(expected, 20)).max() < 1e-4
    assert (ours[1] == 20).all()


def test_equalised_values_take_room_by_their_number() -> None:
    x = torch.tensor([3.0, 3, 5, 5, 5, 9]).view(1, 1, 2, 3)
    assert spatter._equalised(x).flatten().tolist() == [0, 0, 191, 191, 191, 255]
    assert (spatter._equalised(torch.full((1, 1, 2, 2), 20.0)) == 20).all()


def test_water_brightens_and_mud_covers() -> None:
    gray = torch.full((8, 3, 64, 64), 0.5)
    water = CORRUPTIONS["spatter"](gray, 3, streams(8), "imagenet")
    assert (water >= gray - STEP).all()
    assert 0.02 < (water > gray + STEP).float().mean() < 0.6
    mud = CORRUPTIONS["spatter"](gray, 5, streams(8), "imagenet")
    covered = (mud < gray - STEP)[:, 0]
    assert 0.03 < covered.float().mean() < 0.6
    assert mud[:, 2][covered].min() == pytest.approx(20 / 255, abs=STEP)
