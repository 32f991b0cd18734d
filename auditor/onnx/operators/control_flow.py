"""Branches and loops.

Their condition is read as a number. Where it follows from shapes, the plan already knows it; where it follows
from the data, one batch takes one branch, which is also what ONNX says.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel, operator


@operator("If")
def branch(node: Node) -> Kernel:
    yes, no = node.attributes["then_branch"], node.attributes["else_branch"]
    condition = node.constant(0)
    if condition is not None:
        chosen = yes if bool(condition) else no
        return lambda *inputs: chosen((), inputs)
    return lambda *inputs: (yes if bool(inputs[0]) else no)((), inputs)


@operator("Loop")
def loop(node: Node) -> Kernel:
    body = node.attributes["body"]
    carried = len(body.program.graph_inputs) - 2

    def run(*inputs: Any) -> tuple[Any, ...]:
        limit = None if inputs[0] is None else int(inputs[0])
        going = inputs[1] is None or bool(inputs[1])
        state, scans, i = inputs[2 : 2 + carried], [], 0
        while going and (limit is None or i < limit):
            condition, *results = body((torch.tensor(i), torch.tensor(True), *state), inputs)
            state = tuple(results[:carried])
            scans.append(results[carried:])
            going, i = bool(condition), i + 1
        if not scans and len(body.program.outputs) > 1 + carried:
            # Nothing to stack: one run tells the shape of what there is none of.
            nothing = body((torch.tensor(0), torch.tensor(True), *state), inputs)[1 + carried :]
            return (*state, *(element.unsqueeze(0)[:0] for element in nothing))
        return (*state, *(torch.stack(column) for column in zip(*scans, strict=True)))

    return run


@operator("Scan", since=9)
def scan(node: Node) -> Kernel:
    body = node.attributes["body"]
    count = node.integer("num_scan_inputs", 1)
    formal = len(body.program.graph_inputs)
    carried = formal - count
    outputs = len(node.outputs) - carried
    in_axes = node.integers("scan_input_axes") or [0] * count
    out_axes = node.integers("scan_output_axes") or [0] * outputs
    in_reverse = node.integers("scan_input_directions") or [0] * count
    out_reverse = node.integers("scan_output_directions") or [0] * outputs

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        state = inputs[:carried]
        columns = [x.unbind(a) for x, a in zip(inputs[carried:formal], in_axes, strict=True)]
        columns = [c[::-1] if flip else c for c, flip in zip(columns, in_reverse, strict=True)]
        rows = []
        for elements in zip(*columns, strict=True):
            results = body((*state, *elements), inputs)
            state = results[:carried]
            rows.append(results[carried:])
        found = [list(column) for column in zip(*rows, strict=True)]
        found = [c[::-1] if flip else c for c, flip in zip(found, out_reverse, strict=True)]
        return (*state, *(torch.stack(c, a) for c, a in zip(found, out_axes, strict=True)))

    return run
