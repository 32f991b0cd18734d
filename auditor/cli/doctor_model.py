"""What `auditor doctor MODEL` finds out: what the file holds, what works with it, and what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from auditor.cli.doctor_file import ENDINGS, files
from auditor.cli.doctor_page import SEVERITIES, Obstacle, Page
from auditor.cli.doctor_speed import Speed, measure
from auditor.engine.environment import choose_device
from auditor.engine.options import model_options
from auditor.errors import DataError, ModelError
from auditor.formats.words import count
from auditor.samples.base import SampleOptions
from auditor.target.agreement import Agreement, agreement, distrust
from auditor.target.answers import PASSES, at_random, constant, not_finite
from auditor.target.batching import Loop, takes
from auditor.target.binding import bind_to

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.plugins import Plugins
    from auditor.settings import Settings
    from auditor.target.base import Target
    from auditor.types import Images

_SAMPLES = 8
_NAMED = 12
_GUESSED = (224, 224)
_WAYS = {
    "native": "any batch, as one (native)",
    "vmap": "any batch, all {groups} at once (torch.vmap)",
    "loop": "{size} at a time (loop)",
}
_CONSTANT = Obstacle(
    "warn",
    "The answers do not depend on the input",
    "All samples that it was tried with, different as they are, got exactly the same answer.",
    "If noise is no input for this model, say --data; else export it again: its weights, or what it does to its input, "
    "are lost.",
)
_MIXED = Obstacle(
    "warn",
    "The answers depend on the rest of the batch",
    "In a batch samples get other answers than alone. The audit asks about them one at a time, which takes longer.",
    "Export the model in eval mode; if that is done, look for scales or reshapes that go across the batch.",
)


def examine(page: Page, settings: Settings, plugins: Plugins, *, noise: bool) -> None:
    """Load the first model of `settings`, and try it with noise or with the first samples of its data.

    Raises:
        AuditorError: the file cannot even be read, or the flags make no sense.
    """
    options = model_options(settings, trust=settings.trust)
    try:
        target = plugins.load_model(settings.models[0], options, choose_device(settings.device))
    except ModelError as error:
        if not page.identity:
            raise
        page.obstacles.append(Obstacle("block", "The model does not load", str(error)))
        return
    page.files += files(target)
    if not page.identity:
        page.identity += [(key.replace("_", " "), str(value)) for key, value in target.details.items()]
    with target.frozen():
        try:
            _try(page, target, None if noise else _samples(settings, plugins, target))
        except (ModelError, DataError) as error:
            page.obstacles.append(Obstacle("block", "The model does not run", str(error)))
    page.obstacles += map(_obstacle, target.findings)
    page.obstacles.sort(key=lambda obstacle: SEVERITIES.index(obstacle.severity))


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
    passes = torch.stack([target.answer(x) for _ in range(PASSES)])
    if (found := not_finite(passes[0])) is not None:
        target.findings.append(found)
        return
    target.findings += filter(None, [at_random(passes)])
    if constant(passes[0]) and not constant(x):
        page.obstacles.append(_CONSTANT)
    measured = agreement(target, x) if target.gradients == "twin" else None
    page.abilities += [*_gradients(target, measured), *_training(target), *_batches(target)]
    page.abilities += _speed(measure(target, x), target)
    page.obstacles += _baked(target, x)
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
    cut = f", without {ENDINGS.get(target.ending, 'its end')}, which would flatten them" if target.stripped else ""
    return [("gradients", f"through the twin{cut}"), ("twin", measured.summary)]


def _training(target: Target) -> list[tuple[str, str]]:
    """What `auditor.onnx` gives beside the audit: weights to train, and floats for a quantised file."""
    rows = []
    if target.twin is not None and "trainable" in target.details:
        rows.append(("trainable", f"{count(target.details['trainable'])} numbers, the parameters of the twin"))
    if target.details.get("quantised"):
        rows.append(("float form", "auditor.onnx.float_form makes it: the same network with float weights, to train"))
    return rows


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


def _baked(target: Target, x: Images) -> list[Obstacle]:
    if "loop" not in target.batching and "vmap" not in target.batching:
        return []
    if isinstance(target.deployed, Loop):
        with torch.no_grad():
            if takes(target.deployed.network, target.preprocessing(x[:2].to(target.device)), target.deployed.size + 1):
                return [_MIXED]
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
    rows: list[tuple[float | None, str]] = [(speed.deployed, f"forward in {_runtime(target)}")]
    if speed.twin is not None and not own:
        rows.append((speed.twin, "forward in the twin"))
    if speed.gradients is not None:
        rows.append((speed.gradients, "forward and backward" + ("" if own else " in the twin")))
    else:
        rows.append((None, "forward and backward: there are no gradients"))
    numbers = [_rate(rate) for rate, _ in rows]
    width = max(map(len, numbers))
    lines = [f"{number:>{width}}  {what}" for number, (_, what) in zip(numbers, rows, strict=True)]
    lines.append(f"samples a second, in batches of {speed.batch}")
    return [("" if number else "passes/s", line) for number, line in enumerate(lines)]


def _rate(rate: float | None) -> str:
    if rate is None:
        return "none"
    return count(round(rate)) if rate >= 10 else f"{rate:.1f}"


def _obstacle(finding: Finding) -> Obstacle:
    return Obstacle(str(finding.severity), finding.title, finding.detail, finding.remedy, finding.code)
