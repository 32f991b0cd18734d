"""What `auditor doctor MODEL` finds out: what the file holds, what works with it, and what stands in the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from auditor.cli.doctor_page import Obstacle, Page
from auditor.cli.doctor_speed import Speed, measure
from auditor.engine.environment import choose_device
from auditor.engine.options import model_options
from auditor.errors import DataError, ModelError
from auditor.formats.words import count
from auditor.onnx import inspect_graph
from auditor.samples.base import SampleOptions
from auditor.target.agreement import Agreement, agreement, distrust
from auditor.target.binding import bind_to

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.onnx import GraphInfo, TensorInfo
    from auditor.plugins import Plugins
    from auditor.settings import Settings
    from auditor.target.base import Target
    from auditor.types import Images

_SAMPLES = 8
_NAMED = 12
_GUESSED = (224, 224)
_ENDINGS = {"softmax": "a softmax", "sigmoid": "a sigmoid", "log_softmax": "the logarithm of a softmax"}
_WAYS = {
    "native": "any batch, as one (native)",
    "vmap": "any batch, all {groups} at once (torch.vmap)",
    "loop": "{size} at a time (loop)",
}


def examine(settings: Settings, plugins: Plugins, *, noise: bool) -> Page:
    """Look into the first model of `settings`, and try it with noise or with the first samples of its data.

    Raises:
        AuditorError: the file cannot even be read, or the flags make no sense.
    """
    path = settings.models[0]
    info = _inspected(path)
    page = Page(path, _identity(info) if info else [], obstacles=_old(info) if info else [])
    try:
        target = plugins.load_model(path, model_options(settings, trust=settings.trust), choose_device(settings.device))
    except ModelError as error:
        if info is None:
            raise
        page.obstacles.append(Obstacle("block", "The model does not load", str(error)))
        return page
    page.identity[:0] = _files(target)
    if info is None:
        page.identity += [(key.replace("_", " "), str(value)) for key, value in target.details.items()]
    with target.frozen():
        try:
            _try(page, target, None if noise else _samples(settings, plugins, target))
        except (ModelError, DataError) as error:
            page.obstacles.append(Obstacle("block", "The model does not run", str(error)))
    page.obstacles += map(_obstacle, target.findings)
    page.obstacles.sort(key=lambda obstacle: ("block", "warn", "info").index(obstacle.severity))
    return page


def _inspected(path: str) -> GraphInfo | None:
    """What an ONNX file says about itself; None where this is none, or too damaged to say anything."""
    if Path(path).suffix.lower() != ".onnx":
        return None
    try:
        return inspect_graph(path)
    except (ModelError, OSError, TypeError, ValueError):
        return None  # loading it says what is wrong


def _files(target: Target) -> list[tuple[str, str]]:
    rows = [("format", target.format)]
    if files := target.details.get("files"):
        beside = f": {', '.join(files)}, which belong together" if len(files) > 1 else ""
        rows.append(("size", f"{count(target.details['bytes'])} bytes{beside}"))
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
        *([("ends with", _ENDINGS[info.head])] if info.head in _ENDINGS else []),
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


def _samples(settings: Settings, plugins: Plugins, target: Target) -> Images:
    options = SampleOptions(limit=_SAMPLES, size=settings.input_size or target.image_size())
    samples = plugins.load_samples(settings.data, options)
    return samples.fetch(range(min(_SAMPLES, len(samples))))


def _try(page: Page, target: Target, x: Images | None) -> None:
    """Bind the model to samples, or to noise of the shape that it declares, and see what works."""
    tried_with = f"the first {_SAMPLES} samples" if x is not None else "noise"
    x = _noise(target) if x is None else x
    if x is None:
        page.obstacles.append(
            Obstacle(
                "info",
                "Nothing was tried out",
                "The file does not say how large its input is.",
                "Say --data with samples such as it takes, or --input-size H,W for images.",
            )
        )
        return
    bind_to(target, x)
    page.abilities += [
        ("tried with", f"{tried_with} of shape {'x'.join(map(str, x.shape[1:]))}"),
        *_ports(target),
        ("answers", _answers(target)),
    ]
    measured = agreement(target, x) if target.gradients == "twin" else None
    page.abilities += [*_gradients(target, measured), *_batches(target)]
    page.abilities += _speed(measure(target, x), target)
    page.obstacles += _baked(target)
    if measured is not None and not measured.holds:
        target.drop_twin(distrust(measured))


def _noise(target: Target) -> Images | None:
    """Noise of the shape that the model declares; an image of the usual size where that is free, else None."""
    shape = target.input_shape[1:] if target.input_shape else ()
    if len(shape) == 3:
        last = target.options.layout == "nhwc" or (
            target.options.layout == "auto" and shape[2] in (1, 3) and shape[0] not in (1, 3)
        )
        channels, size = (shape[2], shape[:2]) if last else (shape[0], shape[1:])
        wanted = target.options.input_size or _GUESSED
        # All data is read with its channels first.
        shape = (channels or 3, *(have or guess for have, guess in zip(size, wanted, strict=True)))
    sizes = [size for size in shape if size is not None]
    if not shape or len(sizes) != len(shape):
        return None
    return torch.rand(_SAMPLES, *sizes, generator=torch.Generator().manual_seed(0))


def _ports(target: Target) -> list[tuple[str, str]]:
    facts: dict[str, Any] = dict(target.details)
    rows = []
    if facts.get("constants"):
        others = ", ".join(f"{name} = {_constant(value)}" for name, value in facts["constants"].items())
        rows.append(("samples go to", f"{facts['input_name']}, beside {others}"))
    return rows


def _constant(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _answers(target: Target) -> str:
    shown = (target.classes or ())[:_NAMED]
    more = ", …" if len(target.classes or ()) > _NAMED else ""
    names = f": {', '.join(shown)}{more}" if shown else ""
    output = f"{target.details['output_name']}: " if "output_name" in target.details else ""
    return f"{output}{target.head} of {target.num_classes} classes{names}"


def _gradients(target: Target, measured: Agreement | None) -> list[tuple[str, str]]:
    if measured is None:
        own = target.gradients == "native"
        return [("gradients", "the model's own" if own else "none: attacks that only ask the model")]
    cut = f", without {_ENDINGS.get(target.ending, 'its end')}, which would flatten them" if target.stripped else ""
    return [("gradients", f"through the twin{cut}"), ("twin", measured.summary)]


def _batches(target: Target) -> list[tuple[str, str]]:
    deployed, _, twin = target.batching.partition("; twin ")
    size = _declared_batch(target)
    told = {"size": size, "groups": "samples" if size == 1 else f"groups of {size}"}
    rows = [("batches", f"{_runtime(target)}: {_WAYS[deployed].format(**told)}")]
    if target.gradients == "twin":
        rows.append(("", f"the twin: {_WAYS[twin or deployed].format(**told)}"))
    return rows


def _declared_batch(target: Target) -> int:
    return (target.input_shape[0] if target.input_shape else None) or 1


def _runtime(target: Target) -> str:
    return "ONNX Runtime" if target.format == "onnx" else "the model"


def _baked(target: Target) -> list[Obstacle]:
    if "loop" not in target.batching and "vmap" not in target.batching:
        return []
    return [
        Obstacle(
            "info",
            f"The file takes batches of {_declared_batch(target)} only",
            "The audit works as it is, and takes longer: ONNX Runtime is asked once for each group of so many samples.",
            "Export the model with a free batch dimension (dynamic_shapes of torch.onnx.export).",
        )
    ]


def _speed(speed: Speed, target: Target) -> list[tuple[str, str]]:
    own = target.gradients == "native"
    rows = [(speed.deployed, f"forward in {_runtime(target)}")]
    if speed.twin is not None and not own:
        rows.append((speed.twin, "forward in the twin"))
    if speed.gradients is not None:
        rows.append((speed.gradients, "forward and backward" + ("" if own else " in the twin")))
    numbers = [count(round(rate)) if rate >= 10 else f"{rate:.1f}" for rate, _ in rows]
    width = max(map(len, numbers))
    lines = [f"{number:>{width}}  {what}" for number, (_, what) in zip(numbers, rows, strict=True)]
    lines.append(f"samples a second, in batches of {speed.batch}")
    return [("" if number else "passes/s", line) for number, line in enumerate(lines)]


def _obstacle(finding: Finding) -> Obstacle:
    return Obstacle(str(finding.severity), finding.title, finding.detail, finding.remedy, finding.code)
