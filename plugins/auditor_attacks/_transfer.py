"""What attacks made for transfer share: momentum along gradients that fit one network less and its relatives more.

The pieces are independent of each other. A step looks where momentum is about to carry it (Nesterov), averages the
gradient over what is shown there in place of the sample (scaled copies, random sizes), corrects it by how gradients
nearby differed at the step before (variance tuning), smooths it, and adds it to the momentum.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.norms import per_sample
from auditor.parameters import parameter
from auditor.steps import Ball, signs, unit_l2, unit_mean
from auditor.types import Access, Norm
from auditor_attacks import _losses
from auditor_attacks._shown import Resized, smoothed

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """What a step is made of; by default nothing but the gradient.

    Attributes:
        momentum: share of the earlier direction kept at each step, arXiv:1710.06081.
        nesterov: look where momentum leads rather than where the search is, arXiv:1908.06281.
        scales: copies shown, each half as bright as the one before, arXiv:1908.06281.
        diversity, shrink: probability of showing a smaller image, and its least size, arXiv:1803.06978.
        radius: of the smoothing in pixels, arXiv:1904.02884.
        neighbours, reach: points nearby whose gradients are compared, and how far off in units of eps,
            arXiv:2103.15571.
    """

    momentum: float = 0.0
    nesterov: bool = False
    scales: int = 1
    diversity: float = 0.0
    shrink: float = 0.9
    radius: int = 0
    neighbours: int = 0
    reach: float = 1.5


@dataclass(frozen=True, kw_only=True)
class TransferAttack(Attack):
    """Steps of fixed length, in directions that `Pieces` make of gradients."""

    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})
    access: ClassVar[Access] = Access.GRADIENTS

    steps: int = parameter(10, help="steps in all", low=1, high=100_000)
    step_size: float = parameter(0.0, help="length of a step in units of eps; 0 means 2.5 / steps", low=0.0, high=4.0)
    start: str = parameter("clean", help="where the search begins", choices=("clean", "uniform"))
    loss: str = parameter("ce", help="what the steps raise", choices=("ce", "margin", "dlr"))

    @property
    @abstractmethod
    def pieces(self) -> Pieces:
        """What a step is made of."""

    def passes(self, num_classes: int) -> Passes:
        pieces = self.pieces
        # What the neighbours of the last point would teach comes too late.
        points = self.steps + pieces.neighbours * (self.steps - 1)
        return Passes(forwards=points * pieces.scales + 1, backwards=points * pieces.scales)

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        pieces, ball = self.pieces, Ball(x, threat.norm, threat.eps)
        length = threat.eps * (self.step_size or 2.5 / self.steps)
        point = ball.uniform(rng) if self.start == "uniform" else x
        velocity, variance = torch.zeros_like(x), torch.zeros_like(x)
        for step in range(self.steps):
            ahead = point + pieces.momentum * length * velocity if pieces.nesterov else point
            gradient = self._slope(target, ahead, y, rng)
            direction = gradient + variance
            if pieces.neighbours and step + 1 < self.steps:
                variance = self._nearby(target, point, y, threat, rng) - gradient
            if pieces.radius:
                direction = smoothed(direction, pieces.radius)
            velocity = pieces.momentum * velocity + _unit(direction, threat.norm)
            move = signs(velocity) if threat.norm is Norm.LINF else unit_l2(velocity)
            point = ball.project(move.mul_(length).add_(point))
        return point

    def _slope(self, target: View, point: Images, y: Labels, rng: Rng) -> Tensor:
        """The gradient at `point`, as a mean over what is shown in its place."""
        pieces, loss = self.pieces, _losses.untargeted(self.loss)
        total = torch.zeros_like(point)
        for copy in range(pieces.scales):
            share = 0.5**copy
            if pieces.diversity:
                resized = Resized.draw(point, rng, pieces.diversity, pieces.shrink)
                gradient = resized.back(target.gradient(resized.show(share * point), y, loss).gradient)
            else:
                gradient = target.gradient(share * point, y, loss).gradient
            total += share * gradient
        return total / pieces.scales

    def _nearby(self, target: View, point: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        """The mean gradient over random neighbours of `point`; like its authors' they may lie outside the box."""
        reach, shape = self.pieces.reach * threat.eps, point.shape[1:]
        total = torch.zeros_like(point)
        for _ in range(self.pieces.neighbours):
            if threat.norm is Norm.LINF:
                offset = rng.uniform(*shape, low=-reach, high=reach)
            else:
                radius = reach * rng.uniform() ** (1.0 / point[0].numel())
                offset = unit_l2(rng.normal(*shape)) * per_sample(radius, point)
            total += self._slope(target, point + offset, y, rng)
        return total / self.pieces.neighbours


def _unit(direction: Tensor, norm: Norm) -> Tensor:
    """To a mean entry of 1, in l2 to length 1, so that steps with large gradients do not drown the others."""
    return unit_l2(direction) if norm is Norm.L2 else unit_mean(direction)
