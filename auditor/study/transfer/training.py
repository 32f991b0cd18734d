"""Training a small network on the CPU, deterministically."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.study.transfer.networks import Autoencoded, Recipe, made, order

BATCH = 100
_RATE = 3e-3
_ACTIVE, _SPARSITY = 0.05, 1e-3
"""Mean activity that a unit of the code is held to (Kullback-Leibler), and the weight of that."""


def trained(recipe: Recipe, x: Tensor, y: Tensor, classes: int, seed: int, on_step: Callable[[], None]) -> nn.Module:
    """The network of a recipe, trained on samples `(N, …)` with labels `(N,)`; frozen, in eval mode."""
    network, draw = made(recipe, tuple(x.shape[1:]), classes, seed), order(recipe, seed)
    if isinstance(network, Autoencoded):
        code = [*network.encoder.parameters(), *network.decoder.parameters()]
        _descend(code, lambda rows: _reconstruction(network, x[rows]), len(x), recipe.steps, draw, on_step)
        learned: list[nn.Linear | nn.Conv2d] = [network.classifier]
    else:
        learned = [part for part in network.modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    weights = [(part.weight, decay / len(part.weight)) for part, decay in zip(learned, recipe.decay, strict=False)]

    def loss(rows: Tensor) -> Tensor:
        penalty = sum((share * weight.square().sum() for weight, share in weights), torch.zeros(()))
        return functional.cross_entropy(network(x[rows]), y[rows]) + penalty

    parameters = [parameter for part in learned for parameter in part.parameters()]
    _descend(parameters, loss, len(x), recipe.steps, draw, on_step)
    return network.eval().requires_grad_(False)


def steps(recipe: Recipe) -> int:
    """How many steps training takes."""
    return recipe.steps * (2 if recipe.build is Autoencoded else 1)


def _descend(
    parameters: list[nn.Parameter],
    loss: Callable[[Tensor], Tensor],
    count: int,
    turns: int,
    draw: torch.Generator,
    on_step: Callable[[], None],
) -> None:
    """Adam (Kingma & Ba, arXiv:1412.6980), with a rate that falls to 0 along a cosine."""
    descent = torch.optim.Adam(parameters, lr=_RATE)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(descent, turns)
    waiting = torch.empty(0, dtype=torch.int64)
    for _ in range(turns):
        if len(waiting) < min(BATCH, count):
            waiting = torch.randperm(count, generator=draw)
        rows, waiting = waiting[:BATCH], waiting[BATCH:]
        descent.zero_grad(set_to_none=True)
        loss(rows).backward()  # type: ignore[no-untyped-call]
        descent.step()
        fall.step()
        on_step()


def _reconstruction(network: Autoencoded, x: Tensor) -> Tensor:
    code = network.encode(x)
    lost = functional.binary_cross_entropy_with_logits(network.decoder(code), x.flatten(1))
    active = code.mean(0).clamp(1e-4, 1.0 - 1e-4)
    apart = _ACTIVE * (_ACTIVE / active).log() + (1.0 - _ACTIVE) * ((1.0 - _ACTIVE) / (1.0 - active)).log()
    return lost + _SPARSITY * apart.sum()
