"""Which input of a graph gets the samples, and which output holds the scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from auditor.errors import ModelError, UsageError

if TYPE_CHECKING:
    import onnxruntime

    from auditor.target.base import ModelOptions

_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(bfloat16)", "tensor(double)")
_WHOLE = ("tensor(int64)", "tensor(int32)")


@dataclass(frozen=True)
class Port:
    """An input or output of a session: its name, and ONNX Runtime's words for its type and its sizes.

    `dims` has a number, a name or None for each axis; None itself where the file does not tell, and for single numbers.
    """

    name: str
    kind: str
    dims: tuple[int | str | None, ...] | None

    @property
    def labels(self) -> bool:
        """Whether its numbers can be labels, and not scores."""
        return self.kind in _WHOLE

    @property
    def shape(self) -> tuple[int | None, ...] | None:
        """Sizes, with None where any fits."""
        return None if self.dims is None else tuple(size if isinstance(size, int) else None for size in self.dims)

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.dims or ())
        return f"{self.name} ({self.kind.removeprefix('tensor(').removesuffix(')')}[{sizes}])"


def choose_input(session: onnxruntime.InferenceSession, options: ModelOptions) -> tuple[Port, list[Port]]:
    """The input that gets the samples, and the others that have to be given.

    Without a word from the user: the only one that has no constant, or the only tensor of floats with two axes or more.

    Raises:
        ModelError: there is none, or several could be meant.
        UsageError: the user names one that is not there.
    """
    inputs = ports(session.get_inputs())
    words = ", ".join(map(str, inputs))
    if not inputs:
        raise ModelError("The model has no input, so there is nothing to attack.")
    if options.input is not None:
        candidates = [port for port in inputs if port.name == options.input]
        if not candidates:
            raise UsageError(f"The model has no input {options.input!r}; it has {words}.")
        if options.input in options.constants:
            raise UsageError(f"The input {options.input!r} cannot get both the samples and a constant.")
    else:
        candidates = [port for port in inputs if port.name not in options.constants]
    if len(candidates) > 1:
        candidates = [port for port in candidates if port.kind in _FLOATS and len(port.dims or ()) >= 2]
    if len(candidates) != 1:
        raise ModelError(
            f"The model has {len(inputs)} inputs: {words}. Say with --input NAME which gets the samples, "
            "and with --constant NAME=VALUE what each other gets."
        )
    return candidates[0], [port for port in inputs if port is not candidates[0]]


def refuse_empty(model: onnx.ModelProto, name: str) -> None:
    """Raise ModelError where the input `name` declares an axis that no sample has; -1 stands for any size.

    ONNX Runtime's own words for shapes do not tell the two apart.
    """
    value = next((value for value in model.graph.input if value.name == name), onnx.ValueInfoProto())
    sizes = [axis.dim_value for axis in value.type.tensor_type.shape.dim if axis.HasField("dim_value")]
    if wrong := [size for size in sizes if size == 0 or size < -1]:
        raise ModelError(
            f"The model's input {name!r} declares an axis of size {wrong[0]}, which no sample has; "
            "export it again, or write the true size, or a name where any fits, into the shape of its input."
        )


def choose_output(session: onnxruntime.InferenceSession, options: ModelOptions) -> tuple[Port, list[str]]:
    """The output with the scores, and the names of others that could be meant.

    Without a word from the user: the first tensor of floats that is a row for each sample, and among those rather one
    with as many scores as there are class names. Where nothing but labels is to be had, or meant, those in numbers.

    Raises:
        UsageError: no such output.  ModelError: none that could be judged.
    """
    outputs = ports(session.get_outputs())
    words = ", ".join(f"{port.name} ({port.kind})" for port in outputs)
    if options.output is not None and options.output not in {port.name for port in outputs}:
        raise UsageError(f"The model has no output {options.output!r}; it has {words}.")
    considered = [port for port in outputs if options.output in (None, port.name)]
    floats = [port for port in considered if port.kind in _FLOATS]
    labels = [port for port in considered if port.labels and _looks_like_rows(port.shape)]
    if labels and not floats:
        return labels[0], [port.name for port in labels[1:]]
    if not floats:
        raise ModelError(
            f"The model answers with {words}, which are neither scores nor numbers of classes; export it with its "
            "scores or probabilities as well."
        )
    rows = [port for port in floats if _looks_like_rows(port.shape)] or floats
    if options.classes is not None:
        rows.sort(key=lambda port: port.shape is None or len(options.classes or ()) not in port.shape)
    return rows[0], [port.name for port in rows[1:]]


def without_zipmap(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """The model answering with the tensor of probabilities where scikit-learn's converter put dictionaries.

    None where there is none. The numbers are the same: ZipMap only gives them names.
    """
    outputs = {value.name for value in model.graph.output}
    if not any(node.op_type == "ZipMap" and outputs.intersection(node.output) for node in model.graph.node):
        return None
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for node in changed.graph.node:
        if node.op_type == "ZipMap" and outputs.intersection(node.output):
            node.CopyFrom(onnx.helper.make_node("Identity", list(node.input), list(node.output), name=node.name))
            value = next(v for v in changed.graph.output if v.name == node.output[0])
            value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, None))
    return changed


def ports(arguments: list[onnxruntime.NodeArg]) -> list[Port]:
    """Inputs or outputs of a session."""
    return [Port(a.name, a.type, _dims(a.shape)) for a in arguments]


def _dims(shape: list[int | str | None] | None) -> tuple[int | str | None, ...] | None:
    """Sizes that are not positive are free; no shape at all is None."""
    return tuple(size if isinstance(size, str) or (size or 0) > 0 else None for size in shape) if shape else None


def _looks_like_rows(shape: tuple[int | None, ...] | None) -> bool:
    return shape is None or len(shape) == 1 or (len(shape) >= 2 and sum(size != 1 for size in shape[1:]) <= 1)
