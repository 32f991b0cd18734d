"""Trains and stores the networks, then measures the files.

    python -m benchmarks.networks.train [NAME...]        # --measure leaves the stored files as they are

Prints a line of Markdown for each: accuracy on all 1,000 test images, then the share of `--samples` of them that stand
at the network's budget against each attack on its own, as `auditor scan` finds it on the ONNX file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from benchmarks.networks.data import test_samples
from benchmarks.networks.files import STORED, onnx_file, quantise, store
from benchmarks.networks.table import NETWORKS
from benchmarks.networks.training import train

ATTACKS = {
    "apgd-ce, 50 steps": "apgd:loss=ce,steps=50",
    "apgd-t, 50 steps": "apgd:loss=dlr-targeted,steps=50",
    "square, 500 queries": "square:queries=500",
}


def make(name: str) -> None:
    """Train the network, or quantise the one that it is made of, and store it."""
    network = NETWORKS[name]
    if network.quantised:
        quantise(name)
    else:
        store(name, train(network, network.seed))


def clean_accuracy(name: str) -> float:
    x, y = test_samples(NETWORKS[name].data)
    session = onnxruntime.InferenceSession(onnx_file(name), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": x.numpy()})
    return float((np.asarray(logits).argmax(1) == y.numpy()).mean())


def robust_accuracy(name: str, attack: str, samples: int) -> float:
    """The share of the first `samples` test images that stand, as `auditor scan` reports it."""
    network = NETWORKS[name]
    x, y = test_samples(network.data)
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data.npz", Path(folder) / "run"
        pixels = (255 * x[:samples]).round().to(torch.uint8).numpy()
        np.savez(data, x=pixels, y=y[:samples].numpy())
        arguments = ["--data", str(data), "--norm", str(network.norm), "--eps", repr(network.eps), "--attack", attack]
        command = [sys.executable, "-m", "auditor", "scan", str(onnx_file(name)), *arguments, "--out", str(out), "-q"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not (out / "result.json").exists():
            raise SystemExit(f"{name}: auditor scan failed\n{done.stdout}{done.stderr}")
        (threat,) = json.loads((out / "result.json").read_text())["models"][0]["threats"]
        return float(threat["robust_accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)}; default: all")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--measure", action="store_true", help="measure the stored files, train nothing")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NETWORKS]
    if unknown:
        parser.error(f"there is no network {unknown[0]!r}; choose among {', '.join(NETWORKS)}")
    torch.set_num_threads(1)
    print(f"| network | parameters | clean | norm, eps | {' | '.join(ATTACKS)} | training, s | stored, kB |")
    for name in arguments.names or NETWORKS:
        network, started = NETWORKS[name], time.process_time()
        if not arguments.measure:
            make(name)
        seconds = "" if arguments.measure else f"{time.process_time() - started:.0f}"
        parameters = sum(part.numel() for part in network.build().parameters())
        robust = [f"{robust_accuracy(name, attack, arguments.samples):.1%}" for attack in ATTACKS.values()]
        size = sum(file.stat().st_size for file in STORED.glob(f"{name}.*")) // 1000
        cells = [name, f"{parameters:,}", f"{clean_accuracy(name):.1%}", f"{network.norm} {network.eps:.4g}"]
        print(f"| {' | '.join([*cells, *robust, seconds, str(size)])} |", flush=True)


if __name__ == "__main__":
    main()
