"""Closest points survive on disk to within a level, whatever happens to the run; nothing else is remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor.engine.memory import Memory
from auditor.errors import RunError

EPS = 0.1
ROWS = np.array([4, 0, 2])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "closest"


def points(seed: int = 0, n: int = 3) -> tuple[Tensor, Tensor]:
    """Samples and points near them, `(n, 1, 3, 3)`."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 1, 3, 3, generator=generator)
    return x, (x + EPS * (2.0 * torch.rand(x.shape, generator=generator) - 1.0)).clamp(0.0, 1.0)


def fresh(path: Path, n: int = 6) -> Memory:
    return Memory(path, np.full(n, -2.0))


def test_where_nothing_is_known_the_sample_itself_comes_back(path: Path) -> None:
    x, _ = points()
    closest, margin = fresh(path).recall(ROWS, x)
    assert torch.equal(closest, x)
    assert closest is not x
    assert margin.tolist() == [-2.0, -2.0, -2.0]
    assert not path.exists()


def test_points_come_back_to_within_half_a_level_of_their_largest_change(path: Path) -> None:
    x, closest = points()
    memory = fresh(path)
    memory.note(ROWS, x, closest, torch.tensor([-1.0, -0.5, 0.25]))
    back, margin = memory.recall(ROWS, x)
    level = (closest - x).flatten(1).abs().amax(1) / 127.0
    assert ((back - closest).flatten(1).abs().amax(1) <= 0.5 * level + 1e-7).all()
    assert margin.tolist() == [-1.0, -0.5, 0.25]
    assert not torch.equal(back, x)
    # In another order, and beside a sample that nobody attacked.
    order = torch.tensor([2, 0])
    again, _ = memory.recall(np.append(ROWS[order.numpy()], 5), torch.cat([x[order], x[:1]]))
    assert torch.equal(again, torch.cat([back[order], x[:1]]))


def test_only_what_came_closer_is_kept(path: Path) -> None:
    x, closest = points()
    memory = fresh(path)
    memory.note(ROWS, x, closest, torch.tensor([-1.0, -1.0, -1.0]))
    before, _ = memory.recall(ROWS, x)
    _, other = points(seed=1)
    nearer = x + (other - x).clamp(-EPS, EPS)
    memory.note(ROWS, x, nearer, torch.tensor([-1.5, torch.nan, -0.5]))
    after, margin = memory.recall(ROWS, x)
    assert torch.equal(after[:2], before[:2])
    assert (after[2] - nearer[2]).abs().max() < EPS / 127
    assert margin.tolist() == [-1.0, -1.0, -0.5]


def test_the_share_of_the_clean_margin_that_is_gone_is_told(path: Path) -> None:
    x, closest = points()
    memory = Memory(path, np.array([-4.0, -2.0, -1.0]))
    memory.note(np.arange(3), x, closest, torch.tensor([-1.0, -3.0, 0.5]))
    assert memory.eaten(np.arange(3)).tolist() == [0.75, 0.0, 1.5]


def test_the_file_stays_flat_however_often_points_are_noted(path: Path) -> None:
    x, closest = points()
    memory = fresh(path)
    sizes = set()
    for attempt in range(6):
        memory.note(ROWS, x, closest, torch.full((3,), -1.0 + 0.1 * attempt))
        sizes.add(path.stat().st_size)
    # A byte a pixel, in two places for every sample up to the last that was noted.
    assert max(sizes) <= 2 * 9 * (int(ROWS.max()) + 1)


def test_a_resumed_run_reads_what_the_manifest_speaks_of_though_more_was_written_since(path: Path) -> None:
    x, closest = points()
    memory = fresh(path)
    known = memory.note(ROWS, x, closest, torch.tensor([-1.0, -1.0, -1.0]))
    expected, _ = memory.recall(ROWS, x)
    # What the next attack found was not in the manifest when the run was killed.
    _, later = points(seed=1)
    memory.note(ROWS, x, x + 0.5 * (later - x).clamp(-EPS, EPS), torch.tensor([-0.5, -0.5, -0.5]))
    resumed = fresh(path)
    resumed.restore(ROWS, known)
    back, margin = resumed.recall(ROWS, x)
    assert torch.equal(back, expected)
    assert margin.tolist() == [-1.0, -1.0, -1.0]


def test_a_file_that_is_gone_or_cut_short_costs_the_points_and_no_more(path: Path) -> None:
    x, closest = points()
    memory = fresh(path)
    known = memory.note(ROWS, x, closest, torch.tensor([-1.0, -1.0, -1.0]))
    whole = path.read_bytes()
    for left in (b"", whole[:5], None):
        path.unlink(missing_ok=True)
        if left is not None:
            path.write_bytes(left)
        resumed = fresh(path)
        resumed.restore(ROWS, known)
        back, margin = resumed.recall(ROWS, x)
        assert torch.isfinite(back).all()
        assert ((back - x).abs() <= EPS + 1e-6).all()
        assert margin.tolist() == [-1.0, -1.0, -1.0]
    assert torch.equal(back, x)


def test_a_disk_that_takes_no_more_is_a_sentence() -> None:
    x, closest = points()
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no device that is always full")
    with pytest.raises(RunError, match=r"No space left.*--resume"):
        fresh(full).note(ROWS, x, closest, torch.zeros(3))


def test_a_place_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    x, closest = points()
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(RunError, match="make room"):
        fresh(tmp_path / "file" / "closest").note(ROWS, x, closest, torch.zeros(3))


def test_a_threat_that_is_done_leaves_no_file(path: Path) -> None:
    x, closest = points()
    memory = fresh(path)
    memory.forget()
    memory.note(ROWS, x, closest, torch.zeros(3))
    assert path.exists()
    memory.forget()
    assert not path.exists()
