"""An inquiry in which nobody attacks: what falls is written down beforehand, so that one sample more is one more."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditor import Norm, Threat
from auditor.engine.inquiry import Inquiry
from auditor.engine.standing import Break
from auditor.engine.trial import Trial
from auditor.result.record import AttackRun
from tests.checks.conftest import Trained
from tests.checks.inquiries import inquiry_into
from tests.checks.masked import unmoved
from tests.checks.scenes import run

TOTAL = 256
"""Samples, all of which stand: half a percent of them is more than one, so that two are too many."""


def standing(gray: Trained, folder: Path, *, eps: float = 0.1, norm: Norm = Norm.LINF) -> Inquiry:
    """Into a model that nothing moves, after one short climb."""
    y = torch.zeros(TOTAL, dtype=torch.int64)
    climb = ("apgd", {"loss": "margin", "steps": 1})
    return inquiry_into(unmoved, gray.x[:TOTAL], y, folder, climb, threat=Threat(norm=norm, eps=eps))


def breaking(monkeypatch: pytest.MonkeyPatch, inquiry: Inquiry, counts: Iterable[int], **changes: Any) -> list[str]:
    """Let further attacks break so many samples, one after the other, and none after that; returns those that ran."""
    left, names = iter(counts), list[str]()

    def attack(name: Any, on: object = None, **parameters: Any) -> AttackRun:
        names.append(name if isinstance(name, str) else name.name)
        record = run(names[-1], "gradients", next(left, 0), **{"because": inquiry.code, **changes})
        inquiry.runs.append(record)
        inquiry.tried.append(record)
        return record

    monkeypatch.setattr(inquiry, "attack", attack)
    return names


def missing(monkeypatch: pytest.MonkeyPatch, inquiry: Inquiry, count: int, status: str = "ran") -> None:
    """Let every trial miss so many of the samples that it is made on, and break the others."""

    def trial(name: Any, on: np.ndarray, **conditions: Any) -> Trial:
        return Trial(np.arange(len(on)) >= count, np.zeros(len(on), np.float32), None, status)

    monkeypatch.setattr(inquiry, "trial", trial)


def fallen(inquiry: Inquiry, count: int, attack: str) -> None:
    """Say that the first so many samples fell to an attack of the plan."""
    inquiry.runs.append(run(attack, "gradients", count, attack=attack))
    inquiry.found.note(attack, [Break(i, 1, 1.0, 0.0, survives_rounding=True) for i in range(count)])
