"""GenAttack: Alzantot, Sharma, Chakraborty, Zhang, Hsieh & Srivastava, arXiv:1805.11090."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional

from auditor.attack import Passes
from auditor.lanes import LaneAttack, Lanes
from auditor.norms import per_sample
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
        members: `(L, population, channels, rows, columns)` noise in units of eps, in `[-1, 1]`.
        fitness: `(L, population)` their margins, minus infinity until they were asked about.
        child: `(L, channels, rows, columns)` what is asked about now.
    """

    members: Tensor
    fitness: Tensor
    child: Tensor


@dataclass(frozen=True, kw_only=True)
class GenAttack(LaneAttack):
    """Breeds noise: two parents, chosen by their margins, mix their entries, and the child mutates.

    Each sample has a population of its own. A child takes the place of the worst member at once, so that the best
    always stay; the paper replaces whole generations but for the best.

    Finds: weak models without gradients, masked ones above all.
    Blind to: directions that many entries make up; `square` finds more in fewer queries.
    Cost: `queries` forward passes.
    Use it when: a result is to be compared with the genetic attacks in the literature.
    """

    name: ClassVar[str] = "genattack"
    paper: ClassVar[str] = "arXiv:1805.11090"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF})
    access: ClassVar[Access] = Access.SCORES

    queries: int = parameter(5000, help="questions asked per sample", low=1, high=10_000_000)
    population: int = parameter(6, help="candidates per sample", low=2, high=1000)
    mutation: float = parameter(0.05, help="share of the entries of a child that mutate", low=0.0, high=1.0)
    grid: int = parameter(0, help="rows and columns of the noise, enlarged to the image; 0: as many", low=0, high=4096)
    temperature: float = parameter(0.3, help="margin that makes a parent e times as likely", low=1e-3, high=1000.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.queries)

    def asks(self, num_classes: int) -> tuple[int, int]:
        return 1, self.queries - 1

    def begin(self, target: View, begun: Lanes, threat: Threat, earlier: Evolution | None) -> Evolution:
        canvas = Canvas.of(begun.x)
        height, width = (min(self.grid or size, size) for size in (canvas.height, canvas.width))
        shape = self.population, canvas.channels, height, width
        members = begun.rng.fork("population").uniform(*shape, low=-1.0, high=1.0)
        child = members[:, 0].clone()
        begun.point = _disturbed(begun.x, child, threat.eps)
        fitness = torch.full(members.shape[:2], -torch.inf, device=members.device)
        return Evolution.of(begun, members=members, fitness=fitness, child=child)

    def advance(self, lanes: Evolution, answer: Gradient, threat: Threat) -> None:
        step, lane = lanes.step + 1, torch.arange(len(lanes.step), device=lanes.step.device)
        # The first members are asked about in turn.
        place = torch.where(step <= self.population, lanes.step, lanes.fitness.argmin(1))
        lanes.members[lane, place] = lanes.child
        lanes.fitness[lane, place] = answer.margin
        unborn = per_sample(step < self.population, lanes.child)
        lanes.child = torch.where(unborn, lanes.members[lane, step.clamp_max(self.population - 1)], self._bred(lanes))
        lanes.point = _disturbed(lanes.x, lanes.child, threat.eps)

    def _bred(self, lanes: Evolution) -> Tensor:
        """A child of two members of every lane."""
        rng, lane = lanes.rng.at(lanes.step), torch.arange(len(lanes.step), device=lanes.step.device)
        chances = torch.softmax(lanes.fitness / self.temperature, 1)
        parents = torch.searchsorted(chances.cumsum(1), rng.uniform(2)).clamp_max_(self.population - 1)
        mother, father = lanes.members[lane[:, None], parents].unbind(1)
        chance = chances.gather(1, parents)
        share = chance[:, 0] / chance.sum(1)
        mixing, mutating, noise = rng.uniform(3, *mother.shape[1:]).unbind(1)
        child = torch.where(mixing < per_sample(share, mixing), mother, father)
        return (child + (mutating < self.mutation) * (2.0 * noise - 1.0)).clamp_(-1.0, 1.0)


def _disturbed(x: Images, noise: Tensor, eps: float) -> Images:
    """The samples with this noise, enlarged to their size."""
    canvas = Canvas.of(x)
    if noise.shape[2:] != (canvas.height, canvas.width):
        noise = functional.interpolate(noise, (canvas.height, canvas.width), mode="bilinear", align_corners=False)
    return (x + eps * noise.view_as(x)).clamp_(0.0, 1.0)
