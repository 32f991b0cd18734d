"""How training samples count for robustness: what is measured, what is said of it, what is resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.errors import RunError
from auditor.harden.settings import parse_recipe
from auditor.plugins import load_plugins
from auditor.study.sample_size.reading import sentences
from auditor.study.sample_size.record import Point, Share, SizeStudy
from auditor.study.sample_size.running import FILE, SizeRunning
from auditor.study.transfer.running import Data
from auditor.types import Norm, Threat


def running(split: Data, **changed: float) -> SizeRunning:
    recipe, _ = parse_recipe("pgd:steps=2,step_size=0.6", load_plugins().defenses())
    return SizeRunning(split, recipe, Threat(norm=Norm.LINF, eps=changed.get("eps", 0.1)), updates=60)


def test_few_samples_are_learned_by_heart_and_more_generalise(split: Data, tmp_path: Path) -> None:
    study = running(split).execute(tmp_path)
    assert [point.samples for point in study.points] == [18, 37, 75, 150, 300]
    few, many = study.points[0], study.points[-1]
    assert few.robust_train.value > 0.7
    assert few.gap > 0.25
    assert many.robust_test.value > few.robust_test.value + 0.1
    assert [few.robust_train.n, few.robust_test.n, many.robust_train.n] == [18, 40, 40]
    # Interrupted after two sizes, it goes on to the same answers.
    file = tmp_path / FILE
    file.write_text(study.model_copy(update={"points": study.points[:2]}).to_json())
    turns: list[int] = []
    again = running(split)
    again.on_step = turns.append
    assert again.execute(tmp_path, resume=True) == study
    assert turns == [2 * 60] + [1] * 3 * 60
    with pytest.raises(RunError, match="begun with other data or settings"):
        running(split, eps=0.2).execute(tmp_path, resume=True)
    file.write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        running(split).execute(tmp_path, resume=True)


def told(few: tuple[float, float], many: tuple[float, float], n: int) -> str:
    def share(value: float) -> Share:
        return Share(value=value, interval=(0.0, 1.0), n=n)

    points = tuple(
        Point(
            samples=size,
            clean_train=share(1.0),
            clean_test=share(0.9),
            robust_train=share(train),
            robust_test=share(test),
        )
        for size, (train, test) in ((20, few), (320, many))
    )
    record = SizeStudy(
        source="s", sha256="0", norm="linf", eps=0.1, recipe="pgd", updates=9, attacked=n, seed=0, confidence=0.95,
        sizes=(20, 320), points=points,
    )  # fmt: skip
    return " ".join(sentences(record))


def test_a_gap_is_said_to_narrow_only_beyond_chance() -> None:
    assert "gap narrowed: 70.0 points before, 20.0 now (-50.0 ± " in told((1.0, 0.3), (0.9, 0.7), 200)
    assert "gap widened: 20.0 points" in told((0.9, 0.7), (1.0, 0.3), 200)
    assert "changed by no more than chance: 40.0 points before, 30.0 now" in told((0.9, 0.5), (0.9, 0.6), 20)
    # By hand: 0.5 of 100 is shrunk to 51 / 102, so both variances are 0.25 / 102, and 1.96 times their root is 0.137.
    assert "from 50.0% to 50.0% (+0.0 ± 13.7 points)" in told((1.0, 0.5), (1.0, 0.5), 100)


def test_the_command_prints_and_keeps_it(auditor: Callable, digits: Path) -> None:
    flags = ("study", "sample-size", "--data", digits, "--updates", 2, "--attacked", 10, "--out", "kept")
    done = auditor(*flags)
    assert (done.code, done.err) == (0, "")
    assert "robust test" in done.out
    assert "Schmidt et al." in done.out
    assert len(json.loads(Path("kept", FILE).read_text())["points"]) == 5
    assert auditor(*flags).code == 2
    assert auditor(*flags, "--resume").code == 0
    assert "--resume needs the folder" in auditor("study", "sample-size", "--resume").err
