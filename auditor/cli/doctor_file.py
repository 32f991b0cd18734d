"""What a model file says about itself, before anything that it holds is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from auditor.cli.doctor_page import Obstacle, Page
from auditor.errors import ModelError
from auditor.formats.words import count
from auditor.onnx import inspect_graph

if TYPE_CHECKING:
    from auditor.onnx import GraphInfo, TensorInfo
    from auditor.target.base import Target

ENDINGS = {"softmax": "a softmax", "sigmoid": "a sigmoid", "log_softmax": "the logarithm of a softmax"}


def describe(path: str) -> Page:
    """The page on a model so far; it says nothing yet where this is no ONNX file, or too damaged to say anything."""
    if Path(path).suffix.lower() != ".onnx":
        return Page(path)
    try:
        info = inspect_graph(path)
    except (ModelError, OSError, TypeError, ValueError):
        return Page(path)  # loading it says what is wrong
    return Page(path, _identity(info), obstacles=_old(info))


def files(target: Target) -> list[tuple[str, str]]:
    """Format, size and digest of the files that a model was loaded from."""
    rows = [("format", target.format)]
    if names := target.details.get("files"):
        rows.append(("size", f"{count(target.details['bytes'])} bytes"))
        first, *others = names
        if others:
            rows.append(("weights", f"beside {first}, in {', '.join(others)}; they belong together"))
    return [*rows, ("sha256", target.sha256)]


def _identity(info: GraphInfo) -> list[tuple[str, str]]:
    operators = ", ".join(f"{name} {number}" for name, number in info.operators.most_common())
    return [
        ("producer", f"{info.producer or 'not stated'}, IR version {info.ir_version}"),
        ("opsets", ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in sorted(info.opsets.items()))),
        ("operators", f"{count(info.operators.total())} of {count(len(info.operators), 'kind')}: {operators}"),
        ("parameters", count(info.parameters)),
        ("quantisation", info.quantisation),
        *(("input", _port(tensor)) for tensor in info.inputs),
        *(("output", _port(tensor)) for tensor in info.outputs),
        *([("ends with", ENDINGS[info.head])] if info.head in ENDINGS else []),
    ]


def _port(tensor: TensorInfo) -> str:
    if tensor.element_type == "UNDEFINED":
        return f"{tensor.name}: a sequence or dictionary"
    sizes = ", ".join("any" if size is None else str(size) for size in tensor.shape)
    return f"{tensor.name}: {tensor.element_type.lower()} [{sizes}]"


def _old(info: GraphInfo) -> list[Obstacle]:
    if not 0 < info.opset < 7:
        return []
    return [
        Obstacle(
            "warn",
            f"Opset {info.opset} is too old",
            "Before opset 7 operators broadcast by other rules: ONNX Runtime has few of them, the twin none.",
            "Convert it once with onnx.version_converter.convert_version(model, 17), or export it again.",
        )
    ]
