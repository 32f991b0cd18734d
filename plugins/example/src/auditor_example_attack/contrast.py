"""Changes of brightness and contrast, found by walking straight lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor import Access, Attack, Norm, Passes, parameter

if TYPE_CHECKING:
    from torch import Tensor

    from auditor import Rng, Threat, View


@dataclass(frozen=True, kw_only=True)
class Contrast(Attack):
    """Makes every sample darker, brighter, flatter or harsher, step by step, as far as the budget reaches.

    Finds: models that a change of exposure is enough to fool.
    Blind to: everything else; it tries four straight lines.
    Cost: 4 * `steps` + 1 forward passes.
    """

    name: ClassVar[str] = "contrast"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    access: ClassVar[Access] = Access.LABELS

    steps: int = parameter(5, help="points tried on each line", low=1, high=1000)

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=4 * self.steps + 1)

    def perturb(self, target: View, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        per_sample = (-1, *[1] * (x.dim() - 1))
        mean = x.flatten(1).mean(1).view(per_sample).expand_as(x)
        candidate = x
        for end in (torch.zeros_like(x), torch.ones_like(x), mean, (2 * x - mean).clamp(0, 1)):
            # The share of the way to `end` that the budget allows, per sample.
            share = (threat.eps / threat.distance(end, x).clamp_min(1e-12)).clamp_max(1).to(x).view(per_sample)
            for step in range(1, self.steps + 1):
                candidate = threat.project(x + step / self.steps * share * (end - x), x)
                # Asking is enough: the engine remembers every candidate that fools the model.
                target.labels(candidate)
        return candidate
