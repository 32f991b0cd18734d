"""What counts as success: any class but the label, or one chosen class.

Under a targeted goal the engine shows attacks two classes, the wanted one and the best of all others, and calls the
second the label. So each attack, whatever it sees of a model, pursues targets without knowing of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from auditor.types import Labels, Logits


@dataclass(frozen=True)
class Aims:
    """Of N samples: their labels, and the classes wanted where the goal is targeted, `(N,)` each."""

    y: Labels
    wanted: Labels | None = None

    def __getitem__(self, rows: Tensor | slice) -> Aims:
        return Aims(self.y[rows], None if self.wanted is None else self.wanted[rows])

    def reached(self, logits: Logits) -> Tensor:
        """Which answers are a success, `(N,)` bool; one without a finite maximum is none."""
        named = ~logits.isnan().any(1) & ~logits.amax(1).isinf()
        answer = logits.argmax(1)
        return named & (answer != self.y if self.wanted is None else answer == self.wanted)


def towards(logits: Logits, wanted: Labels) -> Logits:
    """The largest of all other logits, and that of the wanted class, `(N, 2)`; differentiable."""
    at = wanted[:, None]
    return torch.stack([logits.scatter(1, at, -torch.inf).amax(1), logits.gather(1, at).squeeze(1)], 1)
