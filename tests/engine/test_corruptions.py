"""The table of corruptions: over all samples, in agreement with the attack, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor import Norm, Rng, Threat
from auditor.corruptions import CORRUPTIONS
from auditor.corruptions.space import DRAWS
from auditor.engine.attempt import Ring
from auditor.engine.corruptions import corruption_facts, corruption_table
from auditor.engine.standing import Clean, Standing
from auditor.engine.store import Store
from auditor.result.anytime import anytime
from auditor.result.statistics import wilson

NAMES = ("gaussian_noise", "brightness")
THREAT = Threat(norm=Norm.CORRUPTION, eps=2, corruptions=NAMES)
N = 40


def scenes() -> tuple[Tensor, Tensor]:
    """Images whose mean lies so near one half that the noise of each decides by itself."""
    x = torch.rand(N, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    x += 0.5 - x.mean((1, 2, 3), keepdim=True) + torch.linspace(-0.02, 0.02, N).view(-1, 1, 1, 1)
    x = x.clamp(0, 1).mul(255).round().div(255)
    y = (x.flatten(1).mean(1) > 0.5).long()
    y[0] = 1 - y[0]  # wrong before anything is changed, and counted all the same
    return x, y


@pytest.fixture
def table(network: Any, build: Callable[..., Any], memory: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    x, y = scenes()

    def make(threat: Threat = THREAT, batch_size: int = 16, audited: Any = None, **ring: Any) -> Any:
        store = Store(tmp_path)
        place = Ring(target=build(network), threat=threat, seed=5, margin=0.0, **ring)
        try:
            standing = Standing(Clean(y.numpy(), y.numpy(), np.ones(N), -np.ones(N)))
            standing.among = None if audited is None else np.isin(np.arange(N), audited)
            data = memory(x, y)
            return corruption_table(place, data, standing, store, batch_size, ("toy",), 0.95, lambda event: None)
        finally:
            store.close()

    return make


def test_every_sample_meets_every_corruption(table: Callable[..., Any], network: Any) -> None:
    x, y = scenes()
    cells = table()
    assert [(cell.name, cell.severity) for cell in cells] == [(name, s) for name in NAMES for s in (1, 2)]
    seeds = Rng.keyed(5, "corruptions", torch.arange(N)).integers(DRAWS)
    for cell in cells:
        images = CORRUPTIONS[cell.name](x, cell.severity, Rng.keyed(0, "corruption", seeds))
        right = int((network(images).argmax(1) == y).sum())
        assert (cell.accuracy, cell.interval) == (right / N, wilson(right, N, 0.95))
    assert len({cell.accuracy for cell in cells}) > 1


def test_where_a_sequential_scan_stopped_only_what_it_audited_is_looked_at(
    table: Callable[..., Any], network: Any
) -> None:
    x, y = scenes()
    some = [1, 5, 7, 12, 30, 31, 39]
    cell = table(audited=some)[0]
    seeds = Rng.keyed(5, "corruptions", torch.tensor(some)).integers(DRAWS)
    images = CORRUPTIONS[NAMES[0]](x[some], 1, Rng.keyed(0, "corruption", seeds))
    right = int((network(images).argmax(1) == y[some]).sum())
    # It stopped where it looked, so the interval holds however often one looks.
    assert (cell.accuracy, cell.interval) == (right / len(some), anytime(right, len(some), 0.95))


def test_the_batch_size_changes_nothing(table: Callable[..., Any], tmp_path: Path) -> None:
    assert table(batch_size=7) == table(batch_size=40)


def test_what_is_known_is_not_asked_again(table: Callable[..., Any], network: Any) -> None:
    first, calls = table(), len(network.calls)
    assert calls == 3 * 4
    assert table() == first
    assert len(network.calls) == calls


def test_a_table_that_time_does_not_allow_is_left_out(table: Callable[..., Any]) -> None:
    assert table(deadline=0.0) == ()
    assert corruption_facts((), 0.9) == {}


def test_other_threats_have_none(table: Callable[..., Any], network: Any) -> None:
    assert table(Threat(norm=Norm.LINF, eps=0.1)) == ()
    assert not network.calls


def test_the_mean_error_is_over_all_cells(table: Callable[..., Any]) -> None:
    cells = table()
    facts = corruption_facts(cells, 0.9)
    assert facts["mean_corruption_error"] == pytest.approx(1 - sum(cell.accuracy for cell in cells) / 4)
    assert facts["relative_corruption_error"] == pytest.approx(facts["mean_corruption_error"] - 0.1)
