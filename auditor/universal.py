"""Attacks that learn one pattern from many samples and try it on each of them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditor.attack import Attack
from auditor.parameters import parameter

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class UniversalAttack(Attack):
    """Learns a pattern once, on samples spread over those that stand, and applies it to every one.

    The engine runs `learn` before the first batch, keeps the pattern beside the run, and sets `pattern`, a tensor.
    While it is learned no sample falls: what fools one is to fool the others as well.
    """

    pattern: Any = field(default=None, repr=False, compare=False)

    learn_from: int = parameter(256, help="samples that the pattern is learned from", low=1, high=1_000_000)
    places: int = parameter(1, help="applications that are tried on each sample", low=1, high=100_000)

    @abstractmethod
    def learn(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        """The pattern, of any shape, from samples `(N, …)`; `target` answers for all of them or, by `select`, some."""

    @abstractmethod
    def apply(self, pattern: Tensor, x: Images, threat: Threat, rng: Rng) -> Tensor:
        """The pattern on each of the samples, `(N, …)`; where it may be put in many ways, in one drawn from `rng`."""

    def perturb(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        pattern = self.learn(target.unending(), x, y, threat, rng) if self.pattern is None else self.pattern
        points = x
        for _ in range(self.places):
            points = threat.project(self.apply(pattern.to(x), x, threat, rng), x)
            target.labels(points)
        return points
