"""Checks that question a threat's attacks, on small networks under the first-party attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auditor import Attack, Check, Finding, Norm, Threat, margins
from auditor.engine.attempt import Ring
from auditor.engine.batches import Batches
from auditor.engine.cascade import Cascade
from auditor.engine.examination import MISSED, examine
from auditor.engine.inquiry import Inquiry
from auditor.engine.memory import Memory
from auditor.engine.plan import configured, make_plan
from auditor.engine.standing import Clean, Standing
from auditor.engine.store import Store
from auditor.result.record import CheckRun
from auditor.target.base import Target
from auditor_attacks import auditor_attacks
from tests.checks.scenes import InMemory, scene_of, target_of

AttackSpec = tuple[str, Mapping[str, Any]]
make = partial(configured, {attack.name: attack for attack in auditor_attacks()})


def inquiry_into(
    network: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    run: Path,
    *attacks: AttackSpec | Attack,
    threat: Threat | None = None,
    target: Target | None = None,
    escalation: bool = True,
) -> Inquiry:
    """What checks see once `attacks` have run against `network` on these samples; `run` is an empty folder."""
    threat = threat or Threat(norm=Norm.LINF, eps=0.1)
    target = target or target_of(network)
    samples = InMemory(x, y)
    with torch.no_grad():
        answer = target.answer(x)
    margin = margins(answer, y).numpy()
    ring = Ring(target=target, threat=threat, seed=0, margin=0.0)
    batches = Batches(
        ring=ring,
        samples=samples,
        labels=y,
        store=Store(run),
        batch_size=64,
        listen=lambda event: None,
        memory=Memory(run / "state" / "closest", margin),
        standing=Standing(Clean(y.numpy(), answer.argmax(1).numpy(), np.ones(len(y)), margin)),
    )
    made = [attack if isinstance(attack, Attack) else make(*attack) for attack in attacks]
    runs = Cascade(batches, batches.listen).run(make_plan(made, target, threat, x.dim() - 1))
    return Inquiry(batches, list(runs), make, escalation=escalation)


def asked(check: type[Check], inquiry: Inquiry, **settings: Any) -> tuple[list[Finding], CheckRun]:
    """What one check finds, and the record of its inquiry."""
    samples, target = inquiry.batches.samples, inquiry.target
    x, y = samples.fetch(range(len(samples))), samples.labels
    scene = scene_of(target.deployed, x, y, target=target, samples=samples, **settings)
    findings, (run,) = examine([check], scene, inquiry)
    findings = [finding for finding in findings if finding.code != MISSED]
    assert all(finding.code == check.code for finding in findings)
    return findings, run
