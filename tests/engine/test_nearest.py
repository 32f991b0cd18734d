"""The smallest examples are kept exactly, on disk, and come back when a run is resumed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from auditor.engine.nearest import Nearest

ROWS = np.array([1, 3])
X = torch.zeros(2, 1, 2, 2)


def points(value: float) -> torch.Tensor:
    return torch.full((2, 1, 2, 2), value)


def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    found, size = Nearest(tmp_path / "near", 4).recall(ROWS, X)
    assert torch.equal(found, X)
    assert size.tolist() == [math.inf, math.inf]


def test_only_what_is_smaller_replaces_what_is_known_and_it_is_kept_to_the_last_bit(tmp_path: Path) -> None:
    nearest = Nearest(tmp_path / "near", 4)
    nearest.note(ROWS, X, points(1 / 3), torch.tensor([0.5, 0.5]))
    nearest.note(ROWS, X, points(0.1), torch.tensor([0.6, 0.2]))
    found, size = nearest.recall(ROWS, X)
    assert size.tolist() == pytest.approx([0.5, 0.2])
    assert torch.equal(found[0], points(1 / 3)[0])
    assert torch.equal(found[1], points(0.1)[1])


def test_what_an_interrupted_run_wrote_later_overwrites_nothing_that_is_restored(tmp_path: Path) -> None:
    first = Nearest(tmp_path / "near", 4)
    told = first.note(ROWS, X, points(0.5), torch.tensor([0.5, math.inf]))
    first.note(ROWS, X, points(0.25), torch.tensor([0.25, 0.25]))
    second = Nearest(tmp_path / "near", 4)
    second.restore(ROWS, told)
    found, size = second.recall(ROWS, X)
    assert size.tolist() == [0.5, math.inf]
    assert torch.equal(found[0], points(0.5)[0])


def test_the_nearest_are_attacked_before_others_where_passes_are_short(tmp_path: Path) -> None:
    nearest = Nearest(tmp_path / "near", 4)
    nearest.note(ROWS, X, points(0.5), torch.tensor([0.5, 0.1]))
    eaten = nearest.eaten(np.arange(4))
    assert eaten.argsort().tolist()[-2:] == [1, 3]
    nearest.forget()
    assert not (tmp_path / "near").exists()
