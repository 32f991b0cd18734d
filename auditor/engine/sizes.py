"""How many samples at once, and which of many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def batch_size_for(shape: Sequence[int], device: torch.device) -> int:
    """A batch that keeps a core busy and fits small memories; halved by the engine where memory runs out."""
    room = 2**24 if device.type == "cuda" else 2**20
    return int(min(512, max(8, 2.0 ** int(math.log2(room / max(1, math.prod(shape)))))))


def spread(n: int, count: int) -> list[int]:
    """At most `count` positions, evenly over the data, so that sorted data shows all its classes."""
    return list(range(n)) if n <= count else [i * n // count for i in range(count)]
