"""Every model is attacked in its turn and answers in its turn: what is counted, left out, remembered."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from auditor import UsageError
from auditor.engine.transfer.setups import attacks_of, setups_of
from auditor.events import Event, Progress
from auditor.types import Norm
from tests.engine.conftest import Memory, gray
from tests.engine.transfer.models import EPS, LABELS, VALUES, Pixels, Shelf, cell, make, measured, settings


@pytest.fixture
def samples() -> Memory:
    return Memory(gray(VALUES), torch.tensor(LABELS))


def test_identical_models_show_the_ceiling_on_and_off_the_diagonal(samples: Memory, tmp_path: Path) -> None:
    (matrix,) = measured(Shelf({"a": Pixels(), "b": Pixels()}), samples, tmp_path, settings("mifgsm")).matrices
    # The border is one half: 0.10 and 0.90 lie further off than the budget, the six others fall.
    for one in matrix.cells:
        assert (one.among, one.fooled, one.direct, one.agreed, one.rate) == (8, 6, 6, 6, 0.75)
        assert [(count.label, count.among, count.fooled) for count in one.classes] == [(0, 4, 3), (1, 4, 3)]
        assert one.interval is not None
        assert one.interval[0] < 0.75 < one.interval[1]


def test_models_that_look_elsewhere_share_nothing(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"left": Pixels([0]), "right": Pixels([3]), "all": Pixels()})
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm")).matrices
    assert cell(matrix, "left", "right").fooled == 0
    assert cell(matrix, "left", "right").direct == 6
    # A quarter of the change of one pixel reaches who looks at all: enough for those within 0.05.
    assert cell(matrix, "left", "all").fooled == 2
    assert cell(matrix, "all", "left").fooled == 6


def test_in_l0_examples_travel_that_change_few_entries(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"left": Pixels([0]), "right": Pixels([3]), "all": Pixels(), "same": Pixels()})
    (matrix,) = measured(shelf, samples, tmp_path, settings("sparse-rs", norms=[Norm.L0], eps=1.0)).matrices
    # One of four pixels at the end of the box moves the mean far enough, but from 0.10 and 0.90.
    same = cell(matrix, "all", "same")
    assert (same.fooled, same.direct, same.agreed) == (6, 6, 6)
    assert cell(matrix, "left", "left").fooled == 8
    assert cell(matrix, "left", "right").fooled == 0
    assert cell(matrix, "left", "all").fooled == 6
    # One entry in four is the right one, and every other draw leads the right way.
    assert cell(matrix, "left", "left").noise in range(4)


def test_in_l0_the_usual_attack_is_one_of_few_entries(samples: Memory) -> None:
    asked = settings(norms=[Norm.LINF, Norm.L0], eps=1.0)
    setups, left_out = setups_of(asked, attacks_of(asked, make), Shelf({"a": Pixels()}).contenders(samples)[0], samples)
    names = [(setup.threat.norm, setup.name) for setup in setups]
    assert names == [(Norm.LINF, "pgd-ce"), (Norm.LINF, "transfer"), (Norm.L0, "sparse-rs")]
    assert left_out == []


def test_only_samples_that_both_have_right_count(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"a": Pixels(), "b": Pixels(shift=0.05)})
    result = measured(shelf, samples, tmp_path, settings("mifgsm"))
    (matrix,) = result.matrices
    # The second takes 0.54 for class 0, so its border is at 0.55.
    assert cell(matrix, "a", "b").among == cell(matrix, "b", "a").among == 7
    assert cell(matrix, "a", "a").among == 8
    assert cell(matrix, "b", "a").direct == 5
    (pair,) = result.agreements
    assert (pair.n, pair.first_wrong, pair.second_wrong, pair.both_wrong, pair.kappa) == (8, 0, 1, 0, None)


def test_the_floor_is_noise_of_the_same_size_on_the_same_samples(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"a": Pixels([0]), "b": Pixels([0])})
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm", eps=0.5)).matrices
    one = cell(matrix, "a", "b")
    # One pixel moves by half the range up or down: half of those draws cross.
    assert one.noise is not None
    assert 0 < one.noise < one.fooled == 8


def test_a_model_without_gradients_is_a_target_alone(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"a": Pixels(), "mute": Pixels()}, without_gradients=["mute"])
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm")).matrices
    row = next(source for source in matrix.sources if source.name == "mute")
    assert (row.status, row.attacked) == ("failed", 0)
    assert "gradients" in row.reason
    assert cell(matrix, "mute", "a").rate is None
    assert cell(matrix, "mute", "a").reason == row.reason
    assert (cell(matrix, "a", "mute").fooled, cell(matrix, "a", "mute").direct) == (6, None)


def test_an_attack_that_asks_for_scores_makes_sources_of_models_without_gradients(
    samples: Memory, tmp_path: Path
) -> None:
    shelf = Shelf({"a": Pixels(), "mute": Pixels()}, without_gradients=["mute"])
    (matrix,) = measured(shelf, samples, tmp_path, settings("square")).matrices
    assert cell(matrix, "mute", "a").rate == cell(matrix, "mute", "mute").rate == 0.75


def test_models_with_other_classes_are_not_compared(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"two": Pixels(), "five": Pixels(classes=5), "too": Pixels()})
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm")).matrices
    one = cell(matrix, "two", "five")
    assert (one.rate, one.reason) == (None, "two has 2 classes and five 5, so their answers cannot be compared")
    assert cell(matrix, "five", "five").rate == cell(matrix, "two", "too").rate == 0.75


def test_one_model_at_a_time_is_in_memory_and_each_is_loaded_twice(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({name: Pixels() for name in "abcd"})
    measured(shelf, samples, tmp_path, settings("mifgsm", "pgd"))
    assert shelf.loads == [*"abcd", *"abcd"]
    assert (shelf.most, shelf.alive) == (1, 0)


def test_a_cell_costs_one_forward_pass_a_sample(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({name: Pixels() for name in "abc"})
    contenders = shelf.contenders(samples)
    for network in shelf.networks.values():
        network.seen = 0
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm"), contenders=contenders).matrices
    # Five steps and the answer to its own examples; noise, and the examples of two others.
    assert {network.seen for network in shelf.networks.values()} == {8 * (5 + 1) + 8 * (1 + 2)}
    assert {(source.attacked, source.forwards, source.backwards) for source in matrix.sources} == {(8, 40, 40)}


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("after", [1, 4, 7, 12])
def test_what_was_done_before_an_interruption_is_done_no_more(after: int, samples: Memory, tmp_path: Path) -> None:
    def run(place: Path, stop: int | None = None) -> tuple[Any, int]:
        shelf = Shelf({name: Pixels() for name in "abc"})
        known = shelf.contenders(samples)
        for network in shelf.networks.values():
            network.seen = 0
        told: list[Event] = []

        def listen(event: Event) -> None:
            told.append(event)
            if stop is not None and sum(isinstance(one, Progress) for one in told) == stop:
                raise Interrupted

        try:
            result = measured(shelf, samples, place, settings("mifgsm", "pgd"), contenders=known, listen=listen)
        except Interrupted:
            result = None
        return result, sum(network.seen for network in shelf.networks.values())

    whole, all_passes = run(tmp_path / "whole")
    _, before = run(tmp_path / "cut", after)
    resumed, rest = run(tmp_path / "cut")
    assert before > 0
    assert before + rest == all_passes
    assert [timeless(matrix) for matrix in resumed.matrices] == [timeless(matrix) for matrix in whole.matrices]


def timeless(matrix: Any) -> Any:
    """The matrix without how long it took."""
    record = matrix.model_dump()
    for part in (*record["cells"], *record["sources"]):
        part.pop("seconds")
    return record


def test_examples_that_were_lost_are_made_again(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"a": Pixels(), "b": Pixels()})
    first = measured(shelf, samples, tmp_path, settings("pgd"))
    files = sorted((tmp_path / "transfer").rglob("*.safetensors"))
    # Eight samples in batches of three, of two sources.
    assert len(files) == 6
    content = files[0].read_bytes()
    files[0].unlink()
    again = measured(shelf, samples, tmp_path, settings("pgd"))
    assert files[0].read_bytes() == content
    assert [timeless(m) for m in again.matrices] == [timeless(m) for m in first.matrices]


def test_no_example_leaves_the_budget(samples: Memory, tmp_path: Path) -> None:
    from auditor.result.evidence import read_shard

    measured(Shelf({"a": Pixels(), "b": Pixels()}), samples, tmp_path, settings("pgd", norms=[Norm.LINF, Norm.L2]))
    for path in (tmp_path / "transfer").rglob("*.safetensors"):
        shard = read_shard(path)
        change = torch.from_numpy(shard.adversarial - shard.original).flatten(1)
        size = change.abs().amax(1) if "linf" in str(path) else change.norm(dim=1)
        assert float(size.max()) <= EPS + 1e-6
        assert float(size.min()) > 0.9 * EPS


def test_where_time_is_up_cells_are_not_measured_and_say_so(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"a": Pixels(), "b": Pixels()})
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm"), deadline=time.monotonic()).matrices
    assert {source.status for source in matrix.sources} == {"timed out"}
    assert {(one.rate, one.reason) for one in matrix.cells} == {(None, "the time limit was reached")}


def test_a_time_limit_leaves_time_to_try_what_was_made(
    samples: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ticking(Pixels):
        """Every pass takes a second."""

        def forward(self, x: Tensor) -> Tensor:
            clock[0] += 1.0
            return super().forward(x)

    clock = [0.0]
    shelf = Shelf({"a": Ticking(), "b": Ticking()})
    known = shelf.contenders(samples)
    clock[0] = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    # A source takes 18 seconds, and 33.6 are for crafting: the second does not make it. Answers take 9 in all.
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm"), contenders=known, deadline=42.0).matrices
    assert [source.status for source in matrix.sources] == ["ran", "timed out"]
    assert cell(matrix, "a", "a").rate == cell(matrix, "a", "b").rate == 0.75
    assert cell(matrix, "b", "a").reason == "the time limit was reached"


def test_a_file_that_changed_meanwhile_is_not_asked(samples: Memory, tmp_path: Path) -> None:
    shelf = Shelf({"a": Pixels(), "b": Pixels()})
    known = shelf.contenders(samples)
    shelf.sha["b"] = "1" * 64
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm"), contenders=known).matrices
    assert cell(matrix, "a", "a").rate == 0.75
    assert cell(matrix, "a", "b").reason == cell(matrix, "b", "a").reason == "b changed while the scan ran; scan again."


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (settings("mifgsm", norms=[Norm.LINF, Norm.SPATIAL]), "spatial 0.2: transfer is measured in linf, l2, l1, l0."),
        (settings("mifgsm", norms=[Norm.LINF, Norm.L1]), "l1 0.2: none of the transfer attacks works there."),
        (settings("mifgsm", "pgd", norms=[Norm.LINF, Norm.L1]), "l1 0.2: mifgsm does not work there."),
        (settings("mifgsm", eps=math.inf), "linf auto: examples for other models need a budget."),
        (
            settings("mifgsm", goal="targeted:least-likely"),
            "linf 0.2: every model finds another class",
        ),
    ],
)
def test_what_is_left_out_is_said(asked: Any, said: str, samples: Memory, tmp_path: Path) -> None:
    result = measured(Shelf({"a": Pixels(), "b": Pixels()}), samples, tmp_path, asked)
    assert len(result.left_out) == 1
    assert result.left_out[0].startswith(said)
    assert len(result.matrices) == len(asked.threats) * len(asked.transfer_attacks) - 1


def test_under_a_goal_only_the_wanted_class_counts(samples: Memory, tmp_path: Path) -> None:
    shelf, asked = Shelf({"a": Pixels(), "b": Pixels()}), settings("mifgsm", goal="targeted:1")
    (matrix,) = measured(shelf, samples, tmp_path, asked, contenders=shelf.contenders(samples, wanted=1)).matrices
    one = cell(matrix, "a", "b")
    assert (one.among, one.fooled, one.direct) == (4, 3, 3)
    assert [count.label for count in one.classes] == [0]


def test_a_model_that_answers_at_random_is_judged_by_its_majority(samples: Memory, tmp_path: Path) -> None:
    class Moody(Pixels):
        """Answers the other way round one time in three."""

        def forward(self, x: Tensor) -> Tensor:
            self.turn = getattr(self, "turn", -1) + 1
            return super().forward(x) * (-1.0 if self.turn % 3 == 2 else 1.0)

    shelf = Shelf({"a": Pixels(), "moody": Moody()})
    shelf.draws["moody"] = 3
    (matrix,) = measured(shelf, samples, tmp_path, settings("mifgsm")).matrices
    assert cell(matrix, "a", "moody").rate == 0.75


@pytest.mark.parametrize("name", ["mifgsm", "pgd"])
def test_every_attack_has_a_matrix_within_every_budget(name: str, samples: Memory, tmp_path: Path) -> None:
    result = measured(
        Shelf({"a": Pixels(), "b": Pixels()}), samples, tmp_path, settings("mifgsm", "pgd", norms=[Norm.LINF, Norm.L2])
    )
    assert [(matrix.norm, matrix.attack) for matrix in result.matrices] == [
        (norm, attack) for norm in (Norm.LINF, Norm.L2) for attack in ("mifgsm", "pgd-ce")
    ]


def test_an_attack_without_examples_for_others_is_refused(samples: Memory, tmp_path: Path) -> None:
    from auditor.engine.transfer.setups import attacks_of
    from auditor_attacks.cw import CW

    with pytest.raises(UsageError, match="--transfer-attack cw looks for the smallest change"):
        attacks_of(settings("pgd"), lambda name, parameters: CW())
