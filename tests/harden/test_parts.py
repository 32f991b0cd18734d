"""The parts around training: which samples, in which order, how they are changed, at which rate, averaged how."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from auditor.defense import Training
from auditor.errors import DataError
from auditor.harden.augmentation import augmented, usual
from auditor.harden.average import Average
from auditor.harden.batches import Batches
from auditor.harden.crew import Crew
from auditor.harden.schedules import budget, rate
from auditor.harden.split import split
from auditor.harden.unseen import unseen
from auditor.samples.memory import InMemory
from auditor.settings import ThreatSetting
from auditor.types import Norm
from tests.harden.small import Run, pixels
from tests.harden.trainees import streams


def test_every_class_is_held_out_in_proportion_and_no_sample_is_in_two_parts() -> None:
    labels = torch.tensor([0] * 100 + [1] * 50 + [2] * 4)
    parts = split(labels, 0, hold_out=True)
    assert [torch.bincount(labels[rows]).tolist() for rows in (parts.training, parts.validation, parts.held_out)] == [
        [80, 40, 2], [10, 5, 1], [10, 5, 1]
    ]  # fmt: skip
    everything = torch.cat([parts.training, parts.validation, parts.held_out])
    assert torch.equal(everything.sort().values, torch.arange(154))
    assert not len(split(labels, 0, hold_out=False).held_out)


def test_of_many_samples_a_thousand_are_enough_to_choose_by() -> None:
    assert len(split(torch.arange(50_000) % 10, 0, hold_out=False).validation) == 1000


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        split(torch.tensor([0, 1]), 0, hold_out=True)


def test_every_epoch_has_each_sample_once_in_another_order() -> None:
    data = Batches(pixels(50), torch.arange(50), 0)
    first, second = ([batch.indices for batch in data.epoch(number, 16)] for number in (0, 1))
    assert [len(rows) for rows in first] == [16, 16, 16, 2]
    assert torch.equal(torch.cat(first).sort().values, torch.arange(50))
    assert not torch.equal(torch.cat(first), torch.cat(second))


def test_processes_share_a_batch_row_by_row() -> None:
    data = Batches(pixels(40), torch.arange(40), 0)
    whole = next(iter(data.epoch(0, 16))).indices
    parts = [list(data.epoch(0, 16, Crew(rank, 2))) for rank in (0, 1)]
    assert [part[0].indices.tolist() for part in parts] == [whole[0::2].tolist(), whole[1::2].tolist()]
    assert [batch.whole for batch in parts[1]] == [16, 16, 8]


def test_a_batch_of_fewer_rows_than_processes_is_the_same_in_each() -> None:
    data = Batches(pixels(18), torch.arange(18), 0)
    last = [list(data.epoch(0, 16, Crew(rank, 4)))[-1] for rank in range(4)]
    assert [batch.indices.tolist() for batch in last] == [last[0].indices.tolist()] * 4
    assert [(len(batch.y), batch.whole) for batch in last] == [(2, 8)] * 4


def test_a_crop_moves_an_image_and_a_flip_mirrors_it() -> None:
    x = torch.zeros(64, 3, 32, 32)
    x[:, :, 16, 10] = 1.0
    moved = augmented(x, frozenset({"crop"}), streams(64))
    places = moved[:, 0].flatten(1).argmax(1)
    rows, columns = places // 32, places % 32
    assert (rows - 16).abs().max() == (columns - 10).abs().max() == 4
    assert torch.equal(moved.flatten(1).sum(1), torch.full((64,), 3.0))
    mirrored = augmented(x, frozenset({"flip"}), streams(64))[:, 0].flatten(1).argmax(1) % 32
    assert set(mirrored.tolist()) == {10, 21}


@pytest.mark.parametrize("size", [(32, 32), (32, 64)])
def test_an_affine_change_turns_stretches_and_shears_about_the_middle(size: tuple[int, int]) -> None:
    height, width = size
    x = torch.zeros(256, 1, height, width)
    across = torch.arange(width // 2 - 14, width // 2 + 14)
    x[:, :, height // 2 - 1 : height // 2 + 1, across] = 1.0
    changed = augmented(x, frozenset({"affine"}), streams(256))[:, 0]
    assert float(changed.min()) >= 0.0
    assert float(changed.max()) <= 1.0
    rows, columns = (torch.arange(float(n)) + 0.5 - n / 2 for n in size)
    weight = changed.sum((1, 2))
    for middle in ((changed.sum(2) @ rows) / weight, (changed.sum(1) @ columns) / weight):
        assert float(middle.abs().max()) < 0.1
    # The line lies at the angle of its second moments: turned by 12 degrees, and by what stretching makes of them.
    moments = [(changed * a * b).sum((1, 2)) for a, b in ((columns, columns), (columns, rows[:, None]))]
    degrees = torch.rad2deg(torch.atan2(moments[1], moments[0]))
    assert 11.0 < float(degrees.max()) < 15.5
    assert -15.5 < float(degrees.min()) < -11.0
    lengths = changed.sum((1, 2)) / x[:, 0].sum((1, 2))
    assert 1.1 < float(lengths.max()) < 1.4
    assert 0.7 < float(lengths.min()) < 0.9


@pytest.mark.parametrize(("shape", "kinds"), [((3, 32, 32), {"crop", "flip"}), ((1, 28, 28), set()), ((8,), set())])
def test_only_colour_photographs_are_augmented_unasked(shape: tuple[int, ...], kinds: set[str]) -> None:
    assert usual(shape) == kinds


def test_rates_along_the_way_are_the_papers() -> None:
    shares = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert [round(rate("cyclic", share), 3) for share in shares] == [0.0, 0.5, 1.0, 0.667, 0.333, 0.0]
    assert [rate("piecewise", share) for share in shares] == [1.0, 1.0, 1.0, 0.1, 0.01, 0.01]
    assert [round(rate("cosine", share), 3) for share in (0.0, 0.5, 1.0)] == [1.0, 0.5, 0.0]
    assert [rate("constant", share) for share in shares] == [1.0] * 6


def test_the_budget_rises_along_the_warm_up() -> None:
    assert [budget(0.5, share) for share in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.5, 1.0, 1.0]
    assert budget(0.0, 0.0) == 1.0


def test_gradients_are_no_longer_than_clip_says(tmp_path: Path) -> None:
    def length(clip: float) -> float:
        trainer = Run(tmp_path, training=Training(batch_size=32, clip=clip)).trainer()
        trainer._updater.update(next(iter(trainer._batches.epoch(0, 32, Crew()))), 0.5)
        slopes = [weight.grad for weight in trainer._trainee.weights.values()]
        return float(nn.utils.get_total_norm([slope for slope in slopes if slope is not None]))

    free = length(0.0)
    assert length(free / 2) == pytest.approx(free / 2, rel=1e-3)
    assert length(2 * free) == pytest.approx(free, rel=1e-6)


def test_an_average_follows_its_network_and_is_taken_off_again() -> None:
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average = Average(module, 0.5)
    module.weight.data.fill_(1.0)
    # The share of the first update is larger than the decay says: (1 + 0) / (10 + 0) is kept.
    average.update(0)
    with average.applied():
        assert module.weight.item() == pytest.approx(0.9)
    assert module.weight.item() == 1.0
    average.update(1000)
    average.apply()
    assert module.weight.item() == pytest.approx(0.95)


def test_unseen_threats_are_of_the_other_norms_and_as_large_as_usual() -> None:
    for norm, eps, expected in (
        (Norm.LINF, 0.3, {"l2": 2.1, "l1": 9.8}),
        (Norm.L2, 2.1, {"linf": 0.3, "l1": 9.8}),
        (Norm.L1, 9.8, {"linf": 0.3, "l2": 2.1}),
    ):
        found = {t.norm.value: t.eps for t in unseen(ThreatSetting(norm=norm, eps=eps), (1, 28, 28))}
        assert found == pytest.approx(expected, rel=0.01)


def test_samples_too_many_for_memory_are_read_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.harden.batches.IN_MEMORY", 0)
    data: InMemory = pixels(40)
    for batch in Batches(data, torch.arange(40), 0).epoch(0, 16):
        assert torch.equal(batch.x, data.fetch(batch.indices.tolist()))
