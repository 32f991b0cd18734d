"""Back to a file: the graph that a twin was made of, with other weights."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import AttributeProto, NodeProto, TensorProto
from onnx.external_data_helper import set_external_data, uses_external_data

from auditor.errors import ModelError, UsageError
from auditor.onnx.files import read_model
from auditor.onnx.float_form import float_form, is_quantised
from auditor.onnx.graph import all_tensors, expand_functions
from auditor.onnx.tensors import NARROW, to_torch, type_name

ONE_FILE = 2**31 - 2**20
"""Bytes up to which a model fits into one file: protobuf's 2 GB, less room for what is not counted."""

FLOAT_FORM = (
    "The graph is quantised, and integers cannot be trained: it was written in its float form, with weights as "
    "floats and activations clipped to the range that they were quantised to. Quantise it again after training."
)

OUTSIDE = 1024
"""Bytes from which on a tensor goes into the file beside the model, as PyTorch's exporter has it."""

Slot = TensorProto | AttributeProto
"""Where a file stores a weight: a tensor, or the list of floats of a Constant node."""


@dataclass(frozen=True)
class Exported:
    """What was written: the file, the names of the tensors that differ from the original, and remarks."""

    path: Path
    changed: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Where the model that a twin was made of is found again: a file, or a copy of what was in memory.

    `stored` are the names of the tensors in it that a twin's weights can be written to, and `files` what it lies in,
    with the size and the time of the last change of each.
    """

    source: Path | onnx.ModelProto
    stored: frozenset[str]
    files: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    external: bool = False

    def model(self) -> onnx.ModelProto:
        """The model, weights included: read again, since keeping it would double what a twin takes.

        Raises ModelError where the file has gone or changed.
        """
        if isinstance(self.source, onnx.ModelProto):
            copy = onnx.ModelProto()
            copy.CopyFrom(self.source)
            return copy
        model = read_model(self.source)
        if changed := [path for path, stamp in self.files.items() if _stamp(path) != stamp]:
            raise ModelError(f"{changed[0]} has changed since the twin was made of it; load it again.")
        return model


def read_origin(source: Path | str | onnx.ModelProto) -> tuple[onnx.ModelProto, Origin]:
    """Read a model and remember where it came from; raises ModelError as `read_model` does."""
    if isinstance(source, onnx.ModelProto):
        model = onnx.ModelProto()
        model.CopyFrom(read_model(source))  # the caller's may change
        return model, Origin(model, _stored(model))
    path = Path(source).absolute()
    model = read_model(source, weights=False)
    outside = {place for tensor in all_tensors(model) if uses_external_data(tensor) for place in _locations(tensor)}
    model = read_model(source) if outside else model
    files = {path.resolve(), *((path.parent / place).resolve() for place in outside)}
    return model, Origin(path, _stored(model), {file: _stamp(file) for file in files}, external=bool(outside))


def _locations(tensor: TensorProto) -> list[str]:
    return [entry.value for entry in tensor.external_data if entry.key == "location"]


def _stored(model: onnx.ModelProto) -> frozenset[str]:
    names = frozenset(_slots(model.graph))
    # A node without a name goes by its number, which expanding functions shifts.
    if any("#" in name for name in names) and expand_functions(model) is not model:
        return frozenset(name for name in names if "#" not in name)
    return names


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def write_back(
    origin: Origin, weights: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor], path: Path
) -> Exported:
    """Write the origin's model to `path` with other values of its tensors, which go by their names in the graph.

    Each of `weights` must have a place in the file. Of `others`, those that the graph computes are passed over.
    """
    model = origin.model()
    quantised = is_quantised(model)
    if quantised:
        model = float_form(model)
    slots = _slots(model.graph)
    lost = [name for name in weights if name not in slots]
    if lost:
        raise ModelError(f"The weight {lost[0]!r} has no place in the file, so the twin cannot be written.")
    stored = {name: value for name, value in others.items() if name in slots and (quantised or name in origin.stored)}
    changed = _replace(slots, {**weights, **stored})
    notes = [FLOAT_FORM] if quantised else []
    notes += _write(model, path, origin)
    return Exported(path, changed, tuple(notes))


def _replace(slots: Mapping[str, Slot], tensors: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    changed = []
    for name, tensor in tensors.items():
        before = _read(slots[name])
        if tensor.shape != before.shape:
            raise ModelError(
                f"The weight {name!r} has the shape {tuple(tensor.shape)}, but the file stores {tuple(before.shape)}; "
                "a graph cannot be written with weights of another shape."
            )
        after = tensor.to("cpu", before.dtype)
        if not torch.equal(after, before):
            _store(slots[name], after)
            changed.append(name)
    return tuple(changed)


def _slots(graph: onnx.GraphProto) -> dict[str, Slot]:
    """Every stored tensor by its name in the twin; a name that two nodes' subgraphs share stands for neither."""
    found: dict[str, Slot] = {}
    shared = set()
    slots: Iterator[tuple[str, Slot]] = chain(_tensors(graph), _float_lists(graph))
    for name, slot in slots:
        if name in found:
            shared.add(name)
        found[name] = slot
    return {name: slot for name, slot in found.items() if name not in shared}


def _tensors(graph: onnx.GraphProto) -> Iterator[tuple[str, TensorProto]]:
    for prefix, inner in _graphs(graph):
        yield from ((prefix + tensor.name, tensor) for tensor in inner.initializer)
        for node, attribute in _constants(inner):
            if attribute.type == AttributeProto.TENSOR:
                yield prefix + node.output[0], attribute.t


def _float_lists(graph: onnx.GraphProto) -> Iterator[tuple[str, AttributeProto]]:
    for prefix, inner in _graphs(graph):
        for node, attribute in _constants(inner):
            if attribute.type == AttributeProto.FLOATS:
                yield prefix + node.output[0], attribute


def _constants(graph: onnx.GraphProto) -> Iterator[tuple[NodeProto, AttributeProto]]:
    for node in graph.node:
        if node.op_type == "Constant":
            yield from ((node, attribute) for attribute in node.attribute)


def _graphs(graph: onnx.GraphProto, prefix: str = "") -> Iterator[tuple[str, onnx.GraphProto]]:
    """The graph and those inside of it, each with the prefix that names in it get (see Program)."""
    yield prefix, graph
    for index, node in enumerate(graph.node):
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _graphs(attribute.g, f"{prefix}{node.name or f'#{index}'}/{attribute.name}/")


def _read(slot: Slot) -> torch.Tensor:
    return to_torch(slot) if isinstance(slot, TensorProto) else torch.tensor(list(slot.floats))


def _store(slot: Slot, value: torch.Tensor) -> None:
    if isinstance(slot, AttributeProto):
        slot.floats[:] = value.tolist()
        return
    if slot.data_type in NARROW:
        kind = type_name(slot.data_type)
        raise ModelError(f"The values of {slot.name!r} ({kind}) cannot be changed; change those of the float form.")
    for data in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
        slot.ClearField(data)
    raw = value.contiguous().reshape(-1).view(torch.uint8).numpy()
    # ONNX stores little-endian, whatever the machine.
    slot.raw_data = raw.tobytes() if np.little_endian else raw.reshape(-1, value.element_size())[:, ::-1].tobytes()


def _write(model: onnx.ModelProto, path: Path, origin: Origin) -> list[str]:
    """Write beside the destination, check, then move into place; what the check objected to is returned."""
    if not path.name:
        raise UsageError("The model needs the name of a file to be written to, such as hardened.onnx.")
    data = f"{path.name}.data"
    if not origin.files.keys().isdisjoint({path.resolve(), path.with_name(data).resolve()}):
        raise UsageError(f"Writing {path} would replace the model that it was made of; choose another name.")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no file that could be replaced; choose another name.")
    if origin.external or model.ByteSize() > ONE_FILE:
        _move_outside(model, data)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            written = Path(folder) / path.name
            onnx.save_model(model, written, format="protobuf")
            notes = _objections(written)
            for part in (Path(folder) / data, written):  # the graph last: it is what makes the model appear
                if part.exists():
                    os.replace(part, path.with_name(part.name))
    except OSError as error:
        raise UsageError(f"The model cannot be written to {path}: {error}.") from error
    return notes


def _move_outside(model: onnx.ModelProto, data: str) -> None:
    """Mark all that is large to be saved in the file `data` beside the model.

    ONNX's own function refuses where a file of that name lies in the current folder, which has nothing to do with it.
    """
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) >= OUTSIDE:
            set_external_data(tensor, data)


def _objections(path: Path) -> list[str]:
    try:
        onnx.checker.check_model(str(path))
    except Exception as error:  # ONNX Runtime accepts graphs that the checker does not, and so do we
        return [f"The checker of ONNX objects to the graph, as it did before: {str(error).strip().splitlines()[0]}"]
    return []
