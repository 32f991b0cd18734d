from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from auditor.study.transfer.networks import ARCHITECTURES, DEPTHS, HALVES, Autoencoded, Recipe, connected, made
from auditor.study.transfer.running import Data
from auditor.study.transfer.training import BATCH, steps, trained


def nothing() -> None:
    pass


def weights(network: nn.Module) -> list[torch.Tensor]:
    return [part.weight for part in network.modules() if isinstance(part, nn.Linear)]


@pytest.mark.parametrize("recipe", [*ARCHITECTURES, *HALVES], ids=lambda recipe: f"{recipe.name}-{recipe.data}")
def test_layers_are_as_wide_as_the_name_says(recipe: Recipe) -> None:
    network = made(recipe, (1, 28, 28), 10, 0)
    widths = [int(part) for part in recipe.name.split("(")[0].strip("FCAE'").split("-")]
    layers = [network.encoder, network.classifier] if isinstance(network, Autoencoded) else None
    found = [len(layer.weight) for layer in layers] if layers else [len(weight) for weight in weights(network)]
    assert found == widths


@pytest.mark.parametrize("recipe", DEPTHS, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("side", [8, 28])
def test_convolutional_networks_are_as_deep_as_they_say_on_small_and_larger_images(recipe: Recipe, side: int) -> None:
    network = made(recipe, (3, side, side), 7, 0)
    assert sum(isinstance(part, nn.Conv2d) for part in network.modules()) == int(recipe.name.removeprefix("CONV"))
    assert network(torch.rand(2, 3, side, side)).shape == (2, 7)


def test_no_two_networks_of_an_experiment_begin_alike_and_each_begins_the_same_every_time() -> None:
    one, other = (made(recipe, (64,), 10, 0) for recipe in (HALVES[0], HALVES[2]))
    assert not torch.equal(weights(one)[0], weights(other)[0])
    assert torch.equal(weights(one)[0], weights(made(HALVES[0], (64,), 10, 0))[0])
    assert not torch.equal(weights(one)[0], weights(made(HALVES[0], (64,), 10, 1))[0])


@pytest.mark.parametrize("decay", [1.0, 0.1])
def test_decay_is_the_sum_of_squares_over_the_units_of_the_layer(decay: float, split: Data) -> None:
    x, y = split.parts["all"][0][:BATCH], split.parts["all"][1][:BATCH]
    network = trained(Recipe("FC10", "", connected(), (decay,), steps=1000), x, y, 10, 0, nothing)
    pixels, ones = x.flatten(1).double(), torch.eye(10, dtype=torch.float64)[y]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.from_numpy(flat).requires_grad_()
        weight, bias = theta[:640].view(10, 64), theta[640:]
        likely = (pixels @ weight.T + bias).log_softmax(1)
        value = -(likely * ones).sum(1).mean() + decay * weight.square().sum() / 10.0
        return float(value.detach()), torch.autograd.grad(value, theta)[0].numpy()

    best = minimize(objective, np.zeros(650), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    assert float(weights(network)[0].square().sum()) == pytest.approx(float((best.x[:640] ** 2).sum()), rel=0.03)


def test_the_code_of_the_autoencoder_is_learned_without_labels_and_then_left_alone(split: Data) -> None:
    x, y = split.parts["all"]
    recipe = dataclasses.replace(ARCHITECTURES[-1], steps=60)
    codes = [trained(recipe, x, labels, 10, 0, nothing) for labels in (y, y.flip(0))]
    assert all(isinstance(network, Autoencoded) for network in codes)
    first, second = (network.encode(x) for network in codes)  # type: ignore[operator]
    assert torch.equal(first, second)
    assert float(first.mean()) < 0.3, "held to a mean activity of 0.05"
    assert not torch.equal(codes[0](x), codes[1](x))


@pytest.mark.parametrize("recipe", [HALVES[0], ARCHITECTURES[-1]], ids=["plain", "autoencoder"])
def test_every_step_is_told(recipe: Recipe, split: Data) -> None:
    told: list[int] = []
    count: Callable[[], None] = lambda: told.append(1)  # noqa: E731
    short = dataclasses.replace(recipe, steps=7)
    trained(short, *split.parts["P1"], 10, 0, count)
    assert len(told) == steps(short)


def test_what_is_trained_learns_and_is_frozen(split: Data) -> None:
    x, y = split.parts["all"]
    network = trained(dataclasses.replace(HALVES[0], steps=300), x, y, 10, 0, nothing)
    assert float((network(x).argmax(1) == y).float().mean()) > 0.95
    assert not any(parameter.requires_grad for parameter in network.parameters())
