"""Nesterov iterative fast gradient method: Lin et al., arXiv:1908.06281."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from auditor.parameters import parameter
from auditor_attacks._transfer import Pieces, TransferAttack


@dataclass(frozen=True, kw_only=True)
class NIFGSM(TransferAttack):
    """Momentum that takes its gradients where it is about to be, so that it turns in time.

    Finds: what `mifgsm` finds, in fewer steps where the loss is curved.
    Blind to: what `mifgsm` is blind to; with many steps there is no difference.
    Cost: `steps` forward and backward passes.
    Use it when: steps are few and long; otherwise as a part of `transfer`.
    """

    name: ClassVar[str] = "nifgsm"
    paper: ClassVar[str] = "arXiv:1908.06281"

    momentum: float = parameter(1.0, help="share of the earlier direction kept at each step", low=0.0, high=10.0)

    @property
    def pieces(self) -> Pieces:
        return Pieces(momentum=self.momentum, nesterov=True)
