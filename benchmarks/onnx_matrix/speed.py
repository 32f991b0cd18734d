"""Time against eager PyTorch and ONNX Runtime: paired rounds, since a machine's speed drifts while one measures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.onnx_matrix.isolation import sentence
from benchmarks.onnx_matrix.networks import SIZES, build
from benchmarks.onnx_matrix.reference import Reference, Session
from benchmarks.onnx_matrix.tools import OURS, TOOLS, load

REALISTIC = (
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "efficientnet_b0",
    "densenet121",
    "vit_b_16",
    "convnext_tiny",
    "swin_t",
)
LARGE, ROUNDS = (224, 4), 7
SMALL, SMALL_ROUNDS = 1, 15


def workloads() -> dict[str, tuple[int, int]]:
    """From `network/size/batch` to size and batch: realistic ones, and the matrix's own, where overhead shows."""
    large = {f"{name}/{LARGE[0]}/{LARGE[1]}": LARGE for name in REALISTIC}
    return large | {f"{name}/{size}/{SMALL}": (size, SMALL) for name, size in SIZES.items()}


def measure(name: str, size: int, batch: int, folder: str, peers: str) -> dict[str, Any]:
    """Medians over rounds of each tool's time over eager's (forward and backward) and over ONNX Runtime's (forward)."""
    module = build(name, size).requires_grad_(False)
    x = torch.rand(batch, 3, size, size)
    path = Path(folder) / "model.onnx"
    shapes = ({0: torch.export.Dim("batch", min=1, max=64)},)
    module.requires_grad_(True)
    traced = torch.cat([x, x])[: max(2, batch)]
    torch.onnx.export(module, (traced,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False)
    module.requires_grad_(False)
    session = Session(path)
    input_name = next(iter(session.inputs))
    reference: Reference = {"feeds": {input_name: x}, "name": input_name}
    reference |= {"output": 0, "output_name": session.outputs[0]}
    weights = torch.randn(module(x).shape)
    rounds = ROUNDS if size == LARGE[0] else SMALL_ROUNDS
    result: dict[str, Any] = {"eager_s": _backward(module, x, weights), "tools": {}}
    for tool in TOOLS:
        result["tools"][tool] = cell = {}
        try:
            start = time.perf_counter()
            network = load(tool, path, reference, Path(peers))
            cell["load_s"] = time.perf_counter() - start
            pairs = [(_backward(network, x, weights), _backward(module, x, weights)) for _ in range(rounds + 1)][1:]
            cell["over_eager"] = statistics.median(ours / eager for ours, eager in pairs)
            result["eager_s"] = statistics.median(eager for _, eager in pairs)
            cell["seconds"] = statistics.median(ours for ours, _ in pairs)
            if tool == OURS:
                cell["forward_over_runtime"] = _over_runtime(network, session, reference["feeds"], x, rounds)
        except Exception as error:
            cell["error"] = sentence(error)
    return result


def _over_runtime(
    network: Callable[[Tensor], Tensor], session: Session, feeds: dict[str, Tensor], x: Tensor, rounds: int
) -> float:
    pairs = [(_timed(lambda: _forward(network, x)), _timed(lambda: session(feeds))) for _ in range(rounds + 1)]
    return statistics.median(ours / runtime for ours, runtime in pairs[1:])


def _forward(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        return network(x)


def _backward(network: Callable[[Tensor], Tensor], x: Tensor, weights: Tensor) -> float:
    z = x.clone().requires_grad_()
    return _timed(lambda: torch.autograd.grad((network(z) * weights).sum(), z))


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
