"""Class names that a graph carries: scikit-learn's converters write them beside or into the answer."""

from __future__ import annotations

import onnx
from onnx import numpy_helper

from auditor.onnx.graph import all_nodes

_LABELS = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_COPYING = {"Identity", "Cast", "Reshape", "Squeeze", "Flatten"}


def class_names(model: onnx.ModelProto, output: str) -> tuple[str, ...] | None:
    """Names of the classes in the order of the scores in `output`, or None where the graph tells none.

    Read from the ZipMap that makes `output`, else from the classifiers of the graph if they agree, else from the table
    in which the graph's label is looked up. Labels that only count from 0 are no names.
    """
    writers = {name: node for node in model.graph.node for name in node.output}
    last = writers.get(output)
    if last is not None and last.op_type == "ZipMap":
        return _names(_attribute(last))
    told = {labels for node in all_nodes(model.graph) if (labels := _attribute(node))}
    looked_up = [_table(model, writers, value.name) for value in model.graph.output if value.name != output]
    candidates = told or {labels for labels in looked_up if labels}
    return _names(candidates.pop()) if len(candidates) == 1 else None


def _names(labels: tuple[str, ...]) -> tuple[str, ...] | None:
    return labels if labels and labels != tuple(map(str, range(len(labels)))) else None


def _attribute(node: onnx.NodeProto) -> tuple[str, ...]:
    for attribute in node.attribute:
        if attribute.name in _LABELS:
            return _texts([*attribute.strings, *attribute.ints])
    return ()


def _table(model: onnx.ModelProto, writers: dict[str, onnx.NodeProto], label: str) -> tuple[str, ...]:
    """The constant that `label` is picked from."""
    node = writers.get(label)
    for _ in model.graph.node:  # a damaged graph may run in circles
        if node is None or node.op_type not in _COPYING or not node.input:
            break
        node = writers.get(node.input[0])
    if node is None or node.op_type not in ("ArrayFeatureExtractor", "Gather") or not node.input:
        return ()
    table = next((tensor for tensor in model.graph.initializer if tensor.name == node.input[0]), None)
    if table is None or table.data_location == onnx.TensorProto.EXTERNAL:
        return ()
    if table.data_type == onnx.TensorProto.STRING:
        return _texts(table.string_data)
    if table.data_type not in (onnx.TensorProto.INT32, onnx.TensorProto.INT64):
        return ()
    return _texts(numpy_helper.to_array(table).ravel().tolist())


def _texts(labels: list[bytes | int]) -> tuple[str, ...]:
    return tuple(label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label) for label in labels)
