"""How cost grows with samples, classes, pixels and parameters; random weights, since only cost is measured."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.evaluation import modules, ours
from benchmarks.evaluation.cells import Cell
from benchmarks.evaluation.overhead import random_problem
from benchmarks.evaluation.replay import bare, recorded, replay

ATTACK = "apgd:steps=10"
SMALL = "random_convolutional_16_{channels}_{classes}"
AXES: dict[str, list[tuple[str, str, int, int]]] = {
    "samples": [(f"{n:,}", SMALL.format(channels=1, classes=10), 28, n) for n in (100, 300, 1_000, 3_000, 10_000)],
    "classes": [(f"{k:,}", SMALL.format(channels=1, classes=k), 28, 500) for k in (2, 10, 100, 1_000)],
    "pixels": [
        (f"3 x {side} x {side}", SMALL.format(channels=3, classes=10), side, n)
        for side, n in ((28, 500), (56, 256), (112, 64), (224, 16))
    ],
    "parameters": [
        ("10 k", "random_convolutional_16_3_10", 32, 256),
        ("100 k", "random_convolutional_60_3_10", 32, 128),
        ("1 M", "random_convolutional_220_3_10", 32, 32),
        ("11 M (ResNet-18)", "random_resnet18_64_3_10", 32, 16),
        ("24 M (ResNet-50)", "random_resnet50_64_3_10", 32, 8),
    ],
}
"""Label, network, side of the images, samples."""


def cells(only: str) -> dict[str, Cell]:
    """By key `growth/<axis>/<value>`."""
    found: dict[str, Cell] = {}
    for axis, rows in AXES.items():
        for label, name, side, samples in rows:
            found[f"growth/{axis}/{label}"] = partial(_measured, name, side, samples)
    return {key: cell for key, cell in found.items() if only in key}


def _measured(name: str, side: int, samples: int) -> dict[str, Any]:
    """Memory is of the first audit, time of a second one, which finds everything imported."""
    model = getattr(modules, name)
    task = random_problem(name, side, samples)
    first = ours.audit(task, attack=[ATTACK])
    passes, _ = recorded(task, [ATTACK])
    clock = replay(bare(task), passes, task.x)
    audited = ours.audit(task, attack=[ATTACK])
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "samples": samples,
        "bare_cpu": clock.cpu,
        "bare_wall": clock.wall,
        "broken": audited.believed,
        **audited.costs(),
        "memory": first.memory.peak - first.memory.start,
    }
