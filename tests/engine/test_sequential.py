"""Sequential scans: samples in random order, block by block, until the gate is certain."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auditor import Norm
from auditor.engine.cascade import Cascade
from auditor.engine.done import Done
from auditor.engine.inheritance import inherit
from auditor.engine.plan import make_plan
from auditor.engine.sequential import Rule, blocks, in_blocks, order_of, told
from auditor.engine.standing import Standing
from auditor.result.anytime import anytime
from auditor.result.record import AttackRun
from auditor.settings import Settings, ThreatSetting
from auditor_attacks.fgsm import FGSM
from auditor_attacks.noise import Noise
from tests.engine.scenes import Scene

N = 400


def settings(threshold: float, **other: Any) -> Settings:
    threats = (ThreatSetting(norm=Norm.LINF, eps=0.1),)
    return Settings(models=("m",), data="d", threats=threats, sequential=True, min_robust_accuracy=threshold, **other)


@dataclass
class Ran:
    scene: Scene
    runs: tuple[AttackRun, ...]

    @property
    def audited(self) -> list[int]:
        return self.scene.standing.audited.tolist()


@pytest.fixture
def scan(target, images, memory, tmp_path: Path):  # type: ignore[no-untyped-def]
    def run(threshold: float, robust: float, folder: str = "run", **ring: Any) -> Ran:
        """Images of which this share lies further than the budget from the border, the rest within it."""
        values = [0.2 if i < robust * N else 0.45 for i in range(N)]
        samples = memory(images(values), torch.zeros(N, dtype=torch.int64))
        scene = Scene(target, samples, tmp_path / folder, **ring)
        plan = make_plan((Noise(draws=1), FGSM()), target, scene.ring.threat, 3)
        runs = in_blocks(Cascade(scene.batches(16), lambda event: None), plan, settings(threshold))
        return Ran(scene, runs)

    return run


def test_the_order_is_a_permutation_that_the_seed_decides() -> None:
    assert sorted(order_of(1000, 0).tolist()) == list(range(1000))
    assert order_of(1000, 0).tolist() == order_of(1000, 0).tolist()
    assert order_of(1000, 0).tolist() != order_of(1000, 1).tolist()


def test_the_order_knows_nothing_of_where_samples_stand() -> None:
    firsts = np.array([np.sort(order_of(100, seed)[:10]) for seed in range(400)])
    # The mean position of the first ten of a hundred, and its standard error.
    assert firsts.mean() == pytest.approx(49.5, abs=3.5 * math.sqrt((100**2 - 1) / 12 / firsts.size))


def test_blocks_cover_everything_once_and_grow() -> None:
    stretches = list(blocks(1000))
    assert [s.start for s in stretches] == [0, *(s.stop for s in stretches[:-1])]
    assert stretches[-1].stop == 1000
    sizes = [s.stop - s.start for s in stretches[:-1]]
    assert sizes == sorted(sizes)
    assert [s.stop for s in blocks(5)] == [5]


def test_it_stops_when_the_gate_is_certain_and_the_others_are_not_evaluated(scan) -> None:  # type: ignore[no-untyped-def]
    ran = scan(0.5, 0.9)
    n = len(ran.audited)
    assert 0 < n < N / 4
    assert set(ran.audited) == set(order_of(N, 0)[:n].tolist())
    outcomes = ran.scene.outcomes
    assert all((outcomes[i] == "not_evaluated") != (i in ran.audited) for i in range(N))
    told_of = told(ran.scene.standing, 0.95)
    assert told_of is not None
    assert (told_of.audited, told_of.of, told_of.stopped) == (n, N, True)
    assert told_of.robust == sum(i < 0.9 * N for i in ran.audited)
    assert told_of.interval == anytime(told_of.robust, n)
    assert told_of.interval[0] >= 0.5


def test_it_stops_early_for_a_model_that_fails_too(scan) -> None:  # type: ignore[no-untyped-def]
    ran = scan(0.5, 0.1)
    part = told(ran.scene.standing, 0.95)
    assert part is not None
    assert part.stopped
    assert part.interval[1] < 0.5


def test_what_lies_at_the_threshold_is_audited_to_the_end(scan) -> None:  # type: ignore[no-untyped-def]
    ran = scan(0.5, 0.5)
    assert len(ran.audited) == N
    assert "not_evaluated" not in ran.scene.outcomes


def test_every_sample_that_was_begun_saw_the_whole_suite_and_counts_add_up(scan) -> None:  # type: ignore[no-untyped-def]
    ran = scan(0.5, 0.7)
    noise, fgsm = ran.runs
    n = len(ran.audited)
    assert (noise.attacked, fgsm.attacked) == (n, n - noise.broken)
    assert noise.broken + fgsm.broken == ran.scene.outcomes.count("broken")
    assert noise.forwards >= n


def test_the_outcomes_are_those_of_a_scan_of_all_samples(scan) -> None:  # type: ignore[no-untyped-def]
    some, every = scan(0.5, 0.7), scan(0.7, 0.7, "other")
    assert len(every.audited) == N
    assert [some.scene.outcomes[i] for i in some.audited] == [every.scene.outcomes[i] for i in some.audited]


def test_a_second_run_in_the_same_folder_ends_where_the_first_did_without_attacking(scan, network) -> None:  # type: ignore[no-untyped-def]
    first = scan(0.5, 0.8)
    first.scene.store.close()
    calls = len(network.calls)
    again = scan(0.5, 0.8)
    assert again.audited == first.audited
    assert again.scene.outcomes == first.scene.outcomes
    # The clean pass of the scene alone.
    assert sum(network.calls[calls:]) == N


def test_when_time_runs_out_what_was_not_reached_is_not_counted(scan) -> None:  # type: ignore[no-untyped-def]
    ran = scan(0.5, 0.9, deadline=0.0)
    part = told(ran.scene.standing, 0.95)
    assert part is not None
    assert part.audited == part.not_evaluated == 32
    assert {run.status for run in ran.runs} == {"timed out"}
    assert set(ran.scene.outcomes) == {"not_evaluated"}


def test_samples_that_are_not_known_keep_a_gate_from_passing_and_not_from_failing() -> None:
    rule = Rule(0.5, 0.95)
    assert rule.certain(190, 0, 200)
    assert not rule.certain(180, 10, 200)
    assert rule.certain(20, 10, 200)
    assert not rule.certain(20, 100, 200)


def test_every_gate_of_the_run_has_its_share_of_the_error() -> None:
    alone = Rule.of(settings(0.4))
    assert (alone.threshold, alone.confidence) == (0.4, pytest.approx(0.95))
    several = settings(0.4, min_clean_accuracy=0.9).model_copy(update={"models": ("a", "b")})
    assert Rule.of(several).confidence == pytest.approx(1.0 - 0.05 / 4)


def test_a_model_at_the_threshold_is_misjudged_no_more_often_than_agreed() -> None:
    # Whole sequences of looks as scans make them, over populations whose robust share is the threshold, and beside it.
    generator = np.random.default_rng(0)
    ends = [stretch.stop for stretch in blocks(1500)]
    runs, rule = 1000, Rule(0.4, 0.8)
    room = 2.0 * math.sqrt(0.1 * 0.9 / runs)
    known: dict[tuple[int, int], str] = {}

    def decided(k: int, n: int) -> str:
        if (k, n) not in known:
            word = "pass" if k / n >= 0.4 else "fail"
            known[k, n] = word if rule.certain(k, 0, n) else ""
        return known[k, n]

    for truth, wrong in ((0.4, "fail"), (0.399, "pass"), (0.42, "fail"), (0.38, "pass")):
        drawn = np.cumsum(generator.random((runs, ends[-1])) < truth, axis=1)[:, np.array(ends) - 1]
        words = [next(filter(None, map(decided, row, ends)), "") for row in drawn.tolist()]
        assert words.count(wrong) / runs <= 0.1 + room


def test_the_worst_class_of_a_scan_that_stopped_has_an_interval_that_holds_whenever_it_stops(scan) -> None:  # type: ignore[no-untyped-def]
    ran = scan(0.5, 0.9)
    # Two classes in turn, each right as before.
    labels = torch.arange(N) % 2
    clean = replace(ran.scene.standing.clean, labels=labels.numpy(), prediction=labels.numpy())
    ran.scene.standing.clean = clean
    worst = Done(ran.scene.ring.threat, ran.scene.standing, list(ran.runs)).result(settings(0.5), eight_bit=False)
    assert worst.worst_class is not None
    k = round(worst.worst_class.share * worst.worst_class.n)
    assert worst.worst_class.interval == anytime(k, worst.worst_class.n, 0.975)


def test_what_a_smaller_budget_broke_of_samples_that_were_not_audited_is_not_counted(scan) -> None:  # type: ignore[no-untyped-def]
    whole = scan(0.89, 0.9, "smaller")
    scene, fell = whole.scene, [i for i in whole.audited if whole.scene.standing.fell(i)]
    standing = Standing(scene.standing.clean)
    inherited = inherit([scene.standing], standing, scene.ring.threat)
    assert inherited.broken == len(fell) > 0
    scene.standing = standing
    runs = in_blocks(Cascade(scene.batches(16), lambda event: None), (), settings(0.3))
    audited = set(standing.audited.tolist())
    assert set(standing.broken_by) == audited & set(fell) < set(fell)
    assert all((scene.outcomes[i] == "not_evaluated") == (i not in audited) for i in range(N))
    (stated,) = Done(scene.ring.threat, standing, [inherited, *runs]).result(settings(0.3), eight_bit=False).attacks
    assert (stated.attacked, stated.broken) == (len(audited), len(audited & set(fell)))
