"""What a model that answers at random says: not one answer, but the class that most of several draws name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from auditor.rng import seed_torch
from auditor.types import DRAWS

if TYPE_CHECKING:
    from auditor.types import Images, Labels, Logits


def by_majority(
    answer: Callable[[Images], Logits], x: Images, draws: int, y: Labels | None = None, level: float = 1.0
) -> Logits:
    """The mean of fresh answers to `x`, `(N, K)`, in which the class that most of them name is made the largest; of
    classes named equally often the one with the larger mean.

    Args:
        y: classes `(N,)` that have the benefit of the doubt: another counts only where, of the draws that name one of
            the two, so many name it that chance alone would do so with a probability of at most `level`.
    """
    total = answer(x)
    votes = torch.zeros_like(total)
    _count(votes, total)
    for _ in range(draws - 1):
        one = answer(x)
        _count(votes, one)
        total = total + one
    mean = total / draws
    first = mean.masked_fill(votes < votes.amax(1, keepdim=True), -torch.inf).argmax(1, keepdim=True)
    if y is not None and level < 1.0:
        led, own = votes.gather(1, first), votes.gather(1, y[:, None]).masked_fill(first == y[:, None], 0.0)
        certain = led >= torch.tensor(needed(draws, level), device=x.device)[(led + own).long()]
        first = torch.where(certain, first, y[:, None])
    largest = mean.amax(1, keepdim=True)
    ahead = torch.nextafter(largest, torch.full_like(largest, torch.inf))
    outvoted = mean.gather(1, first) < largest
    return torch.where(outvoted, mean.scatter(1, first, ahead), mean)


def same_draws(network: Callable[[torch.Tensor], torch.Tensor], draws: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The mean of the network's answers over draws that are the same for every input, so that what differs between two
    inputs is their doing and not that of chance."""
    if draws == 1:
        return network
    return lambda x: torch.stack([fixed(network, seed)(x) for seed in range(draws)]).mean(0)


@lru_cache(maxsize=16)
def needed(draws: int, level: float) -> tuple[int, ...]:
    """How many of `m` votes, for each `m` from 0 to `draws`, chance alone gives one of two classes that are equally
    likely with a probability of at most `level` (two-sided, as PREDICT of arXiv:1902.02918); more than `m` for none."""
    least = []
    for m in range(draws + 1):
        k, tail = m + 1, 0.0
        while k > 0 and 2.0 * (tail := tail + math.exp(_log_chance(k - 1, m))) <= level:
            k -= 1
        least.append(k)
    return tuple(least)


def _log_chance(k: int, m: int) -> float:
    return math.lgamma(m + 1) - math.lgamma(k + 1) - math.lgamma(m - k + 1) - m * math.log(2.0)


def averaged(asked: int | None, draws: int) -> int:
    """Over how many answers attacks average: as many as were `asked` for, else those of any random model, of `draws`
    that one is judged over."""
    return asked or min(draws, DRAWS)


def fixed(network: Callable[[torch.Tensor], torch.Tensor], seed: int = 0) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network, but it draws the same for every sample and every time, where it draws with PyTorch's generator."""

    def answer(x: torch.Tensor) -> torch.Tensor:
        devices = [x.device] if x.device.type == "cuda" else []
        answers = []
        # One by one: how a draw falls out may depend on how many are drawn.
        for one in torch.split(x, 1):
            with torch.random.fork_rng(devices=devices):
                seed_torch(seed)
                answers.append(network(one))
        return torch.cat(answers)

    return answer


def _count(votes: torch.Tensor, answer: Logits) -> None:
    votes.scatter_add_(1, answer.argmax(1, keepdim=True), torch.ones_like(votes[:, :1]))
