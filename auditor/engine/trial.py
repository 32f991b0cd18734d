"""What an attack did under conditions that are not the threat's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trial:
    """What an attack did under other conditions; nothing of it is counted.

    `fell` says which samples it broke there, `(n,)`; `margin` how far each got: the largest wrong logit less the true
    one, at the closest point.
    """

    fell: np.ndarray
    margin: np.ndarray
    status: str = "ran"
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether the attack ran to its end."""
        return self.status == "ran"
