"""Small ONNX classifiers written by hand, whose answers are a matrix product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

Dims = Sequence[int | None]


def write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Dims]],
    outputs: Mapping[str, tuple[int, Dims | None]],
    constants: Mapping[str, np.ndarray] | None = None,
    *,
    domains: Mapping[str, int] | None = None,
    metadata: Mapping[str, str] | None = None,
    opset: int = 17,
) -> Path:
    """A graph as a file; a dimension that is None is named, so that any size fits."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [_value(name, *spec) for name, spec in inputs.items()],
        [_value(name, *spec) for name, spec in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(*entry) for entry in (domains or {}).items())]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, path)
    return path


def _value(name: str, kind: int, dims: Dims | None) -> onnx.ValueInfoProto:
    named = None if dims is None else [f"{name}{i}" if size is None else size for i, size in enumerate(dims)]
    return helper.make_tensor_value_info(name, kind, named)


@dataclass(frozen=True)
class Linear:
    """`x.flatten(1) @ weight.T + bias` of images `(N, C, H, W)`, and the file that computes it."""

    path: Path
    weight: Tensor
    bias: Tensor

    def logits(self, x: Tensor) -> Tensor:
        return (x.flatten(1).double() @ self.weight.T.double() + self.bias.double()).float()


def linear(
    path: Path,
    dims: Dims = (None, 1, 4, 4),
    *,
    image: tuple[int, int, int] = (1, 4, 4),
    classes: int = 3,
    ending: str = "",
    kind: int = TensorProto.FLOAT,
    channels_last: bool = False,
    batch: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Linear:
    """A linear classifier of images `image` with `classes` outputs, taking inputs `dims`.

    `ending` is an operator at the end, such as `Softmax`; `channels_last` says that inputs are laid out H, W, C;
    `batch` bakes a batch into a Reshape, as exporters do; integers of `kind` are pixels from 0 to 255.
    """
    rng = np.random.default_rng(0)
    features = int(np.prod(image))
    weight = rng.normal(size=(classes, features)).astype(np.float32)
    bias = rng.normal(size=classes).astype(np.float32)
    precise = np.float16 if kind == TensorProto.FLOAT16 else np.float64 if kind == TensorProto.DOUBLE else np.float32
    integer = kind in (TensorProto.UINT8, TensorProto.INT32)
    constants = {"w": (weight / 255 if integer else weight).astype(precise), "b": bias.astype(precise)}
    nodes, last = [], "x"
    if integer:
        nodes.append(helper.make_node("Cast", [last], ["real"], to=TensorProto.FLOAT))
        last = "real"
    if channels_last:
        nodes.append(helper.make_node("Transpose", [last], ["first"], perm=[0, 3, 1, 2]))
        last = "first"
    if batch is None:
        nodes.append(helper.make_node("Flatten", [last], ["flat"]))
    else:
        constants["to"] = np.array([batch, features])
        nodes.append(helper.make_node("Reshape", [last, "to"], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "w", "b"], ["z" if ending else "y"], transB=1))
    if ending:
        nodes.append(helper.make_node(ending, ["z"], ["y"]))
    answer = TensorProto.FLOAT if integer else kind
    write(path, nodes, {"x": (kind, dims)}, {"y": (answer, (dims[0], classes))}, constants, metadata=metadata)
    return Linear(path, torch.from_numpy(weight), torch.from_numpy(bias))


def looping(path: Path, *, times: int | None, inside_if: bool = False) -> Path:
    """A file that doubles its input `times` times, or for ever; the Loop may lie in a branch of an `If`."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["on"]), helper.make_node("Add", ["v", "v"], ["w"])],
        "body",
        [value("i", TensorProto.INT64, []), value("going", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, None)],
    )
    nodes = [helper.make_node("Loop", ["" if times is None else "times", "yes", "x"], ["y"], body=body)]
    if inside_if:
        answer = [value("y", TensorProto.FLOAT, None)]
        yes = helper.make_graph([helper.make_node("Identity", ["y0"], ["y"])], "yes", [], answer)
        nodes[0].output[0] = "y0"
        yes.node.insert(0, nodes[0])
        no = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "no", [], answer)
        nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=yes, else_branch=no)]
    constants = {"yes": np.array(True), "times": np.array(times or 0)}
    shape = (None, 4)
    return write(path, nodes, {"x": (TensorProto.FLOAT, shape)}, {"y": (TensorProto.FLOAT, shape)}, constants)
