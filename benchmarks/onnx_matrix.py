"""Print a Markdown table: does the twin agree with ONNX Runtime and with torchvision, and how fast is it?

    python benchmarks/onnx_matrix.py                          # every architecture below
    python benchmarks/onnx_matrix.py resnet50 vit_b_16

Each architecture is exported by both PyTorch exporters with a fixed and a free batch. Columns: the largest
difference to ONNX Runtime over the largest output; the relative difference of the input gradient to
torchvision's, natively and through `torch.vmap` over single samples; load time; and the time of a forward and
backward pass over torchvision's own (less than 1 is faster). Weights are random, with noise on every
parameter and spread statistics, so that no part of a network is inert.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torchvision
from torch import Tensor, nn

from auditor.onnx import load_twin

SIZES = {
    "alexnet": 224,
    "vgg11": 224,
    "resnet18": 64,
    "resnet50": 224,
    "resnext50_32x4d": 64,
    "wide_resnet50_2": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "squeezenet1_0": 64,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "efficientnet_v2_s": 64,
    "shufflenet_v2_x1_0": 64,
    "regnet_y_400mf": 64,
    "mnasnet1_0": 64,
    "googlenet": 96,
    "inception_v3": 96,
    "vit_b_16": 224,
    "convnext_tiny": 64,
    "swin_t": 64,
    "swin_v2_t": 64,
    "maxvit_t": 224,
}
REPEATS = 5


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    module: nn.Module = torchvision.models.get_model(name, weights=None, **options).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    for weight in module.parameters():
        weight.data.add_(torch.randn_like(weight) * 0.02)
    return module


def export(module: nn.Module, x: Tensor, path: Path, *, dynamo: bool, free: bool) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        if dynamo:
            shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if free else None
            torch.onnx.export(module, (x,), path, dynamo=True, dynamic_shapes=shapes, external_data=False)
        else:
            axes = {"x": {0: "batch"}} if free else None
            torch.onnx.export(module, (x,), path, dynamo=False, input_names=["x"], dynamic_axes=axes)


def gradient(function: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (found,) = torch.autograd.grad((function(x) * direction).sum(), x)
    return found


def seconds(function: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        gradient(function, x, direction)
        best = min(best, time.perf_counter() - start)
    return best


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def runtime(path: Path, x: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answer: np.ndarray = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    return answer


def cells(name: str, folder: Path) -> Iterator[list[str]]:
    """The rows of one architecture."""
    module = build(name)
    size = SIZES[name]
    batch = torch.rand(2, 3, size, size)
    for dynamo in (True, False):
        for free in (True, False):
            label = [name, "dynamo" if dynamo else "TorchScript", "free" if free else "1"]
            x = batch if free else batch[:1]
            path = folder / "model.onnx"
            try:
                module.requires_grad_(True)  # else attention takes a path that the older exporter cannot export
                export(module, x, path, dynamo=dynamo, free=free)
            except Exception as error:  # what an exporter cannot do is no cell of the twin's
                yield [*label, f"export failed: {type(error).__name__}", "", "", "", ""]
                continue
            yield [*label, *measure(module.requires_grad_(False), path, x, batch)]


def measure(module: nn.Module, path: Path, x: Tensor, batch: Tensor) -> list[str]:
    start = time.perf_counter()
    twin = load_twin(path)
    loading = time.perf_counter() - start
    expected = runtime(path, x)
    output = float(np.abs(twin(x).numpy() - expected).max() / np.abs(expected).max())
    direction = torch.randn(len(batch), expected.shape[1])
    mapped = torch.vmap(lambda sample: twin(sample.unsqueeze(0)).squeeze(0))
    first = direction[: len(x)]
    native = relative(gradient(twin, x, first), gradient(module, x, first))
    through = relative(gradient(mapped, batch, direction), gradient(module, batch, direction))
    speed = seconds(twin, x, first) / seconds(module, x, first)
    return [f"{output:.1e}", f"{native:.1e}", f"{through:.1e}", f"{loading:.2f}", f"{speed:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], metavar="ARCHITECTURE")
    names = parser.parse_args().names or list(SIZES)
    if unknown := set(names) - set(SIZES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(SIZES)}")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print("| network | exporter | batch | output | gradient | gradient, vmap | load, s | speed |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for row in cells(name, Path(folder)):
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
