"""The networks that attacks are compared on: what they are, how they were trained, at which budget they are attacked.

    from benchmarks.networks import NETWORKS, load, onnx_file, test_samples

    entry = NETWORKS["mnist-trades"]
    model, (x, y) = load("mnist-trades"), test_samples(entry.data)   # attack at entry.norm, entry.eps

`python -m benchmarks.networks.train` made the files in `stored`.
"""

from __future__ import annotations

from benchmarks.networks.data import test_samples
from benchmarks.networks.files import load, onnx_file
from benchmarks.networks.table import NETWORKS, Network

__all__ = ["NETWORKS", "Network", "load", "onnx_file", "test_samples"]
