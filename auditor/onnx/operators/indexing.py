"""Reading parts of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel, operator

_OPEN_ENDS = (2**31 - 1, 2**63 - 1)
"""Ends that ONNX Runtime reads as "to the end", whichever way a slice runs."""


def nonnegative(index: Tensor, size: int) -> Tensor:
    """Count indices below zero from the end, as ONNX does."""
    return torch.where(index < 0, index + size, index).long()


@operator("Gather")
def gather(node: Node) -> Kernel:
    axis, known = node.integer("axis", 0), node.constant(1)
    if known is not None and known.dim() == 0:
        place = int(known)
        return lambda x, index: x.select(axis, place)
    wrap = known is None or bool((known < 0).any())

    def run(x: Tensor, index: Tensor) -> Tensor:
        first = axis % x.dim()
        if wrap:
            index = nonnegative(index, x.shape[first])
        picked = x.index_select(first, index.reshape(-1))
        return picked.reshape(*x.shape[:first], *index.shape, *x.shape[first + 1 :])

    return run


@operator("GatherElements", since=11)
def gather_elements(node: Node) -> Kernel:
    axis = node.integer("axis", 0)
    return lambda x, index: torch.gather(x, axis, nonnegative(index, x.shape[axis]))


@operator("GatherND", since=11)
def gather_nd(node: Node) -> Kernel:
    batch = node.integer("batch_dims", 0)

    def run(x: Tensor, index: Tensor) -> Tensor:
        picks = [nonnegative(part, x.shape[batch + i]) for i, part in enumerate(index.unbind(-1))]
        rank = index.dim() - 1
        rows = [
            torch.arange(x.shape[i], device=x.device).reshape(*[1] * i, -1, *[1] * (rank - i - 1)) for i in range(batch)
        ]
        return x[(*rows, *picks)]

    return run


@operator("Slice")
def slice_by_attribute(node: Node) -> Kernel:
    starts, ends, axes = (node.integers(name) for name in ("starts", "ends", "axes"))
    return lambda x: _slice(x, starts or [], ends or [], axes, None)


@operator("Slice", since=10, host=(1, 2, 3, 4))
def slice_by_input(node: Node) -> Kernel:
    def run(
        x: Tensor,
        starts: list[int],
        ends: list[int],
        axes: list[int] | None = None,
        steps: list[int] | None = None,
    ) -> Tensor:
        return _slice(x, starts, ends, axes, steps)

    return run


def _slice(x: Tensor, starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None) -> Tensor:
    index: list[slice] = [slice(None)] * x.dim()
    flipped: list[int] = []
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = (axes[i] if axes is not None else i) % x.dim()
        span = _span(start, end, steps[i] if steps is not None else 1, x.shape[axis])
        if span.step < 0:  # torch has no negative steps: take the same places upwards, then turn them round
            span = span[::-1]
            flipped.append(axis)
        index[axis] = slice(span.start, max(span.stop, span.start), span.step)
    part = x[tuple(index)]
    return part.flip(flipped) if flipped else part


def _span(start: int, end: int, step: int, size: int) -> range:
    """The places that a slice takes. Downwards ONNX clamps its bounds otherwise than Python does."""
    if step > 0 or size == 0:
        return range(*slice(start, end, step).indices(size))
    start = start + size if start < 0 else start
    stop = -1 if end in _OPEN_ENDS else end + size if end < 0 else end
    return range(min(max(start, 0), size - 1), min(max(stop, -1), size - 1), step)


@operator("TopK", since=10, host=(1,))
def top_k(node: Node) -> Kernel:
    axis = node.integer("axis", -1)
    largest, in_order = bool(node.integer("largest", 1)), bool(node.integer("sorted", 1))

    def run(x: Tensor, k: list[int]) -> tuple[Tensor, Tensor]:
        # A stable sort: among equal values ONNX takes the lower index first, torch.topk any.
        values, index = torch.sort(x, dim=axis, descending=largest, stable=True)
        return values.narrow(axis, 0, k[0]), index.narrow(axis, 0, k[0])

    return run if in_order else lambda x, k: tuple(torch.topk(x, k[0], axis, largest, False))


@operator("TopK")
def top_k_by_attribute(node: Node) -> Kernel:
    find, k = top_k(node), [node.integer("k", 1)]
    return lambda x: find(x, k)


@operator("OneHot", since=9, host=(1,))
def one_hot(node: Node) -> Kernel:
    axis = node.integer("axis", -1)

    def run(index: Tensor, depth: int | list[int], values: Tensor) -> Tensor:
        count = int(depth[0] if isinstance(depth, list) else depth)
        place = axis if axis >= 0 else axis + index.dim() + 1
        steps = torch.arange(count, device=index.device).reshape(-1, *[1] * (index.dim() - place))
        hit = nonnegative(index, count).unsqueeze(place) == steps
        return torch.where(hit, values[1], values[0])

    return run


@operator("Trilu", since=14, host=(1,))
def triangle(node: Node) -> Kernel:
    cut = torch.triu if node.integer("upper", 1) else torch.tril
    return lambda x, k=0: cut(x, k[0] if isinstance(k, list) else k or 0)


@operator("NonZero", since=9)
def nonzero(node: Node) -> Kernel:
    return lambda x: torch.nonzero(x).t()


@operator("Compress", since=9)
def compress(node: Node) -> Kernel:
    axis = node.attributes.get("axis")

    def run(x: Tensor, condition: Tensor) -> Tensor:
        x, dim = (x.reshape(-1), 0) if axis is None else (x, axis)
        return x.index_select(dim, torch.nonzero(condition).reshape(-1))

    return run


@operator("ReverseSequence", since=10)
def reverse_sequence(node: Node) -> Kernel:
    time, batch = node.integer("time_axis", 0), node.integer("batch_axis", 1)

    def run(x: Tensor, lengths: Tensor) -> Tensor:
        moved = x.movedim((time, batch), (0, 1))
        steps = torch.arange(moved.shape[0], device=x.device).unsqueeze(1)
        index = torch.where(steps < lengths, lengths - 1 - steps, steps)
        rest = index.reshape(*index.shape, *[1] * (x.dim() - 2)).expand(moved.shape)
        return torch.gather(moved, 0, rest).movedim((0, 1), (time, batch))

    return run


@operator("Unique", since=11)
def unique(node: Node) -> Kernel:
    axis, in_order = node.attributes.get("axis"), bool(node.integer("sorted", 1))

    def run(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        dim = 0 if axis is None else axis
        rows = x.reshape(-1) if axis is None else x
        values, inverse, counts = torch.unique(rows, return_inverse=True, return_counts=True, dim=dim)
        places = torch.arange(inverse.shape[0], device=x.device)
        first = places.new_full(counts.shape, inverse.shape[0]).scatter_reduce(0, inverse, places, "amin")
        if not in_order:
            order = first.argsort()
            values, first, counts = values.index_select(dim, order), first[order], counts[order]
            inverse = order.argsort()[inverse]
        # Read from the input by place: `torch.unique` itself has no gradient.
        return rows.index_select(dim, first).reshape(values.shape), first, inverse, counts

    return run
