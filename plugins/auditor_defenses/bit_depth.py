"""Fewer gray levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.defense import Wrapper
from auditor.parameters import parameter

if TYPE_CHECKING:
    from auditor.types import Images


@dataclass(frozen=True, kw_only=True)
class BitDepth(Wrapper):
    """Rounds every value to the nearest of `2^bits` levels from 0 to 1 ("feature squeezing").

    Helps: against changes smaller than half a level, which are rounded away as long as no value lies near a border.
    Blind to: an attacker who knows of it and follows gradients past the rounding (Athalye et al.,
        arXiv:1802.00420; He et al., arXiv:1706.04701).
    Cost: nothing worth measuring; with few bits some clean accuracy.
    Use it when: it stands in the deployed pipeline already, and you want to know what it is worth.
    """

    name: ClassVar[str] = "bit-depth"
    paper: ClassVar[str] = "arXiv:1704.01155"

    bits: int = parameter(3, low=1, high=16, help="bits that are left of every value")

    def apply(self, x: Images) -> Images:
        levels = float(2**self.bits - 1)
        return (x.clamp(0.0, 1.0) * levels).round() / levels
