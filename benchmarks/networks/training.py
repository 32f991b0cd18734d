"""Training, plainly or against projected gradient descent in the linf ball; one seed decides everything random."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.networks.data import TRAINING, training_samples
from benchmarks.networks.table import Network, Recipe

BATCH = 128
BETA = 6.0
Loss = Callable[[Tensor], Tensor]


def train(network: Network, seed: int = 0) -> nn.Module:
    """The network's module, trained by its recipe with Adam on one cycle of the learning rate; eval mode, frozen."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    recipe, model = network.recipe, network.build()
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.rate)
    total = recipe.epochs * -(-TRAINING // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=total)
    objective = {"plain": _plain, "pgd": _pgd, "trades": _trades}[recipe.loss]
    for epoch in range(recipe.epochs):
        eps = recipe.eps * min(1.0, 2.0 * (epoch + 1) / recipe.epochs)
        x, y = training_samples(network.data, generator)
        for rows in torch.randperm(len(x)).split(BATCH):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            objective(model, x[rows], y[rows], eps, recipe).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return model.eval().requires_grad_(False)


def _plain(model: nn.Module, x: Tensor, y: Tensor, eps: float, recipe: Recipe) -> Tensor:
    return functional.cross_entropy(model.train()(x), y)


def _pgd(model: nn.Module, x: Tensor, y: Tensor, eps: float, recipe: Recipe) -> Tensor:
    model.eval()
    start = x + eps * (2.0 * torch.rand_like(x) - 1.0)
    found = _climb(lambda point: functional.cross_entropy(model(point), y), start, x, eps, recipe)
    return functional.cross_entropy(model.train()(found), y)


def _trades(model: nn.Module, x: Tensor, y: Tensor, eps: float, recipe: Recipe) -> Tensor:
    with torch.no_grad():
        clean = model.eval()(x).softmax(1)

    def divergence(point: Tensor) -> Tensor:
        return functional.kl_div(model(point).log_softmax(1), clean, reduction="batchmean")

    found = _climb(divergence, x + 1e-3 * torch.randn_like(x), x, eps, recipe)
    logits, attacked = model.train()(torch.cat([x, found])).chunk(2)
    gap = functional.kl_div(attacked.log_softmax(1), logits.softmax(1), reduction="batchmean")
    return functional.cross_entropy(logits, y) + BETA * gap


def _climb(loss: Loss, start: Tensor, x: Tensor, eps: float, recipe: Recipe) -> Tensor:
    low, high = (x - eps).clamp(min=0.0), (x + eps).clamp(max=1.0)
    point = start.clamp(low, high)
    for _ in range(recipe.steps):
        point.requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(point), point)
        point = (point.detach() + recipe.stride * eps / recipe.steps * gradient.sign()).clamp(low, high)
    return point
