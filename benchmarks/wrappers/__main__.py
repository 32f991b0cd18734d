"""The command line; see the package's docstring."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from auditor.configuration import build_settings
from auditor.engine.audit import Audit
from auditor.plugins import load_plugins
from auditor.result.record import ModelResult
from benchmarks.networks import NETWORKS, onnx_file, test_samples
from benchmarks.networks.architectures import convolutional
from benchmarks.networks.data import training_samples

WRAPPERS = (
    *("jpeg:quality=75", "jpeg:quality=25", "bit-depth:bits=3", "bit-depth:bits=1"),
    *("random-resize", "tv:steps=30"),
)
SIGMA = 0.25
RADII = (0.25, 0.5, 0.75)
_CLIMB = "apgd:loss=margin,steps=40"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wrappers", description=__doc__)
    parser.add_argument("--network", action="append", choices=[n for n in NETWORKS if NETWORKS[n].quantised is None])
    parser.add_argument("--wrapper", action="append", help="as `auditor scan` takes it")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--without-proof", action="store_true", help="leave the table of smoothing out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("| network, linf | wrapper | clean | bare | does not know | knows | AUD223 |")
        print("| --- | --- | ---: | ---: | ---: | ---: | --- |")
        for name in arguments.network or ("mnist-plain", "color-plain"):
            for wrapper in arguments.wrapper or WRAPPERS:
                print(_line(name, wrapper, arguments.samples, Path(folder)), flush=True)
        if not arguments.without_proof:
            print("\n| l2 radius | certified: at least | attacked: at most |\n| ---: | ---: | ---: |")
            for line in _proofs(arguments.samples, Path(folder)):
                print(line)


def _line(name: str, wrapper: str, samples: int, folder: Path) -> str:
    """One network behind one wrapper."""
    entry = NETWORKS[name]
    data = _data(entry.data, samples, folder)
    flags = {"norm": ["linf"], "eps": [str(entry.eps)], "attack": [_CLIMB], "eot": 10}
    model = _scanned(str(onnx_file(name)), data, folder, {**flags, "wrapper": [wrapper], "escalation": False})
    (asked,) = (check for check in model.threats[0].checks if check.code == "AUD223")
    shares = [value for key, value in asked.evidence.items() if key != "samples"]
    (said,) = (finding.title for finding in model.findings if finding.code == "AUD223")
    cells = " | ".join(f"{100 * share:.1f} %" for share in (model.clean_accuracy or 0.0, *shares))
    return f"| {name} {entry.eps:.3g} | `{wrapper}` | {cells} | {said} |"


def _proofs(samples: int, folder: Path) -> Iterator[str]:
    """A network that was trained on noise, smoothed: what is proven, and what attacks leave."""
    weights = folder / "gaussian.safetensors"
    save_file(_trained().state_dict(), weights)
    flags: dict[str, Any] = {
        "eps": [f"l2:{radius}" for radius in RADII],
        "attack": [_CLIMB],
        "wrapper": [f"smoothing:sigma={SIGMA},n=1000"],
        "weights": str(weights),
        "trust": True,
        "escalation": False,
    }
    source = "benchmarks.networks.architectures:convolutional"
    model = _scanned(source, _data("mnist", samples, folder), folder, flags)
    for threat in model.threats:
        proven = threat.certified_accuracy or 0.0
        yield f"| {threat.eps:g} | {100 * proven:.1f} % | {100 * threat.robust_upper_bound:.1f} % |"


def _trained(epochs: int = 12) -> nn.Module:
    """Cross-entropy on samples with fresh Gaussian noise (Cohen et al., arXiv:1902.02918)."""
    torch.manual_seed(0)
    network = convolutional()
    x, y = training_samples("mnist", torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(128):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            noisy = x[rows] + SIGMA * torch.randn_like(x[rows])
            functional.cross_entropy(network(noisy), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network.eval()


def _scanned(source: str, data: str, folder: Path, flags: dict[str, Any]) -> ModelResult:
    settings = build_settings({"models": [source], "data": data, **flags}, {})
    with tempfile.TemporaryDirectory(dir=folder) as run:
        result = Audit(settings, load_plugins(), Path(run) / "run").execute()
    return result.models[0]


def _data(kind: Any, samples: int, folder: Path) -> str:
    path = folder / f"{kind}.npz"
    x, y = test_samples(kind)
    np.savez(path, x=(255 * x[:samples]).round().to(torch.uint8).numpy(), y=y[:samples].numpy())
    return str(path)


if __name__ == "__main__":
    main()
