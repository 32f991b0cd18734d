"""Scale-invariant Nesterov fast gradient method: Lin et al., arXiv:1908.06281."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from auditor.parameters import parameter
from auditor_attacks._transfer import Pieces, TransferAttack


@dataclass(frozen=True, kw_only=True)
class SIFGSM(TransferAttack):
    """Averages the gradient over darker and darker copies of the sample, an ensemble made of one network.

    Finds: examples that rely on shapes rather than on brightness.
    Blind to: networks for which a darker image is another image, as where pixels are few or black means nothing.
    Cost: `steps` times `scales` forward and backward passes.
    Use it when: there are passes for several gradients a step.
    """

    name: ClassVar[str] = "sifgsm"
    paper: ClassVar[str] = "arXiv:1908.06281"

    momentum: float = parameter(1.0, help="share of the earlier direction kept at each step", low=0.0, high=10.0)
    nesterov: bool = parameter(True, help="look where momentum leads, not where the search is")
    scales: int = parameter(5, help="copies shown, each half as bright as the one before", low=1, high=16)

    @property
    def pieces(self) -> Pieces:
        return Pieces(momentum=self.momentum, nesterov=self.nesterov, scales=self.scales)
