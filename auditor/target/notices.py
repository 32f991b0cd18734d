"""What loading and binding have to say to the reader of a report."""

from __future__ import annotations

import torch

from auditor.check import Finding, Severity
from auditor.target.layout import shape_text

RANDOM = "AUD108"
TWIN = "AUD114"
FINITE = "AUD117"
SCALED = "AUD120"
REPEATED = "AUD121"
ROUNDED = "AUD122"
RUNTIME = "AUD123"
OUTPUT = "AUD124"
OVERFLOW = "AUD127"


REGISTER = (
    "Audit the PyTorch model that the file was exported from as well, or register the operator (auditor.onnx.operator)."
)

EXPORT_AGAIN = (
    "Export the model again without what is named here, or audit the PyTorch model that it was exported from as well."
)

MORE_MEMORY = "Use a machine with more memory, or export a model that needs less."

MORE_QUERIES = "Nothing is wrong with the file. --suite thorough gives attacks that only ask more queries."


def remedy(error: Exception) -> str:
    """What helps where a twin could not be made, or did not run."""
    short = isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
    return MORE_MEMORY if short else EXPORT_AGAIN


def no_twin(reason: str, remedy: str = EXPORT_AGAIN) -> Finding:
    """The graph has no differentiable form."""
    return Finding(
        code=TWIN,
        severity=Severity.WARN,
        title="No gradients: black-box attacks only",
        detail=f"{reason} Attacks that only ask the deployed model go on; they are weaker, so the robust accuracy is a "
        "looser bound.",
        remedy=remedy,
    )


def labels_only(output: str) -> Finding:
    """The graph answers with the number of the class, and gives no scores."""
    return no_twin(
        f"The model answers with labels alone ({output}), so there is no slope to follow, and attacks that need scores "
        "are left out too.",
        "Export the model with its scores to have it attacked with gradients; they are what a thief of the file has.",
    )


def scaled(sample: tuple[int, ...], size: tuple[int, int]) -> Finding:
    """Samples have another size than the network's input."""
    return Finding(
        code=SCALED,
        severity=Severity.INFO,
        title="Samples are scaled to the model's size",
        detail=f"Samples of shape {shape_text(sample)} are scaled to {size[0]}x{size[1]} (bilinear, antialiased) on "
        "their way into the model; budgets are in the samples' own pixels.",
        remedy="Give samples in the model's size if that is what it sees when deployed.",
    )


def repeated(channels: int) -> Finding:
    """Samples are gray, the network looks at colour."""
    return Finding(
        code=REPEATED,
        severity=Severity.INFO,
        title="Gray samples are repeated to colour",
        detail=f"The model takes {channels} channels and the samples have one, which is given to each of them; "
        "an attacker changes them together.",
    )


def rounded(dtype: str) -> Finding:
    """The network takes integers."""
    return Finding(
        code=ROUNDED,
        severity=Severity.INFO,
        title="Inputs are rounded to whole numbers",
        detail=f"The model takes {dtype}, so what it sees is rounded; gradients pass as if it were not.",
    )


def runtime_elsewhere(wanted: str, providers: list[str]) -> Finding:
    """ONNX Runtime could not have the device that was asked for."""
    return Finding(
        code=RUNTIME,
        severity=Severity.WARN,
        title="ONNX Runtime does not run on the device",
        detail=f"The audit runs on {wanted}, but ONNX Runtime runs on {', '.join(providers)}, which is slower; "
        "the answers are the same to within rounding.",
        remedy="Install onnxruntime-gpu and remove onnxruntime, which hides it; `auditor doctor` shows both.",
    )


def output_chosen(name: str, others: list[str]) -> Finding:
    """Several outputs look like scores of classes."""
    return Finding(
        code=OUTPUT,
        severity=Severity.INFO,
        title=f"Judged by its output {name!r}",
        detail=f"The graph has other outputs that could be scores as well: {', '.join(others)}.",
        remedy="Name another with --output.",
    )


def sums_overflow(wide: int, weights: int) -> Finding:
    """The processor adds up 8-bit products in too few bits, and the quantised graph has weights that need more."""
    return Finding(
        code=OVERFLOW,
        severity=Severity.INFO,
        title="On this processor sums of 8-bit products overflow",
        detail="ONNX Runtime adds such products in sixteen bits here, as on all processors without VNNI instructions, "
        f"and {wide:,} of the graph's {weights:,} 8-bit weights are large enough to overflow them. What is audited are "
        "the answers given here; processors that have these instructions, and graphics cards, may answer otherwise.",
        remedy="Audit on the kind of processor that the model is deployed on, or quantise with `reduce_range=True`, "
        "which is exact on all.",
        evidence={"weights beyond seven bits": wide, "8-bit weights": weights},
    )
