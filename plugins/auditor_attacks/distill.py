"""A substitute from the target's labels: Papernot et al., arXiv:1602.02697, as refined in arXiv:1605.07277."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn import functional

from auditor.extraction import Extraction, Oracle
from auditor.parameters import parameter

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.types import Images

_BATCH = 64
_SMALLEST = 7
_WIDTH, _WIDEST, _DENSE = 16, 64, 128


@dataclass(frozen=True, kw_only=True)
class Distill(Extraction):
    """Trains a substitute on what the target answers, and asks next where the substitute is steepest.

    Each round trains the substitute on all that was asked so far and moves samples by `step` along the sign of its
    gradient for the label that the target gave them (Jacobian-based augmentation); the target labels what comes of it.
    All samples are moved while there are questions enough for `rounds` rounds; from then on a random part of them of
    equal size in each round (reservoir sampling). Every `period` rounds the step changes its sign.

    Finds: what a stranger can do who may ask for labels and has a handful of samples.
    Blind to: borders that the substitute does not come to see; more questions show more of them.
    Cost: `queries` forward passes through the target once a model, and the training of a small network.
    """

    name: ClassVar[str] = "distill"
    paper: ClassVar[str] = "arXiv:1602.02697"

    epochs: int = parameter(10, help="of training in each round", low=1, high=10_000)
    rounds: int = parameter(6, help="of augmentation, as far as the questions suffice", low=1, high=1000)
    step: float = parameter(0.1, help="by which samples are moved, in units of [0, 1]", low=0.0, high=1.0)
    period: int = parameter(3, help="rounds after which the step changes its sign", low=1, high=1000)

    def network(self, shape: tuple[int, ...], num_classes: int) -> nn.Module:
        """Strided convolutions down to seven pixels and two dense layers; for tables three dense layers."""
        layers: list[nn.Module] = [_Centred()]
        features, sides = shape[0], shape[1:]
        if len(shape) == 3:
            width = _WIDTH
            while min(sides) > _SMALLEST:
                layers += [nn.Conv2d(features, width, 4, stride=2, padding=1), nn.ReLU()]
                features, width, sides = width, min(2 * width, _WIDEST), tuple(side // 2 for side in sides)
        else:
            layers += [nn.Flatten(), nn.LazyLinear(_DENSE), nn.ReLU()]
        layers += [nn.Flatten(), nn.LazyLinear(_DENSE), nn.ReLU(), nn.Linear(_DENSE, num_classes)]
        made = nn.Sequential(*layers)
        made(torch.zeros(1, *shape))
        return made

    def train(self, network: nn.Module, oracle: Oracle, x: Images) -> None:
        x = x[: oracle.left]
        y = oracle.ask(x)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
        turn = 0
        while True:
            self._fit(network, optimiser, oracle, x, y)
            count = min(len(x), -(-oracle.left // max(1, self.rounds - turn)))
            if not count:
                return
            chosen = torch.randperm(len(x))[:count].to(x.device) if count < len(x) else slice(None)
            size = self.step if (turn // self.period) % 2 == 0 else -self.step
            moved = (x[chosen] + size * _slopes(network, x[chosen], y[chosen].argmax(1)).sign()).clamp(0.0, 1.0)
            x, y = torch.cat([x, moved]), torch.cat([y, oracle.ask(moved)])
            turn += 1

    def _fit(self, network: nn.Module, optimiser: torch.optim.Optimizer, oracle: Oracle, x: Images, y: Tensor) -> None:
        for _ in range(self.epochs):
            oracle.check_time()
            for rows in torch.split(torch.randperm(len(x)).to(x.device), _BATCH):
                optimiser.zero_grad()
                functional.cross_entropy(network(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()


class _Centred(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * x - 1.0


def _slopes(network: nn.Module, x: Images, labels: Tensor) -> Tensor:
    """How the substitute's belief in these labels changes with each entry of `x`."""
    slopes = []
    for part, label in zip(torch.split(x, 8 * _BATCH), torch.split(labels, 8 * _BATCH), strict=True):
        leaf = part.clone().requires_grad_(True)
        belief = network(leaf).log_softmax(1).gather(1, label[:, None]).sum()
        slopes.append(torch.autograd.grad(belief, leaf)[0])
    return torch.cat(slopes)
