"""Boundary attack: Brendel, Rauber & Bethge, arXiv:1712.04248."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from auditor.parameters import parameter
from auditor.types import Norm
from auditor_attacks._border import Border, BorderAttack, Search, beside
from auditor_attacks._grain import noise

if TYPE_CHECKING:
    from auditor.rng import Rng


@dataclass(frozen=True, kw_only=True)
class Boundary(BorderAttack):
    """Walks along the border at random: a step to the side, a shorter one towards the sample, kept if still wrong.

    Both lengths follow the share of steps that succeed, each sample's for itself.

    Finds: the same as `hopskipjump`, with more questions; needs no smooth border.
    Blind to: whatever lies behind another piece of the border than where it started.
    Cost: `queries` forward passes.
    Use it when: the border is too rough for slopes and questions are cheap.
    """

    name: ClassVar[str] = "boundary"
    paper: ClassVar[str] = "arXiv:1712.04248"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.L2})

    queries: int = parameter(10_000, help="questions asked per sample", low=1, high=10_000_000)
    sideways: float = parameter(0.1, help="first step to the side, as a share of the distance", low=1e-6, high=1.0)
    inwards: float = parameter(0.03, help="first step inwards, as a share of the distance", low=1e-6, high=0.5)
    grain: int = parameter(
        4, help="largest tile of one value in random changes, in pixels; 1 is the paper's", low=1, high=1024
    )

    def along(self, border: Border, rng: Rng) -> Search:
        border.adopt(border.found, border.edge)
        x = border.x
        wide = torch.full_like(border.high, self.sideways)
        deep = torch.full_like(border.high, self.inwards)
        for turn, (fine, coarse) in enumerate(noise(rng, x, self.grain)):
            # Every fifth step goes to the side only, which tells how wide such steps may be.
            probing = turn % 5 == 0
            # Back onto the sphere, and inwards.
            scale = (1.0 + wide.square()).rsqrt() * (1.0 if probing else 1.0 - deep)
            point = beside(x, border.far, fine.add(coarse), scale * wide * border.high, scale).clamp_(0.0, 1.0)
            wrong = yield point
            if probing:
                wide = (wide * torch.where(wrong, 1.1, 1.0 / 1.1)).clamp_(1e-6, 1.0)
                continue
            deep = (deep * torch.where(wrong, 1.1, 1.1 ** (-1.0 / 3.0))).clamp_(1e-6, 0.5)
            border.adopt(wrong, point)
