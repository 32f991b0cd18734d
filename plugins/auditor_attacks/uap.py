"""One change for all samples: Moosavi-Dezfooli et al., arXiv:1610.08401, learned as by Shafahi et al., 1811.11304."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Passes
from auditor.norms import distance
from auditor.parameters import parameter
from auditor.types import Access, Norm
from auditor.universal import UniversalAttack
from auditor_attacks import _losses

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class UAP(UniversalAttack):
    """Learns a single change, within the budget, that is added to every sample.

    Finds: directions that all samples share; one sticker on a lens, one sound under all recordings.
    Blind to: whatever differs from sample to sample, which is most; robust accuracy under it flatters.
    Cost: one forward pass a sample; learning takes `steps` forward and backward passes of `batch` samples.
    Use it when: an attacker cannot compute a change for each input.
    """

    name: ClassVar[str] = "uap"
    paper: ClassVar[str] = "arXiv:1610.08401"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})
    access: ClassVar[Access] = Access.GRADIENTS

    steps: int = parameter(200, help="steps of learning", low=1, high=1_000_000)
    batch: int = parameter(32, help="samples in a step", low=1, high=100_000)
    step_size: float = parameter(0.1, help="length of the first step in units of eps", low=0.0, high=2.0)
    reach: float = parameter(1.0, help="margin in logits beyond which a fooled sample teaches no more", low=0.0)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=self.places + 1)

    def learn(self, target: View, x: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        change, velocity = torch.zeros_like(x[:1]), torch.zeros_like(x[:1])
        for step in range(self.steps):
            rows = torch.arange(step * self.batch, (step + 1) * self.batch, device=x.device) % len(x)
            rows = rows[: len(x)]
            points = threat.project(x[rows] + change, x[rows])
            answer = target.select(rows).gradient(points, y[rows], self._loss)
            mean = answer.gradient.mean(0, keepdim=True)
            velocity = 0.9 * velocity + mean / mean.abs().mean().clamp_min(1e-30)
            length = threat.eps * self.step_size * (1.0 - step / self.steps)
            change = _within(change + length * _ascent(velocity, threat.norm), threat)
        return change[0]

    def apply(self, pattern: Tensor, x: Images, threat: Threat, rng: Rng) -> Images:
        return x + pattern

    def _loss(self, logits: Tensor, y: Tensor) -> Tensor:
        return _losses.untargeted("margin")(logits, y).clamp_max(self.reach)


def _ascent(direction: Tensor, norm: Norm) -> Tensor:
    return direction.sign() if norm is Norm.LINF else direction / direction.norm().clamp_min(1e-30)


def _within(change: Tensor, threat: Threat) -> Tensor:
    """The change in the ball; the box differs from sample to sample."""
    if threat.norm is Norm.LINF:
        return change.clamp(-threat.eps, threat.eps)
    size = distance(change, torch.zeros_like(change), threat.norm).to(change.dtype)
    return change * (threat.eps / size.clamp_min(1e-12)).clamp_max(1.0)
