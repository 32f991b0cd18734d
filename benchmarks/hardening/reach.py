"""From an undefended ONNX file to a hardened one with the commands that a user has, and what `standard` leaves of both.

    python -m benchmarks.hardening.reach FOLDER [EPOCHS [THREADS]]

FOLDER gets a small network of two convolutions that is trained on 4,000 digits as usual and exported to ONNX, these
digits, and 1,000 others. `auditor harden` sees the file and the 4,000; `auditor scan --suite standard` judges what came
out on the 1,000. What lies in FOLDER already is not made again, and a hardening that was interrupted goes on.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks.networks.architectures import convolutional
from benchmarks.networks.data import test_samples, training_samples

EPS = "0.3"
RECIPE = "free"
EPOCHS, THREADS = "100", 1
TRAINING = "lr=0.004,average=0.995"
AUGMENT = "affine,crop"
PLAIN_EPOCHS, BATCH, RATE = 10, 128, 2e-3
QUICK = "--suite", "quick", "--samples", "100"
"""What the command's own report looks at: the audits that count come after it."""


def prepare(folder: Path) -> None:
    """The network, undefended, and the digits as files."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y = training_samples("mnist", torch.Generator())
    for name, (images, labels) in {"train": (x, y), "test": test_samples("mnist")}.items():
        np.savez(folder / f"{name}.npz", x=(images * 255.0).round().byte().numpy(), y=labels.numpy())
    torch.manual_seed(0)
    module = convolutional(dense=100)
    optimiser = torch.optim.Adam(module.parameters(), RATE)
    for _ in range(PLAIN_EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimiser.step()
    batch = {0: torch.export.Dim("batch")}
    torch.onnx.export(module.eval(), (x[:2],), folder / "plain.onnx", dynamic_shapes=(batch,), external_data=False)


@dataclass(frozen=True)
class Spent:
    """Seconds of a command: on the clock, and of all its threads together."""

    wall: float
    cpu: float


def command(*arguments: str, threads: int) -> Spent:
    """Run `auditor …`; whatever its verdict (3 is that checks doubt a number of it), it has to come to one."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "auditor", *arguments, "--quiet"],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        check=False,
    )
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"auditor {' '.join(arguments)} ended with {done.returncode}.")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(time.monotonic() - begun, cpu)


def harden(folder: Path, epochs: str, threads: int) -> Spent:
    """The command that is under test."""
    out = folder / "hardened"
    data = ("--data", str(folder / "train.npz"), "--validation", str(folder / "test.npz"), "--eps", EPS)
    way = ("--recipe", RECIPE, "--epochs", epochs, "--training", TRAINING, "--augment", AUGMENT)
    again = ("--resume",) if out.exists() else ()
    return command(
        "harden", str(folder / "plain.onnx"), *data, *way, *QUICK, *again, "--out", str(out), threads=threads
    )


def audited(folder: Path, model: Path, threads: int) -> tuple[float, float]:
    """Clean and robust accuracy of all 1,000 digits under `standard`."""
    run = folder / f"standard-{model.stem if model.parent == folder else 'hardened'}"
    if not (run / "result.json").is_file():
        flags = ("--suite", "standard", "--eps", EPS, "--data", str(folder / "test.npz"), "--out", str(run))
        command("scan", str(model), *flags, threads=threads)
    (found,) = json.loads((run / "result.json").read_bytes())["models"]
    return found["clean_accuracy"], found["threats"][0]["robust_accuracy"]


def main(folder: Path, epochs: str = EPOCHS, threads: int = THREADS) -> None:
    if not (folder / "plain.onnx").is_file():
        prepare(folder)
    spent = harden(folder, epochs, threads)
    record = json.loads((folder / "hardened" / "hardened.json").read_bytes())
    print(f"{RECIPE}, {epochs} epochs, {TRAINING}, --augment {AUGMENT}; {threads} threads")
    print(
        f"training {record['training']['seconds']:.0f} s, the whole command {spent.wall:.0f} s, {spent.cpu:.0f} CPU s"
    )
    print("| file | clean | under `standard` |")
    print("| --- | ---: | ---: |")
    for model in (folder / "plain.onnx", folder / "hardened" / "model.onnx"):
        clean, robust = audited(folder, model, threads)
        print(f"| {model.name} | {clean:.1%} | {robust:.1%} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3], *map(int, sys.argv[3:4]))
