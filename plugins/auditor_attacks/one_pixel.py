"""One-pixel attack: Su, Vargas & Sakurai, arXiv:1710.08864."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Passes
from auditor.lanes import LaneAttack, Lanes
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor_attacks._squares import Canvas

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import Gradient, View
    from auditor.types import Images, Threat


@dataclass(kw_only=True)
class Evolution(Lanes):
    """The state of an evolution.

    Attributes:
        genes: `(L, population, pixels, 2 + channels)` row, column and colour of every pixel, in `[0, 1]`.
        fitness: `(L, population)` their margins, minus infinity until they were asked about.
        child: `(L, pixels, 2 + channels)` what is asked about now, to take the place of member `step % population`.
    """

    genes: Tensor
    fitness: Tensor
    child: Tensor


@dataclass(frozen=True, kw_only=True)
class OnePixel(LaneAttack):
    """Repaints one pixel of every sample, or a few, and lets where and how evolve (differential evolution).

    Each sample has a population of its own. A child, one member plus half the difference of two others, takes the place
    of its parent where it is fitter, at once and not when its generation is complete.

    Finds: models that a single pixel fools, and colours between black and white that do it.
    Blind to: what more pixels would do; given a budget of many, `sparse-rs` finds more in fewer queries.
    Cost: `queries` forward passes.
    Use it when: the question is how much a single pixel can do, or a result is to be compared with that paper.
    """

    name: ClassVar[str] = "one-pixel"
    paper: ClassVar[str] = "arXiv:1710.08864"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L0})
    access: ClassVar[Access] = Access.SCORES
    minimal: ClassVar[bool] = True

    pixels: int = parameter(1, help="pixels repainted, with all of their channels", low=1, high=1000)
    queries: int = parameter(5000, help="questions asked per sample", low=1, high=10_000_000)
    population: int = parameter(100, help="candidates per sample", low=4, high=100_000)
    weight: float = parameter(0.5, help="share of the difference of two members that is added", low=0.0, high=2.0)

    @property
    def label(self) -> str:
        return "one-pixel" if self.pixels == 1 else f"one-pixel-{self.pixels}"

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries)

    def asks(self, num_classes: int) -> tuple[int, int]:
        return 1, self.queries - 1

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Evolution | None) -> Evolution:
        rng, shape = begun.rng.fork("population"), (self.population, self.pixels)
        places = rng.uniform(*shape, 2)
        colours = rng.normal(*shape, Canvas.of(begun.x).channels).mul_(0.5).add_(0.5).clamp_(0.0, 1.0)
        genes = torch.cat([places, colours], 3)
        child = genes[:, 0].clone()
        begun.point = _painted(begun.x, child, threat)
        fitness = torch.full(genes.shape[:2], -torch.inf, device=genes.device)
        return Evolution.of(begun, genes=genes, fitness=fitness, child=child)

    def advance(self, lanes: Evolution, answer: Gradient, threat: Threat) -> None:
        margin = answer.margin
        member = lanes.step % self.population
        lane = torch.arange(len(member), device=member.device)
        parent, fitness = lanes.genes[lane, member], lanes.fitness[lane, member]
        fitter = margin > fitness
        lanes.genes[lane, member] = torch.where(fitter[:, None, None], lanes.child, parent)
        lanes.fitness[lane, member] = torch.where(fitter, margin, fitness)
        lanes.child = self._next(lanes)
        lanes.point = _painted(lanes.x, lanes.child, threat)

    def _next(self, lanes: Evolution) -> Tensor:
        """The next of the first members while there is one, then a child of three."""
        rng, step = lanes.rng.at(lanes.step), lanes.step + 1
        first, second = rng.integers(self.population), rng.integers(self.population)
        # Any member but the second: their difference would be nothing.
        third = (second + 1 + rng.integers(self.population - 1)) % self.population
        chosen = torch.stack([step % self.population, first, second, third], 1)
        own, base, plus, minus = lanes.genes[torch.arange(len(step), device=step.device)[:, None], chosen].unbind(1)
        child = base + self.weight * (plus - minus)
        # What leaves the picture on one side comes back on the other; colours stop at black and white.
        child = torch.cat([child[..., :2].remainder(1.0), child[..., 2:].clamp(0.0, 1.0)], 2)
        return torch.where((step < self.population)[:, None, None], own, child)


def _painted(x: Images, genes: Tensor, threat: Threat) -> Images:
    """The samples with the pixels that their genes name, `(N, pixels, 2 + channels)`, as far as the budget allows."""
    canvas = Canvas.of(x)
    image = x.clone()
    row = (genes[:, :, 0] * canvas.height).long().clamp_max_(canvas.height - 1)
    column = (genes[:, :, 1] * canvas.width).long().clamp_max_(canvas.width - 1)
    place = row * canvas.width + column
    pixels = place.shape[1]
    # One after the other, so that where two pixels meet it is known which one is seen.
    for i in range(pixels):
        at = place[:, i, None, None].expand(-1, canvas.channels, -1)
        canvas.flat(image).scatter_(2, at, genes[:, i, 2:, None])
    return threat.project(image, x) if threat.eps < pixels * canvas.channels else image
