"""What a model that answers at random says: not one answer, but the class that most of several draws name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from auditor.types import Images, Logits

DRAWS = 20
"""Answers over which a model is judged that answers at random, and attacks average if nobody says otherwise (as many
as AutoAttack's `rand` version, arXiv:2003.01690)."""


def by_majority(answer: Callable[[Images], Logits], x: Images, draws: int) -> Logits:
    """The mean of fresh answers to `x`, `(N, K)`, in which the class that most of them name is made the largest; of
    classes named equally often the one with the larger mean."""
    total = answer(x)
    votes = torch.zeros_like(total)
    _count(votes, total)
    for _ in range(draws - 1):
        one = answer(x)
        _count(votes, one)
        total = total + one
    mean = total / draws
    first = mean.masked_fill(votes < votes.amax(1, keepdim=True), -torch.inf).argmax(1, keepdim=True)
    largest = mean.amax(1, keepdim=True)
    ahead = torch.nextafter(largest, torch.full_like(largest, torch.inf))
    outvoted = mean.gather(1, first) < largest
    return torch.where(outvoted, mean.scatter(1, first, ahead), mean)


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
                torch.manual_seed(seed)
                answers.append(network(one))
        return torch.cat(answers)

    return answer


def _count(votes: torch.Tensor, answer: Logits) -> None:
    votes.scatter_add_(1, answer.argmax(1, keepdim=True), torch.ones_like(votes[:, :1]))
