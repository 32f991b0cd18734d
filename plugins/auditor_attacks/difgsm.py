"""Diverse inputs: Xie et al., arXiv:1803.06978."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from auditor.parameters import parameter
from auditor_attacks._transfer import Pieces, TransferAttack


@dataclass(frozen=True, kw_only=True)
class DIFGSM(TransferAttack):
    """Shows the network randomly shrunken and shifted images, so that no step relies on exact places.

    Finds: examples that survive in networks which look at other places or other scales.
    Blind to: networks that share none of the features of the surrogate; images of a pixel or two do not shrink.
    Cost: `steps` forward and backward passes.
    Use it when: the victim's architecture is unknown; it fools the surrogate itself somewhat less than `mifgsm`.
    """

    name: ClassVar[str] = "difgsm"
    paper: ClassVar[str] = "arXiv:1803.06978"
    images_only: ClassVar[bool] = True

    momentum: float = parameter(1.0, help="share of the earlier direction kept at each step", low=0.0, high=10.0)
    diversity: float = parameter(0.5, help="probability of showing a smaller image", low=0.0, high=1.0)
    shrink: float = parameter(0.9, help="least size of that image, as a share", low=0.1, high=1.0)

    @property
    def pieces(self) -> Pieces:
        return Pieces(momentum=self.momentum, diversity=self.diversity, shrink=self.shrink)
