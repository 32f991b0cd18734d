"""Weights of few bits in blocks, as ONNX Runtime's weight-only quantisers write them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.indexing import nonnegative
from auditor.onnx.operators.microsoft import DOMAIN
from auditor.onnx.registry import Kernel, operator


def unpack(packed: Tensor, bits: int) -> Tensor:
    """Numbers of 2, 4 or 8 bits out of bytes, the lowest bits first; the last dimension grows."""
    if bits == 8:
        return packed
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device)
    numbers: Tensor = (packed.unsqueeze(-1) >> shifts) & (2**bits - 1)
    return numbers.flatten(-2)


@operator("MatMulNBits", domain=DOMAIN)
def matmul_of_few_bits(node: Node) -> Kernel:
    columns, rows = node.integer("N", 0), node.integer("K", 0)
    bits, block = node.integer("bits", 4), node.integer("block_size", 32)
    blocks = -(-rows // block)
    if node.integer("weight_prepacked", 0):
        raise node.error("holds weights packed for one kind of processor; save the model before it is prepacked")

    def zero_points(zeros: Tensor | None) -> Tensor | float:
        if zeros is None:
            return 2.0 ** (bits - 1)
        if zeros.dtype == torch.uint8:
            zeros = unpack(zeros.reshape(columns, -1), bits)[:, :blocks]
        return zeros.reshape(columns, blocks, 1)

    def run(
        x: Tensor,
        packed: Tensor,
        scales: Tensor,
        zeros: Tensor | None = None,
        order: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        shift, scale = zero_points(zeros), scales.reshape(columns, blocks, 1).to(x.dtype)
        whole = unpack(packed.reshape(columns, blocks, -1), bits).to(x.dtype)
        shift = shift if isinstance(shift, float) else shift.to(x.dtype)
        if order is None:
            weight = ((whole - shift) * scale).flatten(1)[:, :rows]
        else:  # which block's scale each row takes
            factor, offset = scale[:, order[:rows].long(), 0], torch.as_tensor(shift).expand_as(scale)
            weight = (whole.flatten(1)[:, :rows] - offset[:, order[:rows].long(), 0]) * factor
        return F.linear(x, weight, bias)

    return run


@operator("GatherBlockQuantized", domain=DOMAIN)
def gather_of_few_bits(node: Node) -> Kernel:
    axis, along_axis = node.integer("gather_axis", 0), node.integer("quantize_axis", 1)
    bits, block = node.integer("bits", 4), node.integer("block_size", 128)

    def run(table: Tensor, index: Tensor, scales: Tensor, zeros: Tensor | None = None) -> Tensor:
        first, packed = axis % table.dim(), table.dtype == torch.uint8
        place = nonnegative(index, table.shape[first]).reshape(-1)
        q, scale = table.index_select(first, place), scales.index_select(first, place)
        zero = None if zeros is None else zeros.index_select(first, place)
        if packed:
            q, zero = unpack(q, bits), None if zero is None else unpack(zero, bits)
        dim = along_axis % table.dim()
        blocks = scale.shape[dim]
        wide = scale.repeat_interleave(block, dim).narrow(dim, 0, q.shape[dim])
        shift: Tensor | float = 2.0 ** (bits - 1) if packed else 0.0
        if zero is not None:
            shift = zero.narrow(dim, 0, blocks).repeat_interleave(block, dim).narrow(dim, 0, q.shape[dim])
        y = (q.to(scale.dtype) - shift) * wide
        return y.reshape(*y.shape[:first], *index.shape, *y.shape[first + 1 :])

    return run
