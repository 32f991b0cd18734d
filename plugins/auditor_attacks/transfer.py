"""All pieces of transfer attacks together, as in Wang & He, arXiv:2103.15571, section 4.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from auditor.parameters import parameter
from auditor_attacks._transfer import Pieces, TransferAttack


@dataclass(frozen=True, kw_only=True)
class Transfer(TransferAttack):
    """Momentum, random sizes, smoothing, darker copies and variance tuning in any combination.

    With `scales=5`, `nesterov`, `diversity=0.5` and `radius=7` it is the SI-NI-TI-DIM of arXiv:1908.06281.

    Finds: what a stranger with one surrogate network can do.
    Blind to: networks unlike the surrogate; a model is no safer for what fails to transfer.
    Cost: `steps` times `neighbours + 1` times `scales` forward and backward passes.
    Use it when: the model that is attacked cannot be asked.
    """

    name: ClassVar[str] = "transfer"
    paper: ClassVar[str] = "arXiv:2103.15571"
    images_only: ClassVar[bool] = True

    start: str = parameter("uniform", help="where the search begins", choices=("clean", "uniform"))
    momentum: float = parameter(1.0, help="share of the earlier direction kept at each step", low=0.0, high=10.0)
    nesterov: bool = parameter(False, help="look where momentum leads, not where the search is")
    scales: int = parameter(1, help="copies shown, each half as bright as the one before", low=1, high=16)
    diversity: float = parameter(0.5, help="probability of showing a smaller image", low=0.0, high=1.0)
    shrink: float = parameter(0.9, help="least size of that image, as a share", low=0.1, high=1.0)
    radius: int = parameter(3, help="pixels that the smoothing reaches", low=0, high=100)
    neighbours: int = parameter(5, help="points nearby whose gradients are compared", low=0, high=1000)
    reach: float = parameter(1.5, help="how far off they are, in units of eps", low=0.0, high=10.0)

    @property
    def pieces(self) -> Pieces:
        return Pieces(
            momentum=self.momentum,
            nesterov=self.nesterov,
            scales=self.scales,
            diversity=self.diversity,
            shrink=self.shrink,
            radius=self.radius,
            neighbours=self.neighbours,
            reach=self.reach,
        )
