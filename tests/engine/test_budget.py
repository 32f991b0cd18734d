"""Passes are spent where they pay: a budget cuts at the closest samples, and a suite stops when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditor import Attack, Norm, Threat, margins
from auditor.engine.attempt import Ring
from auditor.engine.batches import Batches
from auditor.engine.cascade import Cascade
from auditor.engine.memory import Memory
from auditor.engine.plan import Part, make_plan
from auditor.engine.standing import Clean, Standing
from auditor.engine.store import Store
from auditor.engine.suites import CLOSE
from auditor.result.record import OVERSPENT, STOPPED, UNPAID, AttackRun
from auditor_attacks.apgd import APGD
from auditor_attacks.noise import Noise
from auditor_attacks.square import Square

VALUES = np.linspace(0.01, 0.49, 49).tolist()


def cascade(target: Any, images: Any, memory: Any, run: Path, eps: float, **options: Any) -> Cascade:
    """Of 49 gray images, those fall that are at most `eps` darker than one half."""
    samples = memory(images(VALUES), torch.zeros(len(VALUES), dtype=torch.int64))
    answers = target.answer(samples.fetch(range(len(samples))))
    labels = samples.labels.numpy()
    margin = margins(answers, samples.labels).numpy()
    standing = Standing(Clean(labels, answers.argmax(1).numpy(), np.ones(len(labels)), margin))
    batches = Batches(
        ring=Ring(target=target, threat=Threat(norm=Norm.LINF, eps=eps), seed=0, margin=0.0),
        samples=samples,
        labels=samples.labels,
        store=Store(run),
        batch_size=8,
        listen=lambda event: None,
        memory=Memory(run / "closest", margin),
        standing=standing,
    )
    return Cascade(batches, lambda event: None, **options)


def follow(engine: Cascade, *attacks: Attack | Part) -> tuple[AttackRun, ...]:
    ring = engine.batches.ring
    return engine.run(make_plan(attacks, ring.target, ring.threat, 3))


def test_a_budget_is_spent_on_the_samples_that_came_closest(target, images, memory, tmp_path: Path) -> None:
    engine = cascade(target, images, memory, tmp_path, 0.055, budget=49 * 1 + 5 * 41)
    first, second, third = follow(engine, Noise(draws=1), APGD(steps=20), APGD(steps=4, loss="margin"))
    assert first.attacked == 49
    assert second.attacked == 5
    assert second.broken > 0
    assert OVERSPENT in second.reason
    assert (third.status, third.reason) == ("skipped", OVERSPENT)
    assert set(engine.batches.standing.broken_by) <= {44, 45, 46, 47, 48}


def test_without_a_budget_everything_is_attacked(target, images, memory, tmp_path: Path) -> None:
    runs = follow(cascade(target, images, memory, tmp_path, 0.055), Noise(draws=1), APGD(steps=4))
    assert [run.attacked for run in runs] == [49, 49]
    assert [run.reason for run in runs] == ["", ""]


def test_a_suite_stops_when_little_is_expected_of_more(target, images, memory, tmp_path: Path) -> None:
    engine = cascade(target, images, memory, tmp_path, 0.005, tolerance=0.5)
    first, second = follow(engine, APGD(steps=4), APGD(steps=40))
    assert first.attacked == 49
    assert second.status == "skipped"
    assert second.reason.startswith(STOPPED)
    assert second.needless
    assert second.stopped


@pytest.mark.parametrize("later", [APGD(steps=4, loss="margin"), Square(queries=4)], ids=lambda a: a.label)
def test_a_suite_does_not_stop_before_every_kind_of_attack_has_run(
    later: Attack, target, images, memory, tmp_path: Path
) -> None:
    runs = follow(cascade(target, images, memory, tmp_path, 0.005, tolerance=0.5), APGD(steps=4), later)
    assert [run.attacked for run in runs] == [49, 49]


def test_close_steps_attack_a_quarter_at_least_and_the_closest(target, images, memory, tmp_path: Path) -> None:
    engine = cascade(target, images, memory, tmp_path, 0.005)
    _, run = follow(engine, APGD(steps=4), Part(APGD(steps=4, loss="margin"), CLOSE))
    assert run.attacked == 13
    assert "13 of 49" in run.reason


def test_an_attack_for_where_it_pays_is_left_out_where_its_kind_found_nothing(
    target, images, memory, tmp_path: Path
) -> None:
    engine = cascade(target, images, memory, tmp_path, 0.005)
    runs = follow(engine, APGD(steps=4), Square(queries=4), Part(Square(queries=8), "paying"))
    assert (runs[2].status, runs[2].needless) == ("skipped", True)
    assert runs[2].reason.endswith(UNPAID)


def test_whom_an_attack_on_everyone_left_out_for_want_of_passes_is_not_evaluated(
    target, images, memory, tmp_path: Path
) -> None:
    engine = cascade(target, images, memory, tmp_path, 0.005)
    engine.budget = 100.0
    runs = follow(engine, APGD(steps=4), APGD(steps=4, loss="margin"))
    standing = engine.batches.standing
    assert OVERSPENT in runs[0].reason
    assert {standing.outcome(int(i)) for i in standing.standing()} == {"not_evaluated"}
