"""Common corruptions: Hendrycks & Dietterich, arXiv:1903.12261."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.attack import Attack, Passes
from auditor.corruptions import SEVERITIES
from auditor.corruptions.space import DRAWS, number_of
from auditor.types import Access, Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.engine.view import View
    from auditor.rng import Rng
    from auditor.types import Labels, Threat

_USUAL = 15


@dataclass(frozen=True, kw_only=True)
class Corruptions(Attack):
    """Tries every corruption that the threat names at every severity that it allows, each once.

    Within a budget the severest come first, which most samples that fall at all fall to; where the least severity is
    looked for, the mildest, and what fell to them is left in peace by the others.

    Finds: models that noise, blur, weather, files or a change of light mislead, without an adversary.
    Blind to: worse luck (each corruption is drawn once per sample), and every corruption that is not in the list.
    Cost: corruptions times severities forward passes, and one.
    Use it when: the model is to work outdoors, or on pictures that others took.
    """

    name: ClassVar[str] = "corruptions"
    paper: ClassVar[str] = "arXiv:1903.12261"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.CORRUPTION})
    access: ClassVar[Access] = Access.LABELS
    images_only: ClassVar[bool] = True
    minimal: ClassVar[bool] = True

    def passes(self, num_classes: int) -> Passes:
        return Passes(forwards=_USUAL * len(SEVERITIES) + 1)

    def perturb(self, target: View, x: Tensor, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        seeds = rng.integers(DRAWS).to(x.dtype)
        points = x.clone()
        severities = [severity for severity in SEVERITIES if severity <= threat.eps]
        for severity in severities if threat.minimal else reversed(severities):
            left = (target.nearest_distance > severity).nonzero().squeeze(1)
            rows, view = (left, target.select(left)) if threat.minimal else (slice(None), target)
            for name in threat.corruptions if len(left) else ():
                kind = torch.tensor([number_of(name), severity], dtype=x.dtype, device=x.device)
                points[rows] = torch.cat([kind.expand(len(seeds[rows]), 2), seeds[rows, None]], 1)
                view.labels(points[rows])
        return points
