"""How batches run through a network that may take only one size: natively, by `torch.vmap`, or in a loop.

Most exporters bake the batch of the example input into the graph. Such a graph fails on other batches, or answers
with fewer rows, or mixes rows; so whoever wraps a network probes it first, against its own answers to single rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import Tensor

from auditor.errors import ModelError
from auditor.target.limits import TooLong

if TYPE_CHECKING:
    from auditor.target.base import Network

Way: TypeAlias = Literal["native", "vmap", "loop"]

_LARGEST = 64  # batch that is tried of a network that does not take single rows


def as_rows(raw: Tensor, n: int) -> Tensor:
    """Raw outputs for `n` samples as `(n, K)` float32: `(n, K, 1, 1)` and, for one sample, `(K,)` are taken too.

    Raises:
        ModelError: this is no row of scores for each sample.
    """
    if raw.dim() == 0 or (raw.dim() == 1 and n == 1):
        raw = raw.reshape(1, -1)
    if raw.dim() == 1:
        raw = raw[:, None]
    if len(raw) != n:
        raise ModelError(
            f"The model answered {n} samples with shape {_words(raw)}; a classifier answers each with one row."
        )
    if sum(size > 1 for size in raw.shape[1:]) > 1 or 0 in raw.shape[1:]:
        raise ModelError(
            f"The model answered with shape {_words(raw)}, which is no row of scores for each sample; "
            "if the graph has another output, name it with --output."
        )
    return raw.float().flatten(1)


def _words(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "()"


@dataclass(frozen=True)
class Loop:
    """Batches of any size through a network that takes `size` rows: one call each `size` rows, the last padded."""

    network: Network
    size: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        groups = _groups(x, self.size)
        return torch.cat([as_rows(self.network(group), self.size) for group in groups])[: len(x)]


@dataclass(frozen=True)
class Mapped:
    """As `Loop`, but all groups at once, which costs what a native batch would; the network must be vmappable."""

    network: Network
    size: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        rows = torch.vmap(lambda group: as_rows(self.network(group), self.size))(_groups(x, self.size))
        return rows.flatten(0, 1)[: len(x)]


def _groups(x: Tensor, size: int) -> Tensor:
    """`(N, …)` as `(M, size, …)`; the last row is repeated to fill the last group."""
    missing = -len(x) % size
    if missing:
        x = torch.cat([x, x[-1:].expand(missing, *x.shape[1:])])
    return x.reshape(-1, size, *x.shape[1:])


def choose(
    network: Network, x: Tensor, size: int | None, *, mappable: bool, tolerance: float = 1e-3
) -> tuple[Network, Way]:
    """The network for any batch size, and how: the first way that gives the rows of `x` what they get by themselves.

    Args:
        x: two different network inputs or more.
        size: the batch size that the network declares, or None where it declares any.
        mappable: whether the network is made of PyTorch operations, so that `torch.vmap` can be tried.
        tolerance: largest difference between rows alone and together, as a share of the range of the outputs.

    Raises:
        ModelError: the network does not run on such inputs in the size it declares.
    """
    declared, size = size, size or 1
    loop = Loop(network, size)
    # One row more than the declared size, or a graph with a baked batch would pass as one that takes any.
    x = x[torch.arange(max(len(x), size + 1), device=x.device) % len(x)]
    with torch.no_grad():
        alone = loop(x) if declared is not None else _one_by_one(loop, x)
        if _agrees(network, x, alone, tolerance):
            return network, "native"
        if not _agrees(loop, x, alone, tolerance):
            # Answers at random differ whatever the batch: that they do says nothing about it, their shape does.
            tolerance = math.inf
            if _agrees(network, x, alone, tolerance):
                return network, "native"
        mapped = Mapped(network, size)
        if mappable and _agrees(mapped, x, alone, tolerance):
            return mapped, "vmap"
    return loop, "loop"


def _one_by_one(loop: Loop, x: Tensor) -> Tensor:
    """Answers to single rows; a network that declares any batch size and takes one alone is told so."""
    try:
        return loop(x)
    except (TooLong, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a network that was not made for this batch raises
        size = next((size for size in range(2, _LARGEST + 1) if takes(loop.network, x, size)), None)
        if size is None or takes(loop.network, x, 2 * size + 1):
            raise
        raise ModelError(
            f"The model declares any batch size, and takes batches of {size} only; export it with a free batch "
            f"dimension, or write the {size} into the shape of its input, and it is asked in groups of that size."
        ) from error


def takes(network: Network, x: Tensor, size: int) -> bool:
    """Whether a network answers `size` rows like those of `x` with a row of scores for each."""
    return _rows(network, x[torch.arange(size, device=x.device) % len(x)]) is not None


def _rows(network: Network, x: Tensor) -> Tensor | None:
    try:
        return as_rows(network(x), len(x))
    except Exception:  # whatever a network that was not made for this batch raises
        return None


def _agrees(network: Network, x: Tensor, expected: Tensor, tolerance: float) -> bool:
    rows = _rows(network, x)
    if rows is None or rows.shape != expected.shape:
        return False
    if tolerance == math.inf:
        return True
    spread = float((expected.amax() - expected.amin()).nan_to_num(0.0, 0.0, 0.0))
    return torch.allclose(rows, expected, rtol=tolerance, atol=tolerance * spread + 1e-6, equal_nan=True)
