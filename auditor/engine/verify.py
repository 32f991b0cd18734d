"""Verify a run from nothing but its directory and the model: every counted example, checked from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch

from auditor.engine.referee import judge
from auditor.errors import ModelError, RunError
from auditor.settings import Settings
from auditor.target.base import ModelOptions
from auditor.target.binding import bind_to
from auditor.types import Norm, Threat

if TYPE_CHECKING:
    import numpy as np

    from auditor.plugins import Plugins
    from auditor.result.record import ModelResult, ThreatResult
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row
    from auditor.target.base import Target

_BATCH = 128


@dataclass(frozen=True)
class Verification:
    """How one model and threat stand: examples that the run counts, and how many of them hold."""

    model: str
    norm: str
    eps: float
    counted: int
    held: int
    problem: str = ""

    @property
    def confirmed(self) -> bool:
        return not self.problem


def verify_run(
    run: Run, plugins: Plugins, device: torch.device, moved: tuple[str, ...] = (), *, trust: bool = False
) -> tuple[Verification, ...]:
    """Check all models and threats of a run.

    Args:
        moved: where the models lie now, in the run's order; by default where they lay.

    Raises:
        ModelError: a model is gone, or is not the one that was audited.
        RunError: the evidence is damaged.
    """
    try:
        settings = Settings.model_validate(run.result.settings)
    except ValueError as error:
        raise RunError(f"The settings stored in {run.path} cannot be read: {error}.") from error
    done: list[Verification] = []
    for number, record in enumerate(run.result.models):
        if record.clean_accuracy is None:
            continue
        source = moved[number] if number < len(moved) else record.path
        target = _load(source, record, settings, plugins, device, trust=trust)
        with target.frozen():
            if originals := _originals(run, record):
                bind_to(target, torch.from_numpy(originals[0]))
            done += [_verify(run, target, record, threat) for threat in record.threats]
    return tuple(done)


def _load(
    source: str,
    record: ModelResult,
    settings: Settings,
    plugins: Plugins,
    device: torch.device,
    *,
    trust: bool,
) -> Target:
    options = ModelOptions(
        mean=settings.mean,
        std=settings.std,
        input_range=settings.input_range,
        layout=settings.layout,
        input_size=settings.input_size,
        channel_order=settings.channel_order,
        weights=settings.weights,
        classes=settings.classes,
        output=settings.output,
        providers=settings.providers,
        trust=trust or settings.trust,
    )
    target = plugins.load_model(source, options, device)
    if target.sha256 != record.sha256:
        raise ModelError(
            f"{source} is not the model that was audited: its digest is {target.sha256[:12]}…, "
            f"the run's {record.sha256[:12]}…. Say where the audited file lies with --model."
        )
    return target


def _originals(run: Run, record: ModelResult) -> list[np.ndarray]:
    """Some clean samples of the run, for the model to be bound to; empty where nothing was broken."""
    shards = (shard for t in record.threats for shard in run.evidence(record.name, t.norm, t.eps))
    return [shard.original for shard in islice(shards, 1)]


def _verify(run: Run, target: Target, record: ModelResult, threat: ThreatResult) -> Verification:
    bounds = Threat(norm=Norm(threat.norm), eps=threat.eps)
    rows = run.rows_of(record.name, threat.norm, threat.eps)
    broken = {row.index: row.label for row in rows if row.outcome == "broken"}
    held: set[int] = set()
    for shard in run.evidence(record.name, threat.norm, threat.eps):
        for start in range(0, len(shard.index), _BATCH):
            part = slice(start, start + _BATCH)
            x, candidates, y = (
                torch.from_numpy(values[part]).to(target.device)
                for values in (shard.original, shard.adversarial, shard.label)
            )
            verdict = judge(target, x, candidates, y, bounds)
            right = target.answer(x).argmax(1) == y
            good = (verdict.counts & right).cpu().numpy()
            held |= {
                int(i)
                for i, ok, label in zip(shard.index[part], good, shard.label[part], strict=True)
                if ok and broken.get(int(i)) == int(label)
            }
    problem = _problem(rows, threat, broken, held)
    return Verification(record.name, threat.norm, threat.eps, len(broken), len(held), problem)


def _problem(rows: Sequence[Row], threat: ThreatResult, broken: dict[int, int], held: set[int]) -> str:
    if missing := sorted(broken.keys() - held):
        shown = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
        return f"{len(missing)} counted examples do not hold (samples {shown})"
    robust = sum(row.outcome == "robust" for row in rows)
    if threat.robust_accuracy is not None and rows and abs(robust / len(rows) - threat.robust_accuracy) > 1e-6:
        return "result.json states another robust accuracy than samples.csv gives"
    return ""
