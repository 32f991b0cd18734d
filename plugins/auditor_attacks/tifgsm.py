"""Translation-invariant fast gradient method: Dong et al., arXiv:1904.02884."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from auditor.parameters import parameter
from auditor_attacks._transfer import Pieces, TransferAttack


@dataclass(frozen=True, kw_only=True)
class TIFGSM(TransferAttack):
    """Smooths the gradient, which is as good as averaging it over shifted images, for the price of one.

    Finds: examples for defended networks, whose attention lies elsewhere than that of undefended ones.
    Blind to: what needs single pixels, so it is weak on the surrogate itself and on small images.
    Cost: `steps` forward and backward passes.
    Use it when: the surrogate is undefended and the victim is not.
    """

    name: ClassVar[str] = "tifgsm"
    paper: ClassVar[str] = "arXiv:1904.02884"
    images_only: ClassVar[bool] = True

    momentum: float = parameter(1.0, help="share of the earlier direction kept at each step", low=0.0, high=10.0)
    radius: int = parameter(3, help="pixels that the smoothing reaches", low=0, high=100)

    @property
    def pieces(self) -> Pieces:
        return Pieces(momentum=self.momentum, radius=self.radius)
