"""Networks whose file fixes the batch size, made to take any: by what was tried out, not by what the file says."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.target.base import Network

_TOLERANCE = 1e-4
_UNKNOWN_SIZE = 32


def batched(network: Network, shape: tuple[int | None, ...], device: torch.device) -> tuple[Network, str]:
    """`network`, exported for batches of `shape[0]`, as one that takes any N, and how: `native`, `vmap` or `loop`.

    The first of these is taken whose answers for one row more than the fixed batch are those of the rows in batches
    of the fixed size.
    """
    size = shape[0] or 1
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(size + 1, *(n or _UNKNOWN_SIZE for n in shape[1:]), generator=generator).to(device)
    loop = _looped(network, size)
    with torch.no_grad():
        expected = loop(x)
        for way, candidate in (("native", network), ("vmap", _mapped(network, size))):
            if _agrees(candidate, x, expected):
                return candidate, way
    return loop, "loop"


def _agrees(candidate: Network, x: Tensor, expected: Tensor) -> bool:
    try:
        answer = candidate(x)
    except Exception:
        # However a graph fails on a batch that it was not exported for, that is the answer sought here.
        return False
    return answer.shape == expected.shape and torch.allclose(answer, expected, rtol=_TOLERANCE, atol=_TOLERANCE)


def _looped(network: Network, size: int) -> Network:
    def run(x: Tensor) -> Tensor:
        short = -len(x) % size
        padded = torch.cat([x, x[-1:].expand(short, *x.shape[1:])]) if short else x
        return torch.cat([network(part) for part in torch.split(padded, size)])[: len(x)]

    return run


def _mapped(network: Network, size: int) -> Network:
    mapped = torch.vmap(network)

    def run(x: Tensor) -> Tensor:
        short = -len(x) % size
        padded = torch.cat([x, x[-1:].expand(short, *x.shape[1:])]) if short else x
        return mapped(padded.reshape(-1, size, *x.shape[1:])).flatten(0, 1)[: len(x)]

    return run
