"""What searches for the smallest change share: sizes, balls of one radius each, schedules, rows that are not done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from auditor.engine.view import LOOK_EVERY
from auditor.norms import per_sample, project
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

_ORDER = {Norm.LINF: torch.inf, Norm.L2: 2.0, Norm.L1: 1.0, Norm.L0: 0.0}


def size(delta: Tensor, norm: Norm) -> Tensor:
    """Size of each sample of `delta`, `(N,)`, in float32."""
    length: Tensor = torch.linalg.vector_norm(delta.flatten(1), _ORDER[norm], dim=1)
    return length


def within(candidate: Tensor, x: Tensor, norm: Norm, radius: Tensor) -> Tensor:
    """`candidate` brought into balls around `x`, one radius each, `(N,)`, and into the box."""
    each = per_sample(radius, x) if norm in (Norm.LINF, Norm.L2) else radius[:, None]
    return project(candidate, x, norm, each)


def cosine(first: float, last: float, step: int, steps: int) -> float:
    """Falls from `first` to `last` over `steps` steps along half a cosine."""
    return last + (first - last) * (1.0 + math.cos(math.pi * step / steps)) / 2.0


def unfinished(rows: Tensor, done: Tensor, step: int) -> Tensor:
    """The rows that are not done, `done` being of all rows.

    An accelerator would have to be waited for to know which they are, so there it is asked every few steps only, and
    rows that are done may be among those returned.
    """
    return rows[~done[rows]] if rows.device.type == "cpu" or step % LOOK_EVERY == 0 else rows
