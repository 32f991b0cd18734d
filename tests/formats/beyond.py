"""A finished run beyond fixed balls: smallest changes beside budgets, rendered threats, a patch, a pattern, a goal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from auditor.result.data import Data
from auditor.result.evidence import Shard, folder, pattern_path, write_shard
from auditor.result.record import AttackRun, ModelResult, Result, ThreatResult
from auditor.result.samples_csv import Row, write_rows
from auditor.result.smallest import smallest
from auditor.result.statistics import wilson

N, WRONG = 40, 4
SIDE = 16
WANTED = 2
CLASSES = ("cat", "dog", "ship")
MODELS = {"soft": 0.05, "hard": 0.1}
"""By how much the smallest changes of each model grow from sample to sample."""
PATCHED = 0.06
BALLS = (("l2", math.inf), ("l2", 0.5), ("l2", 1.0))
OTHERS = (("spatial", 1.0), ("flow", 1.0), ("patch", PATCHED))


def write_beyond(path: Path, names: tuple[str, ...] = ("soft", "hard"), goal: str = f"targeted:{WANTED}") -> Path:
    """Every tenth sample is misclassified; sample `i` needs `(i + 1) * MODELS[name]` in l2, found by two attacks."""
    path.mkdir()
    rows = [row for name in names for norm, eps in (*BALLS, *OTHERS) for row in rows_of(name, norm, eps)]
    result = Result(
        verdict="pass",
        exit_code=0,
        data=Data(source="data", n=N, sha256="d" * 64, shape=(3, SIDE, SIDE), classes=CLASSES),
        settings={"goal": goal, "rotation": 20.0, "translation": 4.0, "mask": "frame.png", "eot": 8, "seed": 0},
        environment={"auditor": "0.1.0"},
        models=tuple(_model(name, rows) for name in names),
    )
    (path / "result.json").write_text(result.to_json(), encoding="utf-8")
    write_rows(path / "samples.csv", rows)
    for name in names:
        for norm, eps in (*BALLS, *OTHERS):
            _evidence(path, name, [row for row in rows if (row.model, row.norm, row.eps) == (name, norm, eps)])
        pattern = pattern_path(path, name, "patch", PATCHED, "adversarial-patch")
        pattern.parent.mkdir(exist_ok=True)
        np.save(pattern, np.linspace(0.0, 1.0, 48, dtype=np.float32).reshape(3, 4, 4))
    return path


def size_of(name: str, index: int) -> float:
    """Size of the smallest change of a sample in l2."""
    return (index + 1) * MODELS[name]


def rows_of(name: str, norm: str, eps: float) -> Iterator[Row]:
    """What became of each sample: under other threats than l2, every second one falls."""
    for index in range(N):
        size = size_of(name, index) if norm == "l2" else 0.5 * eps if index % 2 else math.inf
        right, fell = index % 10 != 0, size <= eps
        broken = right and fell
        cause = {"patch": "adversarial-patch", "spatial": "spatial-random", "flow": "stadv"}.get(norm)
        yield Row(
            model=name,
            norm=norm,
            eps=eps,
            index=index,
            label=index % 2,
            clean_prediction=index % 2 if right else WANTED,
            clean_correct=right,
            outcome="broken" if broken else "robust" if right else "misclassified",
            broken_by=(cause or ("ddn" if index % 4 else "fmn")) if broken else "",
            adversarial_prediction=WANTED if broken else None,
            adversarial_confidence=0.6 if broken else None,
            distance=size if broken else None,
            clean_confidence=0.9,
        )


def _model(name: str, every: list[Row]) -> ModelResult:
    threats = []
    for norm, eps in (*BALLS, *OTHERS):
        rows = [row for row in every if (row.model, row.norm, row.eps) == (name, norm, eps)]
        threats.append(_threat(norm, eps, rows))
    return ModelResult(
        name=name,
        path=f"{name}.onnx",
        sha256="a" * 64,
        format="onnx",
        gradients="twin",
        clean_accuracy=(N - WRONG) / N,
        clean_interval=wilson(N - WRONG, N),
        threats=tuple(threats),
        num_classes=len(CLASSES),
        classes=CLASSES,
    )


def _threat(norm: str, eps: float, rows: list[Row]) -> ThreatResult:
    robust = sum(row.outcome == "robust" for row in rows)
    attacks = dict.fromkeys(row.broken_by for row in rows if row.broken_by)
    sizes = [row.distance if row.distance is not None else math.inf for row in rows if row.clean_correct]
    return ThreatResult(
        norm=norm,
        eps=eps,
        robust_accuracy=robust / N,
        robust_interval=wilson(robust, N),
        robust_upper_bound=robust / N,
        attacks=tuple(_attack(name, sum(row.broken_by == name for row in rows)) for name in attacks),
        smallest=smallest(sizes, WRONG, 0.95) if math.isinf(eps) else None,
    )


def _attack(name: str, broken: int) -> AttackRun:
    return AttackRun(
        name=name,
        parameters={"steps": 100},
        status="ran",
        reason="",
        attacked=N - WRONG,
        broken=broken,
        seconds=2.0,
        forwards=123_456,
        backwards=123_000,
        attack=name,
        access="gradients",
        paper="arXiv:1801.02612",
    )


def _evidence(path: Path, name: str, rows: list[Row]) -> None:
    broken = [row for row in rows if row.outcome == "broken"]
    index = np.array([row.index for row in broken])
    rng = np.random.default_rng(len(broken))
    original = rng.random((len(broken), 3, SIDE, SIDE)).astype(np.float32)
    adversarial, points = original.copy(), None
    norm, eps = rows[0].norm, rows[0].eps
    if norm == "patch":
        adversarial[:, :, 5:9, 7:10] = 0.25
    elif norm == "spatial":
        points = np.tile(np.array([0.5, -0.25, 0.5], np.float32), (len(broken), 1))
    elif norm == "flow":
        points = np.full((len(broken), 2, SIDE, SIDE), 0.3, np.float32)
    else:
        adversarial = np.clip(original + 0.01, 0.0, 1.0)
    shard = Shard(index, np.array([row.label for row in broken]), original, adversarial, points)
    write_shard(folder(path, name, norm, eps) / "00000.safetensors", shard, eight_bit=False)
