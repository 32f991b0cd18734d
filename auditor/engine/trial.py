"""What an attack did under conditions that are not the threat's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Trial:
    """What an attack did under other conditions; nothing of it is counted.

    `fell` says which samples it broke there, `(n,)`; `margin` how far each got: the largest wrong logit less the true
    one, at the closest point.
    """

    fell: np.ndarray
    margin: np.ndarray
    images: Tensor | None = None
    """Where they were to be kept: the images that broke samples, elsewhere the samples themselves, `(n, …)`."""
    status: str = "ran"
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether the attack ran to its end."""
        return self.status == "ran"


def nothing(count: int, why: str = "") -> Trial:
    """Of so many samples, if the trial could not be made, or there was none to make it on."""
    status = "skipped" if why else "ran"
    return Trial(np.zeros(count, bool), np.full(count, -np.inf, np.float32), None, status, why)


def joined(parts: Sequence[Trial]) -> Trial:
    """Trials on samples that follow each other, as one; it ended where all of them did."""
    import torch

    bad = next((part for part in parts if not part.ended), parts[0])
    images = [part.images for part in parts if part.images is not None]
    return Trial(
        np.concatenate([part.fell for part in parts]),
        np.concatenate([part.margin for part in parts]),
        torch.cat(images) if images else None,
        bad.status,
        bad.reason,
    )
