"""What a training step costs beyond its bare passes: steps, and the same passes alone, in turn; medians of the ratios.

    python -m benchmarks.hardening.overhead [NETWORK [RECIPE …]]

The networks are ONNX files, trained as `auditor harden` trains them. A bare pass asks the network in the same mode and
with as many samples, and takes the same gradients of its answers: of the samples, of the weights, of both, or none. All
else is overhead: losses, steps, projections, random numbers, clipping, the running average, and the optimiser's own
step, without which there is no training: the last column counts it among what is bare.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from auditor.harden.average import Average
from auditor.harden.batches import Batch
from auditor.harden.settings import parse_recipe, parse_training
from auditor.harden.subject import trainee_of
from auditor.harden.trainee import Trainee
from auditor.harden.update import Updater, optimiser_of
from auditor.plugins import load_plugins
from auditor.target.base import ModelOptions
from auditor.target.binding import bind_to
from auditor.target.stems import Stems
from auditor.types import Norm, Threat
from benchmarks.networks import NETWORKS, onnx_file
from benchmarks.networks.data import training_samples

RECIPES = ("pgd", "trades", "mart", "free", "fast", "fgsm-mix", "pool", "pgd+awp")
CASES = {"mnist-plain": RECIPES, "color-plain": ("pgd", "trades", "fast")}
CYCLE = {"pool": 4}
"""Updates of which the first is another than the rest; the mean of all of them is what one costs."""
ROUNDS, BATCH, PROGRESS = 41, 128, 0.5


@dataclass(frozen=True)
class Pass:
    """One question to the network, and which gradients were taken of its answer."""

    x: Tensor
    training: bool
    of_samples: bool
    of_weights: bool


def batch_of(network: str) -> Batch:
    x, y = training_samples(NETWORKS[network].data, torch.Generator().manual_seed(0))
    return Batch(torch.arange(BATCH), x[:BATCH], y[:BATCH], whole=BATCH)


def updater_of(network: str, recipe: str, batch: Batch) -> Updater:
    """What `auditor harden` would train this network with."""
    plugins = load_plugins()
    target = plugins.load_model(str(onnx_file(network)), ModelOptions(), torch.device("cpu"))
    bind_to(target, batch.x)
    chosen, additions = parse_recipe(recipe, plugins.defenses())
    training = parse_training(chosen.training, "average=0.98", None)
    trainee = trainee_of(target)
    trainee.samples, trainee.steps = 4000, 1000
    return Updater(
        trainee=trainee,
        recipe=chosen,
        additions=additions,
        training=training,
        threat=Threat(norm=Norm.LINF, eps=NETWORKS[network].eps),
        seed=0,
        optimiser=optimiser_of(training, trainee.weights.values()),
        average=Average(trainee.module, training.average),
    )


def passes_of(trainee: Trainee, act: Callable[[], object]) -> list[Pass]:
    """How the network was asked meanwhile."""
    found: list[Pass] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,), graph = inputs, torch.is_grad_enabled()
        weights = graph and next(iter(trainee.weights.values())).requires_grad
        found.append(Pass(x.detach().clone(), module.training, graph and x.requires_grad, weights))

    hook = trainee.module.register_forward_pre_hook(look)
    act()
    hook.remove()
    return found


def ask(trainee: Trainee, passes: Sequence[Pass]) -> None:
    weights = list(trainee.weights.values())
    for one in passes:
        for weight in weights:
            weight.requires_grad_(one.of_weights)
        leaves = [one.x.detach().requires_grad_()] if one.of_samples else []
        leaves += weights if one.of_weights else []
        trainee.module.train(one.training)
        # As the trainee asks, or its faster gradients would hide what it adds.
        with torch.set_grad_enabled(bool(leaves)), Stems():
            answer = trainee.module(leaves[0] if one.of_samples else one.x)
        if leaves:
            torch.autograd.grad(answer, leaves, torch.ones_like(answer))
    for weight in weights:
        weight.requires_grad_(True)


def seconds(act: Callable[[], object]) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun


@dataclass(frozen=True)
class Cost:
    """Of an update, in the mean: its passes, its CPU seconds, and the shares by which these exceed those of the passes
    alone, and of the passes and the optimiser's steps."""

    passes: float
    seconds: float
    beyond_passes: float
    beyond_steps: float


def overhead(network: str, recipe: str, rounds: int = ROUNDS) -> Cost:
    """Medians over rounds, each of which asks all in turn, so that other work on the machine meets all alike."""
    batch = batch_of(network)
    updater = updater_of(network, recipe, batch)

    cycle = CYCLE.get(recipe, 1)

    def update() -> None:
        for _ in range(cycle):
            updater.update(batch, PROGRESS)

    def step() -> None:
        for group in updater.optimiser.param_groups:
            group["lr"] = 0.0
        for _ in range(cycle * updater.recipe.updates):
            updater.optimiser.step()

    update()
    bare = partial(ask, updater.trainee, passes := passes_of(updater.trainee, update))
    bare()
    times = [(seconds(update), seconds(step), seconds(bare)) for _ in range(rounds)]
    return Cost(
        passes=len(passes) / cycle,
        seconds=statistics.median(whole for whole, _, _ in times) / cycle,
        beyond_passes=statistics.median(whole / alone for whole, _, alone in times) - 1.0,
        beyond_steps=statistics.median(whole / (steps + alone) for whole, steps, alone in times) - 1.0,
    )


def main(names: list[str]) -> None:
    print("| network | recipe | passes to a step | step, CPU ms | beyond its passes | and the optimiser's step |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for network in names[:1] or CASES:
        for recipe in names[1:] or CASES[network]:
            cost = overhead(network, recipe)
            shares = f"{cost.beyond_passes:.1%} | {cost.beyond_steps:.1%}"
            print(
                f"| `{network}` | `{recipe}` | {cost.passes:g} | {1000.0 * cost.seconds:.0f} | {shares} |", flush=True
            )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
