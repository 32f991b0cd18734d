"""Black-box queries per second on ONNX Runtime, against a bare session that is asked the same batches."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.evaluation import modules, ours
from benchmarks.evaluation.cells import Cell
from benchmarks.evaluation.counting import Clock
from benchmarks.evaluation.overhead import RESNET, ROUNDS, random_problem
from benchmarks.evaluation.problems import Deployed, Problem, problem
from benchmarks.evaluation.replay import recorded
from benchmarks.networks import onnx_file

SAMPLES = {"mnist-pgd": (256, 400), "color-pgd": (128, 200), "resnet18": (16, 20)}
"""Samples, and queries of each."""


def cells(only: str, rounds: int = ROUNDS) -> dict[str, Cell]:
    """By key `queries/<network>`."""
    found = {f"queries/{name}": partial(_measured, name, *size, rounds) for name, size in SAMPLES.items()}
    return {key: cell for key, cell in found.items() if only in key}


def _measured(name: str, samples: int, queries: int, rounds: int) -> dict[str, Any]:
    if name != "resnet18":
        return _compared(problem(name, samples), onnx_file(name), queries, rounds)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "resnet18.onnx"
        task = random_problem(RESNET, 32, samples)
        torch.onnx.export(
            getattr(modules, RESNET),
            (task.x[:2],),
            file,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        return _compared(replace(task, source=str(file)), file, queries, rounds)


def _compared(task: Problem, file: Path, queries: int, rounds: int) -> dict[str, Any]:
    """Seconds of the audit's attack and of the session alone, in alternating rounds."""
    attack = [f"square:queries={queries}"]
    passes, _ = recorded(task, attack)
    session = Deployed(file).session
    name = session.get_inputs()[0].name
    batches = {one.rows: {name: torch.rand(one.rows, *task.x.shape[1:]).numpy()} for one in passes}
    found: dict[str, Any] = {"attack_cpu": [], "attack_wall": [], "bare_cpu": [], "bare_wall": []}
    for feed in batches.values():
        session.run(None, feed)
    for _ in range(rounds):
        audited = ours.audit(task, attack=attack)
        with Clock() as clock:
            for one in passes:
                session.run(None, batches[one.rows])
        found["attack_cpu"].append(audited.cpu)
        found["attack_wall"].append(audited.wall)
        found["bare_cpu"].append(clock.cpu)
        found["bare_wall"].append(clock.wall)
    return found | {
        "calls": len(passes),
        "queries": sum(one.rows for one in passes),
        "samples": len(task.x),
        "broken": audited.believed,
    }
