"""Examples of other models count where a model's own attacks left a sample standing, and many of them are a doubt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from auditor import Norm, Severity, Threat
from auditor.engine.done import Done
from auditor.engine.standing import Break, Standing
from auditor.engine.store import Store
from auditor.engine.transfer.stage import TransferStage
from auditor.result.evidence import read_evidence
from auditor.result.record import INHERITED, AttackRun
from tests.engine.conftest import Memory, gray
from tests.engine.transfer.models import LABELS, VALUES, Pixels, Shelf, make, settings

OWN = AttackRun(
    name="apgd",
    parameters={},
    status="ran",
    reason="",
    attacked=8,
    broken=0,
    seconds=0.0,
    forwards=0,
    backwards=0,
    access="gradients",
)


@pytest.fixture
def samples() -> Memory:
    return Memory(gray(VALUES), torch.tensor(LABELS))


def counted(
    samples: Memory, run: Path, asked: Any, *, fell: tuple[int, ...] = (), first: Any = None, **more: Any
) -> Any:
    """The stage, and the contender `b` with what its own attacks left: all samples but those that `fell`."""
    shelf = Shelf({"a": first or Pixels(), "b": Pixels()})
    first, second = shelf.contenders(samples)
    done = []
    for setting in asked.threats:
        standing = Standing(second.clean)
        standing.note("apgd", [Break(index, 1 - LABELS[index], 1.0, 0.1, True) for index in fell])
        done.append(Done(Threat(norm=setting.norm, eps=setting.eps), standing, [OWN]))
    second = replace(second, done=done)
    store = Store(run)
    store.remember("batch size", 3)
    stage = TransferStage(asked, make, shelf, samples, store, lambda event: None, float("inf"), **more)
    stage.run([first, second])
    store.close()
    return stage, second


def test_what_another_model_shows_to_fall_counts_as_broken(samples: Memory, tmp_path: Path) -> None:
    _, model = counted(samples, tmp_path, settings("mifgsm"), fell=(1, 2))
    (done,) = model.done
    # Six of eight lie within the budget, of which two had fallen.
    record = done.result(settings("mifgsm"), eight_bit=False)
    assert record.robust_accuracy == 2 / 8
    assert [(run.name, run.broken, run.access) for run in done.runs[1:2]] == [("mifgsm on a", 4, "transfer")]
    assert {done.standing.broken_by[i][0] for i in (3, 4, 5, 6)} == {"mifgsm on a"}
    assert done.standing.broken_by[1][0] == "apgd"


def test_evidence_is_kept_once_however_often_the_run_is_resumed(samples: Memory, tmp_path: Path) -> None:
    for _ in range(2):
        counted(samples, tmp_path, settings("mifgsm"), fell=(1, 2))
    index = [int(i) for shard in read_evidence(tmp_path, "b", "linf", 0.2) for i in shard.index]
    assert sorted(index) == [3, 4, 5, 6]


def test_a_larger_budget_inherits_it(samples: Memory, tmp_path: Path) -> None:
    asked = settings("mifgsm")
    larger = asked.threats[0].model_copy(update={"eps": 0.3})
    asked = asked.model_copy(update={"threats": (larger, *asked.threats)})
    _, model = counted(samples, tmp_path, asked)
    wide, narrow = model.done
    assert (len(wide.standing.standing()), len(narrow.standing.standing())) == (2, 2)
    # The larger one was tried first; what it had broken is not taken over again.
    assert [run.name for run in wide.runs][:2] == ["apgd", "mifgsm on a"]
    assert INHERITED not in [run.name for run in wide.runs]
    asked = asked.model_copy(update={"threats": asked.threats[::-1]})
    _, model = counted(samples, tmp_path / "again", asked)
    narrow, wide = model.done
    assert [(run.name, run.broken) for run in wide.runs] == [("apgd", 0), (INHERITED, 6)]


def test_many_are_a_doubt_about_the_models_own_attacks(samples: Memory, tmp_path: Path) -> None:
    asked = settings("mifgsm").model_copy(update={"escalation": False})
    stage, model = counted(samples, tmp_path, asked)
    (finding,) = stage.counted.findings(model)
    assert (finding.code, finding.severity) == ("AUD213", Severity.INCONCLUSIVE)
    assert "broke 6 of 8 samples" in finding.detail
    assert [run.name for run in model.done[0].runs] == ["apgd", "mifgsm on a"]


def test_steps_from_there_settle_the_doubt_where_they_break_no_more(samples: Memory, tmp_path: Path) -> None:
    stage, model = counted(samples, tmp_path, settings("mifgsm"))
    (finding,) = stage.counted.findings(model)
    (*_, run) = model.done[0].runs
    # Two of eight lie too far from the border for any change within the budget.
    assert (run.attacked, run.broken, run.because, run.access) == (2, 0, "AUD213", "gradients")
    assert run.backwards > 0
    assert (finding.severity, finding.remedy) == (Severity.INFO, "")
    assert finding.title.endswith("mended")


def test_what_falls_to_steps_from_there_counts_and_is_kept_as_evidence(samples: Memory, tmp_path: Path) -> None:
    # Examples made on half of the pixels move the others no nearer to the border.
    stage, model = counted(samples, tmp_path, settings("mifgsm"), first=Pixels((0, 1)))
    (done,) = model.done
    steps = [run for run in done.runs if "from examples of others" in run.name]
    assert steps[0].broken > 0
    assert len(done.standing.standing()) == 2
    (finding,) = stage.counted.findings(model)
    assert finding.evidence["broken by steps from there"] == sum(run.broken for run in steps)
    index = [int(i) for shard in read_evidence(tmp_path, "b", "linf", 0.2) for i in shard.index]
    assert sorted(index) == [1, 2, 3, 4, 5, 6]


def test_steps_from_there_keep_to_the_passes_that_are_left(samples: Memory, tmp_path: Path) -> None:
    asked = settings("mifgsm").model_copy(update={"max_passes": 4})
    stage, model = counted(samples, tmp_path, asked)
    (finding,) = stage.counted.findings(model)
    assert finding.severity is Severity.INCONCLUSIVE
    assert model.done[0].runs[-1].status == "skipped"


def test_steps_that_end_for_want_of_passes_count_as_far_as_they_went(samples: Memory, tmp_path: Path) -> None:
    asked = settings("mifgsm").model_copy(update={"max_passes": 30})
    stage, model = counted(samples, tmp_path, asked, first=Pixels((0, 1)))
    (*_, run) = model.done[0].runs
    assert (run.status, run.reason) == ("ran", "--max-passes was spent")
    assert 0 < run.attacked < len(model.done[0].standing.standing()) + run.broken
    assert run.passes > 0
    (finding,) = stage.counted.findings(model)
    assert (finding.severity, finding.detail.endswith("(--max-passes was spent).")) == (Severity.INCONCLUSIVE, True)


def test_one_sample_is_no_doubt(samples: Memory, tmp_path: Path) -> None:
    stage, model = counted(samples, tmp_path, settings("mifgsm"), fell=(1, 2, 3, 4, 5))
    assert stage.counted.touched(model)
    assert list(stage.counted.findings(model)) == []


def test_who_was_attacked_well_is_left_as_it_is(samples: Memory, tmp_path: Path) -> None:
    stage, model = counted(samples, tmp_path, settings("mifgsm"), fell=(1, 2, 3, 4, 5, 6))
    assert not stage.counted.touched(model)
    assert model.done[0].runs == [OWN]


def test_a_threat_without_attacks_of_its_own_is_no_sign_of_masking(samples: Memory, tmp_path: Path) -> None:
    stage, model = counted(samples, tmp_path, settings("mifgsm", norms=[Norm.L2], eps=0.4))
    model.done[0].runs[:] = [run for run in model.done[0].runs if run.access != "gradients"]
    assert list(stage.counted.findings(model)) == []
