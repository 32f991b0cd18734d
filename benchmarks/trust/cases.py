"""The whole bench: the cases of `auditor selftest`, and honest networks that are too large to ship.

Of the networks in `benchmarks/networks` all but `mnist-kwinners`, whose gradients are masked, as ONNX files, and some
of them as the modules that the files were exported from. Their budgets and data are those of the networks' own table.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from auditor.selftest.bench import CASES
from auditor.selftest.case import Case
from auditor.selftest.data import COUNT
from benchmarks.networks import NETWORKS, load, onnx_file, test_samples

MASKED = {"mnist-kwinners"}
MODULES = ("color_plain", "color_trades", "mnist_transformer", "mnist_residual", "mnist_silu")


def color_plain() -> nn.Module:
    return load("color-plain")


def color_trades() -> nn.Module:
    return load("color-trades")


def mnist_transformer() -> nn.Module:
    return load("mnist-transformer")


def mnist_residual() -> nn.Module:
    return load("mnist-residual")


def mnist_silu() -> nn.Module:
    return load("mnist-silu")


def bench(folder: Path) -> dict[str, Case]:
    """Every case by name; the samples of those that are not shipped are written to `folder`."""
    cases = dict(CASES)
    for name, network in NETWORKS.items():
        if name in MASKED:
            continue
        data = str(_samples(network.data, folder))
        module = name.replace("-", "_")
        sources = {f"{name}.onnx": str(onnx_file(name))}
        if module in MODULES:
            sources[f"{name} module"] = f"benchmarks.trust.cases:{module}"
        for title, source in sources.items():
            cases[title] = Case(name=title, model=source, data=data, norm=str(network.norm), eps=(network.eps,))
    return cases


def _samples(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.npz"
    if not path.exists():
        x, y = (part[:COUNT] for part in test_samples(kind))  # type: ignore[arg-type]
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, x=(255.0 * x).round().to(torch.uint8).numpy(), y=y.numpy())
    return path
