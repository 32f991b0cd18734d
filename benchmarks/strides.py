"""What it is worth on a CPU that twins of ONNX files lie channels last in memory: their passes, laid out either way.

    OMP_NUM_THREADS=1 python -m benchmarks.strides [NETWORK...]

Prints Markdown: milliseconds of one forward and backward pass (gradients of the pixels, least of the rounds, which
alternate), and the largest difference of a gradient, as a share of the largest entry. Networks of torchvision have
random weights. What the stem's own gradient gains is on both sides.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor
from torchvision import models

from auditor.onnx import load_twin
from auditor.onnx.operators import convolution
from auditor.onnx.twin import Twin
from auditor.target.stems import Stems
from benchmarks.networks import NETWORKS, onnx_file

ROUNDS = 25
SHAPES = {
    "mnist-pgd": (256, 1, 28, 28),
    "mnist-int8": (256, 1, 28, 28),
    "mnist-residual": (128, 1, 28, 28),
    "mnist-mixer": (128, 1, 28, 28),
    "mnist-transformer": (128, 1, 28, 28),
    "color-pgd": (128, 3, 32, 32),
    "resnet18": (16, 3, 64, 64),
    "resnext50_32x4d": (8, 3, 64, 64),
    "densenet121": (8, 3, 64, 64),
    "googlenet": (8, 3, 96, 96),
    "vgg11_bn": (8, 3, 64, 64),
    "squeezenet1_1": (8, 3, 96, 96),
    "mobilenet_v2": (8, 3, 96, 96),
    "efficientnet_b0": (8, 3, 64, 64),
    "shufflenet_v2_x1_0": (8, 3, 96, 96),
    "convnext_tiny": (8, 3, 64, 64),
}


def twin(name: str, x: Tensor) -> Twin:
    """Of a stored network, or of one of torchvision's, exported as ONNX."""
    if name in NETWORKS:
        return load_twin(onnx_file(name))
    torch.manual_seed(0)
    module = getattr(models, name)(weights=None).eval()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.onnx"
        batch = ({0: torch.export.Dim("batch")},)
        torch.onnx.export(module, (x[:2],), file, dynamic_shapes=batch, dynamo=True, external_data=False, verbose=False)
        return load_twin(file)


def gradient(network: Twin, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_(True)
    with Stems():
        logits = network(leaf)
    return torch.autograd.grad((logits.logsumexp(1) - logits[:, 0]).sum(), leaf)[0]


def by_channels(network: Twin, x: Tensor) -> Tensor:
    with patch.object(convolution, "pixel_by_pixel", lambda answer: answer):
        return gradient(network, x)


def row(name: str) -> str:
    x = torch.rand(SHAPES[name], generator=torch.Generator().manual_seed(0))
    last, first = twin(name, x), twin(name, x)
    for weight in (*first.parameters(), *first.buffers()):
        weight.data = weight.data.contiguous()
    expected, found = by_channels(first, x), gradient(last, x)
    apart = float((found - expected).abs().max() / expected.abs().max())
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for way, network, seconds in zip((by_channels, gradient), (first, last), times, strict=True):
            begun = time.process_time()
            way(network, x)
            seconds.append(1e3 * (time.process_time() - begun))
    before, after = map(min, times)
    return f"| {name} | {len(x)} | {before:.1f} | {after:.1f} | {after / before:.2f} | {apart:.0e} |"


def main() -> None:
    print("| network | batch | channel by channel, ms | channels last, ms | ratio | gradients differ by |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in sys.argv[1:] or SHAPES:
        print(row(name), flush=True)


if __name__ == "__main__":
    main()
