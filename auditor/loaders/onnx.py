"""ONNX files: the answer is ONNX Runtime's, gradients come from a differentiable twin of the graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from auditor.errors import ModelError, UsageError
from auditor.loaders.onnx_classes import class_names
from auditor.loaders.onnx_constants import Constants, read_constants
from auditor.loaders.onnx_files import digest, may_not_end, model_files
from auditor.loaders.onnx_labels import OneHot, count_classes
from auditor.loaders.onnx_signature import Port, choose_input, choose_output, refuse_empty, without_zipmap
from auditor.onnx import inspect_graph, load_twin
from auditor.onnx.files import read_model
from auditor.onnx.overflow import overflows, wide_weights
from auditor.onnx.registry import StepFunction, UnsupportedOperator
from auditor.onnx.strides import lay
from auditor.target import limits, notices
from auditor.target.base import Target
from auditor.target.metadata import fill
from auditor.target.runtime import Runtime, full_precision, open_session

if TYPE_CHECKING:
    import onnx

    from auditor.check import Finding
    from auditor.onnx import GraphInfo
    from auditor.target.base import ModelOptions, Network

_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}


def load(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """The target for an ONNX file, or None where `path` names something else.

    Raises:
        ModelError: the file is missing, damaged, asks for what ONNX Runtime lacks, or is no classifier of one input.
        UsageError: an execution provider or an output was asked for that is not there, or weights were given.
    """
    file = Path(path)
    if file.is_dir():
        _refuse_folder(file)
    if file.suffix.lower() != ".onnx":
        return None
    if options.weights is not None:
        raise UsageError(f"--weights goes with a factory such as package.module:factory; {path} has its own weights.")
    try:
        return _load(file, path, options, device)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (TypeError, ValueError) as error:  # protobuf gives bytes where a name is no text, and all stumble over them
        raise ModelError(f"{path} is damaged ({error}); write or download it again.") from error


def _load(file: Path, source: str, options: ModelOptions, device: torch.device) -> Target:
    model = read_model(file, weights=False)
    files = model_files(file, model)
    info = inspect_graph(model)
    options = fill(options, file, info.metadata)
    rewritten = without_zipmap(model)
    try:
        session = open_session(rewritten.SerializeToString() if rewritten else file, device, options.providers)
        port, further = choose_input(session, options)
        refuse_empty(model, port.name)
        constants, arrays = read_constants(options, port, further)
        answer, others = choose_output(session, options)
        output = answer.name
        limit = limits.SECONDS if may_not_end(model) else None
        runtime = Runtime(session, port.name, output, device, constants, limit)
        classes = _fitting(class_names(model, output), answer)
        deployed = (
            OneHot(runtime, count_classes(model, output, options.classes or classes)) if answer.labels else runtime
        )
    except (ModelError, UsageError) as error:
        raise type(error)(f"{source}: {error}") from error
    target = Target(
        name=file.stem,
        source=source,
        sha256=digest([*files, *arrays]),
        format="onnx",
        deployed=deployed,
        twin=None,
        gradients="none",
        input_shape=port.shape,
        options=options,
        device=device,
        input_dtype=runtime.dtype,
        further_inputs=constants,
        details=_details(info, files)
        | {"input_name": port.name, "output_name": output, "providers": session.get_providers()}
        | ({"constants": dict(options.constants)} if further else {}),
    )
    target.classes = classes
    if others:
        target.findings.append(notices.output_chosen(output, others))
    if runtime.device.type == "cpu" and info.quantised:
        target.findings.extend(_overflowing(model))
    if device.type != runtime.device.type:
        target.findings.append(notices.runtime_elsewhere(str(device), session.get_providers()))
    if answer.labels:
        target.ending = "labels"
        target.findings.append(notices.labels_only(output))
        return target
    try:
        with _in_time(limit):
            twin = load_twin(rewritten or file, output=output).to(target.device)
        lay(twin)  # anew, since what suits a CPU need suit no other device
    except Exception as error:  # whatever a graph does to the executor, black-box attacks can go on
        target.findings.append(_no_twin(error, info))
        return target
    around = partial(_casting, twin.input_name, port.name, target.input_dtype, constants, limit)
    target.twin, target.gradients = around(twin), "twin"
    target.remade = lambda change: around(change(twin))
    target.ending, target.stripped = twin.head, twin.stripped
    target.details = {**target.details, "trainable": sum(weight.numel() for weight in twin.parameters())}
    return target


def _overflowing(model: onnx.ModelProto) -> Iterator[Finding]:
    """Where this processor's answers are not those of others."""
    wide, weights = wide_weights(model)
    if wide and overflows():
        yield notices.sums_overflow(wide, weights)


def _refuse_folder(folder: Path) -> None:
    """A folder is not ours, unless it holds models: then the user is one name short."""
    inside = sorted(file.name for file in folder.glob("*.onnx"))
    if inside:
        raise ModelError(f"{folder} is a folder; name the model file in it, for example {folder / inside[0]}.")


def _fitting(names: tuple[str, ...] | None, output: Port) -> tuple[str, ...] | None:
    """The graph's class names, unless the output that is judged has another number of scores."""
    scores = output.dims[-1] if output.dims and not output.labels else None
    return names if names is None or not isinstance(scores, int) or scores == len(names) else None


def _no_twin(error: Exception, info: GraphInfo) -> Finding:
    """Why there is no twin; the remedy follows the cause."""
    reason = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}."
    if isinstance(error, StepFunction):
        return notices.no_twin(reason, notices.MORE_QUERIES)
    if isinstance(error, UnsupportedOperator) and _RANDOM.isdisjoint(info.operators):
        return notices.no_twin(reason, notices.REGISTER)
    return notices.no_twin(reason, notices.remedy(error))


def _in_time(limit: float | None) -> AbstractContextManager[object]:
    """Where a twin runs: graphs that might not end must within `limit` seconds."""
    return nullcontext() if limit is None else limits.Deadline(limit)


def _casting(
    first: str, name: str, dtype: torch.dtype, constants: Constants, limit: float | None, twin: nn.Module
) -> Network:
    """The twin, whose main input is `first`, with samples at the input `name`, constants at the others.

    Samples become `dtype`, a pass may take `limit` seconds. One that takes integers gets whole numbers as floats, which
    have gradients.
    """
    dtype = dtype if dtype.is_floating_point else torch.float32

    def run(x: torch.Tensor) -> torch.Tensor:
        values = {**constants(x), name: x.to(dtype)}
        main = values.pop(first)
        with full_precision(), _in_time(limit):
            answer: torch.Tensor = twin(main, **values)
        return answer

    return run


def _details(info: GraphInfo, files: list[Path]) -> dict[str, Any]:
    return {
        "opset": info.opset,
        "opsets": {domain or "ai.onnx": version for domain, version in info.opsets.items()},
        "producer": info.producer,
        "ir_version": info.ir_version,
        "operators": dict(info.operators.most_common()),
        "unsupported": list(info.unsupported),
        "parameters": info.parameters,
        "quantised": info.quantised,
        "quantisation": info.quantisation,
        "bytes": sum(file.stat().st_size for file in files),
        "files": [file.name for file in files],
    }
