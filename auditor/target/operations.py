"""A network as the operations that it carries out, whatever its own backward passes say.

What a network answers is decided by the operations of its forward pass. What its gradient is said to be, its author may
decide otherwise: by a backward pass of their own, a hook, a detached tensor. Recorded below automatic differentiation
and carried out again, the same operations have the gradient that calculus gives them (the complete circumvention of
"break-the-gradient" layers that Athalye et al., arXiv:1802.00420, do by hand).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.target.base import Network

_Key: TypeAlias = tuple[torch.Size, torch.dtype, torch.device]


class Operations:
    """What `network` does, operation by operation; itself where it cannot be recorded, as where Python decides by what
    a tensor holds."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._recorded: dict[_Key, Callable[[Tensor], Tensor]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Raw outputs `(N, …)` for network inputs `(N, …)`."""
        # A recording holds for one size of batches. The last row fills up to one of few.
        rows = torch.arange(_size(len(x)), device=x.device).clamp_max(len(x) - 1)
        filled = x.index_select(0, rows)
        key = filled.shape, filled.dtype, filled.device
        if key not in self._recorded:
            self._recorded[key] = _recorded(self.network, filled.detach().clone())
        return self._recorded[key](filled)[: len(x)]


def _size(n: int) -> int:
    """The next power of two, or the middle between two of them."""
    power = 1 << max(n - 1, 0).bit_length()
    return 3 * power // 4 if power > 2 and n <= 3 * power // 4 else power


def _recorded(network: Network, x: Tensor) -> Callable[[Tensor], Tensor]:
    from torch.fx.experimental.proxy_tensor import make_fx

    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph: Callable[[Tensor], Tensor] = make_fx(network)(x)
    except torch.OutOfMemoryError:
        raise
    except Exception:  # a border: the network may be the user's own code, of which not everything can be recorded
        return network
    return graph
