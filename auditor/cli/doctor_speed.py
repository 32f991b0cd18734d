"""How many samples a second pass through a bound model, measured in about two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from auditor.target.base import Target
    from auditor.types import Images

_SECONDS = 0.4
_LARGEST = 32


@dataclass(frozen=True)
class Speed:
    """Samples a second in batches of `batch`; None where there is no twin."""

    batch: int
    deployed: float
    twin: float | None = None
    gradients: float | None = None


def measure(target: Target, x: Images) -> Speed:
    """Time forward passes of both forms of the model, and forward and backward of its twin, on samples like `x`.

    The batch is the largest up to 32 of which a forward pass takes a tenth of a second. A pass that takes longer than
    the time set for it is run once.
    """
    one = x[:1].to(target.device)
    alone = _once(lambda: target.answer(one))
    if alone < _SECONDS:
        alone = min(alone, _once(lambda: target.answer(one)))
    batch = _LARGEST
    while batch > 1 and alone * batch > _SECONDS / 4:
        batch //= 2
    many = one.expand(batch, *one.shape[1:]).contiguous()
    deployed = _rate(lambda: target.answer(many), batch)
    if target.twin is None:
        return Speed(batch, deployed)
    with torch.no_grad():
        twin = _rate(lambda: target.differentiable(many), batch)
    return Speed(batch, deployed, twin, _rate(lambda: _slope(target, many), batch))


def _slope(target: Target, x: Images) -> torch.Tensor:
    leaf = x.clone().requires_grad_()
    total = target.differentiable(leaf).sum()
    # Constant answers have no graph at all.
    return torch.autograd.grad(total, leaf)[0] if total.requires_grad else total


def _rate(run: Callable[[], torch.Tensor], batch: int) -> float:
    first = _once(run)  # plans are made and memory is taken in the first pass
    if first > _SECONDS:
        return batch / first
    started, passes = time.perf_counter(), 0
    while not passes or time.perf_counter() - started < _SECONDS:
        _once(run)
        passes += 1
    return batch * passes / (time.perf_counter() - started)


def _once(run: Callable[[], torch.Tensor]) -> float:
    started = time.perf_counter()
    # Reading a number waits for whatever a GPU still computes.
    run().flatten()[0].item()
    return time.perf_counter() - started
