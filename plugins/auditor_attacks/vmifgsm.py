"""Variance tuning: Wang & He, arXiv:2103.15571."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from auditor.parameters import parameter
from auditor_attacks._transfer import Pieces, TransferAttack


@dataclass(frozen=True, kw_only=True)
class VMIFGSM(TransferAttack):
    """Corrects each gradient by how gradients around the last point differed from it, which steadies the momentum.

    With `nesterov` it is the authors' VNI.

    Finds: examples in places where one network's loss is rough and its relatives' is not.
    Blind to: what differs between networks at a larger scale; masked gradients.
    Cost: `steps` times `neighbours + 1` forward and backward passes.
    Use it when: there are many passes and one surrogate.
    """

    name: ClassVar[str] = "vmifgsm"
    paper: ClassVar[str] = "arXiv:2103.15571"

    momentum: float = parameter(1.0, help="share of the earlier direction kept at each step", low=0.0, high=10.0)
    nesterov: bool = parameter(False, help="look where momentum leads, not where the search is")
    neighbours: int = parameter(5, help="points nearby whose gradients are compared", low=0, high=1000)
    reach: float = parameter(1.5, help="how far off they are, in units of eps", low=0.0, high=10.0)

    @property
    def pieces(self) -> Pieces:
        return Pieces(momentum=self.momentum, nesterov=self.nesterov, neighbours=self.neighbours, reach=self.reach)
