"""auditor as a user runs it: an `Audit` of a model file or module, from settings to the evidence on disk."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auditor.configuration import build_settings
from auditor.engine.audit import Audit
from auditor.events import AttackFinished, Event, StageStarted
from auditor.plugins import Plugins, load_plugins
from auditor.result.evidence import read_evidence
from auditor.result.record import ModelResult
from auditor.target.base import ModelOptions, Network, Target
from auditor.target.forms import Form
from auditor.types import Norm
from benchmarks.evaluation.counting import Clock, Log
from benchmarks.evaluation.memory import Memory
from benchmarks.evaluation.problems import Problem

Wrapper = Callable[[Network, str], Network]
"""What stands around a network while it is audited: the network and what it is (`deployed`, `twin`, or a form of it
that attacks search with, as `SEARCH` and its description) to what is run instead."""

SEARCH = "search: "

_BEFORE_ATTACKS = ("preflight", "clean accuracy")
_PART = ("name", "status", "reason", "attacked", "broken", "seconds", "refuted", "forwards", "backwards")


@dataclass
class Marks:
    """Listens to a scan: when the attacks began and when the last of them ended, in CPU seconds; clears the log.

    `searches`: whether what checks search for is an attack's too. Else the attacks end where the first check begins.
    """

    log: Log
    searches: bool = True
    begin: float | None = None
    end: float = 0.0
    passes: int = 0
    forwards: int = 0
    backwards: int = 0
    _over: bool = False

    def __call__(self, event: Event) -> None:
        match event:
            case _ if self._over:
                pass
            case StageStarted(title=title) if self.begin is None and title not in _BEFORE_ATTACKS:
                self.begin = time.process_time()
                self.log.clear()
            case StageStarted() if self.begin is not None and not self.searches:
                self._over = True
            case AttackFinished():
                self.end = time.process_time()
                self.passes, self.forwards, self.backwards = (
                    len(self.log.passes),
                    self.log.forwards,
                    self.log.backwards,
                )


class _Wrapped:
    """Plugins whose targets run inside a wrapper."""

    def __init__(self, plugins: Plugins, wrapper: Wrapper) -> None:
        self._plugins, self._wrapper = plugins, wrapper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plugins, name)

    def load_model(self, path: str, options: ModelOptions, device: torch.device) -> Target:
        target = self._plugins.load_model(path, options, device)
        same = target.deployed is target.twin
        target.twin = None if target.twin is None else self._wrapper(target.twin, "twin")
        target.deployed = target.twin if same and target.twin else self._wrapper(target.deployed, "deployed")
        if (remade := target.remade) is not None:
            target.remade = lambda change: self._formed(remade(change), change)
        return target

    def _formed(self, network: Network, change: object) -> Network:
        return self._wrapper(network, SEARCH + change.describe()) if isinstance(change, Form) else network


@dataclass(frozen=True)
class Audited:
    """What an audit found, its own count of broken samples, its record, its time, and its passes where counted.

    `candidates` `(N, …)`: the adversarial examples; samples that stand are as they were.
    """

    candidates: Tensor
    believed: int
    model: ModelResult
    whole: Clock
    memory: Memory
    marks: Marks

    @property
    def cpu(self) -> float:
        """Of the attacks alone, as peers are timed."""
        return self.marks.end - (self.marks.begin or self.marks.end)

    @property
    def wall(self) -> float:
        return self.model.seconds["attack"]

    def costs(self) -> dict[str, Any]:
        """For the store; `whole` is all from loading the model to the last file."""
        runs = [run for threat in self.model.threats for run in threat.attacks]
        return {
            "forwards": sum(run.forwards for run in runs),
            "backwards": sum(run.backwards for run in runs),
            "counted": [self.marks.forwards, self.marks.backwards],
            "cpu": self.cpu,
            "wall": self.wall,
            "whole_cpu": self.whole.cpu,
            "whole_wall": self.whole.wall,
            "memory_start": self.memory.start,
            "memory_peak": self.memory.peak,
            "stages": self.model.seconds,
            "details": {key: str(value) for key, value in self.model.details.items()},
            "parts": [{key: getattr(run, key) for key in _PART} for run in runs],
        }


def audit(
    task: Problem,
    *,
    suite: str = "standard",
    attack: Sequence[str] = (),
    wrapper: Wrapper | None = None,
    log: Log | None = None,
    **flags: Any,
) -> Audited:
    """Audit the task's model on its samples; a `wrapper` may log passes, of which only the attacks' are kept.

    Raises:
        RuntimeError: a check blocked the audit.
    """
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "samples.npz", Path(folder) / "run"
        np.savez(data, x=_stored(task.x), y=task.y.numpy())
        said = {"models": [task.source], "data": str(data), "eps": [repr(task.eps)], "device": "cpu", "trust": True}
        # What checks search for after an attack is none of its cost.
        said |= {"attack": list(attack), "escalation": False} if attack else {"suite": suite}
        settings, plugins = build_settings(said | flags, {}), load_plugins()
        marks = Marks(log or Log(), searches=not attack)
        with Memory() as memory, Clock() as whole:
            used: Any = _Wrapped(plugins, wrapper) if wrapper else plugins
            (record,) = Audit(settings, used, run, marks).execute().models
        if not record.threats:
            raise RuntimeError(f"{record.name} was not audited: {[finding.title for finding in record.findings]}")
        candidates, believed = task.x, 0
        for shard in read_evidence(run, record.name, Norm.LINF, task.eps):
            candidates = candidates if believed else candidates.clone()
            candidates[torch.from_numpy(shard.index)] = torch.from_numpy(shard.adversarial)
            believed += len(shard.index)
    return Audited(candidates, believed, record, whole, memory, marks)


def _stored(x: Tensor) -> Any:
    """As the bytes that they are, where they are 8-bit images."""
    pixels = (x * 255.0).round()
    return (pixels.byte() if bool((pixels / 255.0 == x).all()) else x).numpy()
