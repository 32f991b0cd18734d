from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from auditor.plugins import load_plugins
from auditor.result.transfer import TransferSource
from auditor.rng import Rng
from auditor.study.transfer.measuring import (
    Held,
    Made,
    distortion,
    made_on,
    magnified,
    noise_like,
    plain_noise,
    root_mean_square,
    tried,
)

SOURCE = TransferSource(name="a", members=("a",), status="ran")


def linear(direction: int, bias: float = 0.0) -> nn.Module:
    """Class 1 where entry `direction` exceeds one half."""
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[1, direction] = 4.0
        layer.bias.copy_(torch.tensor([0.0, -2.0 + bias]))
    return nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)


def held() -> Held:
    x = torch.full((40, 1, 2, 2), 0.25)
    x[::2] = 0.75
    return Held(x, (x[:, 0, 0, 0] > 0.5).long(), 2)


def test_the_smallest_change_of_a_linear_network_is_the_distance_to_its_plane() -> None:
    made = made_on("a", linear(0), held(), load_plugins().attacks()["lbfgs"](searches=8, steps=15), 0)
    assert bool(made.found.all())
    sizes = root_mean_square(made.images - held().x)
    assert sizes == pytest.approx(0.25 / 2.0, rel=0.02), "0.25 in one of four entries"
    figure = distortion(made, held(), 0.95, paper=0.062)
    assert figure.value == pytest.approx(0.125, rel=0.02)
    assert figure.paper == 0.062


def test_what_fools_one_fools_its_twin_and_not_a_network_that_looks_elsewhere() -> None:
    networks = {"a": linear(0), "twin": linear(0), "other": linear(3)}
    attack = load_plugins().attacks()["lbfgs"](searches=8, steps=15)
    made = {name: made_on(name, network, held(), attack, 0) for name, network in networks.items()}
    cells = {(cell.source, cell.target): cell for cell in tried(made, networks, held(), 0, 0.95).cells}
    assert cells["a", "a"].rate == cells["a", "twin"].rate == cells["twin", "a"].rate == 1.0
    assert cells["a", "other"].rate == cells["other", "twin"].rate == 0.0
    assert cells["a", "a"].agreed == 40
    assert [line.among for line in cells["a", "twin"].classes] == [20, 20]


def test_only_samples_that_both_have_right_count() -> None:
    networks = {"a": linear(0), "yes": linear(0, bias=100.0)}  # Says 1 whatever it sees.
    made = {"a": made_on("a", networks["a"], held(), load_plugins().attacks()["lbfgs"](searches=8, steps=15), 0)}
    cells = {cell.target: cell for cell in tried(made, networks, held(), 0, 0.95).cells}
    assert (cells["a"].among, cells["yes"].among) == (40, 20)
    assert cells["yes"].fooled == 0


def test_a_sample_without_an_example_counts_as_not_fooled() -> None:
    data = held()
    none = Made(data.x, torch.ones(40, dtype=torch.bool), torch.zeros(40, dtype=torch.bool), SOURCE)
    (cell,) = tried({"a": none}, {"a": linear(0)}, data, 0, 0.95).cells
    assert (cell.among, cell.fooled, cell.noise) == (40, 0, 0)
    assert distortion(none, data, 0.95).value == 0.0


def test_noise_is_as_large_as_the_change_also_where_it_is_clipped() -> None:
    x = torch.zeros(200, 1, 8, 8)  # Half of any noise is clipped away.
    change = torch.rand(200, 1, 8, 8) * 0.2
    noisy = noise_like(change, x, Rng.keyed(0, "noise", torch.arange(200)))
    assert root_mean_square(noisy - x) == pytest.approx(root_mean_square(change), rel=1e-3)
    assert float(noisy.min()) >= 0.0
    shuffled = noise_like(change[50:60], x[50:60], Rng.keyed(0, "noise", torch.arange(50, 60)))
    assert torch.equal(shuffled, noisy[50:60]), "what a sample is dealt does not depend on the others"


def test_magnifying_draws_small_changes_out_and_leaves_large_ones() -> None:
    data = Held(torch.full((2, 1, 4, 4), 0.5), torch.zeros(2, dtype=torch.int64), 2)
    change = torch.stack([torch.full((1, 4, 4), 0.01), torch.full((1, 4, 4), 0.3)])
    made = Made(data.x + change, torch.ones(2, dtype=torch.bool), torch.ones(2, dtype=torch.bool), SOURCE)
    assert root_mean_square(magnified(made, data, 0.1).images - data.x) == pytest.approx([0.1, 0.3], rel=1e-5)
    bright = Held(torch.ones(2, 1, 4, 4), data.y, 2)
    clipped = magnified(Made(bright.x + change, made.right, made.found, SOURCE), bright, 0.1).images
    assert float(clipped.max()) <= 1.0


def test_the_interval_of_a_mean_size_is_that_of_its_standard_error() -> None:
    data = Held(torch.zeros(100, 1, 1, 1), torch.zeros(100, dtype=torch.int64), 2)
    images = torch.rand(100, 1, 1, 1)
    everything = torch.ones(100, dtype=torch.bool)
    figure = distortion(Made(images, everything, everything, SOURCE), data, 0.95)
    half = 1.959964 * float(images.std()) / math.sqrt(100)
    assert figure.interval == pytest.approx((float(images.mean()) - half, float(images.mean()) + half), rel=1e-4)


def test_plain_noise_counts_only_what_a_network_has_right_as_it_is() -> None:
    """The mean of 400 pixels hardly moves under noise; a single pixel crosses a half in about one of three cases."""
    x = torch.full((200, 1, 20, 20), 0.45)
    samples = Held(x, torch.arange(200) % 2, 2)

    class Pixels(nn.Module):
        def __init__(self, count: int) -> None:
            super().__init__()
            self.count = count

        def forward(self, shown: Tensor) -> Tensor:
            level = shown.flatten(1)[:, : self.count].mean(1)
            return torch.stack([torch.full_like(level, 0.5), level], 1)

    noise = plain_noise({"one": Pixels(1), "all": Pixels(400)}, samples, 0.1, 0, 0.95, {"one": 0.25})
    assert noise.rates["all"].value == 0.0
    assert noise.rates["one"].value == pytest.approx(0.31, abs=0.12), "half a deviation"
    assert noise.rates["one"].interval[1] - noise.rates["one"].interval[0] > 0.15, "of 100 samples, not of 200"
    assert (noise.rates["one"].paper, noise.rates["all"].paper) == (0.25, None)
    assert noise.size.value == pytest.approx(0.1, abs=0.003)
