"""Lists of tensors as values, and values that may be absent.

A sequence is held as a Python list, and an optional that is empty as None.
"""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.arithmetic import stateless
from auditor.onnx.registry import Kernel, operator

operator("SequenceEmpty", since=11)(stateless(list))
operator("SequenceConstruct", since=11)(stateless(lambda *items: list(items)))
operator("SequenceLength", since=11)(stateless(lambda items: torch.tensor(len(items))))
operator("Optional", since=15)(stateless(lambda value=None: value))
operator("OptionalGetElement", since=15)(stateless(lambda value: value))
operator("OptionalHasElement", since=15)(stateless(lambda value=None: torch.tensor(value is not None)))


def _place(position: int | list[int]) -> int:
    return position[0] if isinstance(position, list) else position


@operator("SequenceAt", since=11, host=(1,))
def sequence_at(node: Node) -> Kernel:
    return lambda items, position: items[_place(position)]


@operator("SequenceInsert", since=11, host=(2,))
def sequence_insert(node: Node) -> Kernel:
    def run(items: list[Tensor], item: Tensor, position: int | list[int] | None = None) -> list[Tensor]:
        place = len(items) if position is None else _place(position)
        return [*items[:place], item, *items[place:]]

    return run


@operator("SequenceErase", since=11, host=(1,))
def sequence_erase(node: Node) -> Kernel:
    def run(items: list[Tensor], position: int | list[int] = -1) -> list[Tensor]:
        place = _place(position) % len(items)
        return [*items[:place], *items[place + 1 :]]

    return run


@operator("ConcatFromSequence", since=11)
def concatenate_sequence(node: Node) -> Kernel:
    axis = node.integer("axis", 0)
    return lambda items: torch.stack(items, axis) if node.integer("new_axis", 0) else torch.cat(items, axis)


@operator("SplitToSequence", since=11, host=(1,))
def split_to_sequence(node: Node) -> Kernel:
    axis, keep = node.integer("axis", 0), node.integer("keepdims", 1)

    def run(x: Tensor, sizes: int | list[int] | None = None) -> list[Tensor]:
        if sizes is None:
            return list(torch.split(x, 1, axis) if keep else torch.unbind(x, axis))
        return list(torch.split(x, sizes, axis))

    return run
