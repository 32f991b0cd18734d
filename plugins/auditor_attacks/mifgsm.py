"""Momentum iterative fast gradient method: Dong et al., arXiv:1710.06081."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from auditor.parameters import parameter
from auditor_attacks._transfer import Pieces, TransferAttack


@dataclass(frozen=True, kw_only=True)
class MIFGSM(TransferAttack):
    """Climbs along the sum of all gradients so far, which shakes off the wiggles of one network.

    Finds: examples for other networks than the one it climbs; it fools that one as PGD does.
    Blind to: what other architectures look at elsewhere (`difgsm`, `tifgsm`); masked gradients.
    Cost: `steps` forward and backward passes.
    Use it when: a surrogate is all there is, and passes are few.
    """

    name: ClassVar[str] = "mifgsm"
    paper: ClassVar[str] = "arXiv:1710.06081"

    momentum: float = parameter(1.0, help="share of the earlier direction kept at each step", low=0.0, high=10.0)

    @property
    def pieces(self) -> Pieces:
        return Pieces(momentum=self.momentum)
