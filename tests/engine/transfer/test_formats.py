"""Ten models of different formats in one run: all are tried on each other, and one at a time is in memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from auditor.engine.audit import Audit
from auditor.plugins import Plugins, load_plugins
from auditor.settings import AttackSetting, Settings, ThreatSetting
from auditor.types import Norm
from tests.engine.transfer.formats import network, written


@pytest.fixture
def born(monkeypatch: pytest.MonkeyPatch) -> Iterator[weakref.WeakSet[Any]]:
    """Every network and every session of a runtime that is still alive, of those made from here on; what lies in
    cycles is freed only where the engine sees to it."""
    made: weakref.WeakSet[Any] = weakref.WeakSet()
    # What is unpickled is not initialised, but has its state set.
    module, session = torch.nn.Module, onnxruntime.InferenceSession
    for kind, name in ((module, "__init__"), (module, "__setstate__"), (session, "__init__")):
        monkeypatch.setattr(kind, name, _noting(getattr(kind, name), made))
    gc.disable()
    yield made
    gc.enable()
    gc.unfreeze()


def _noting(begin: Callable[..., None], made: weakref.WeakSet[Any]) -> Callable[..., None]:
    def noted(self: Any, *arguments: Any, **more: Any) -> None:
        begin(self, *arguments, **more)
        made.add(self)

    return noted


def test_of_ten_models_of_different_formats_one_at_a_time_is_in_memory(
    born: weakref.WeakSet[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = written(tmp_path, "factory_of_the_tenth")
    monkeypatch.syspath_prepend(tmp_path)
    x = torch.rand(16, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    x = (x * 255).round() / 255
    np.savez(tmp_path / "data.npz", x=x.numpy(), y=network()(x).argmax(1).numpy())
    gc.collect()
    gc.freeze()  # Collections need not look at what was there before.
    born.clear()
    before: list[int] = []
    kinds: set[str] = set()
    load = Plugins.load_model

    def counting(self: Plugins, *arguments: Any) -> Any:
        before.append(len(born))
        target = load(self, *arguments)
        kinds.add(target.format)
        assert len(born) > 0, f"nothing of {arguments[0]} was seen"
        return target

    monkeypatch.setattr(Plugins, "load_model", counting)
    asked = Settings(
        models=tuple(models),
        data=str(tmp_path / "data.npz"),
        threats=(ThreatSetting(norm=Norm.LINF, eps=0.1),),
        attacks=(AttackSetting(name="fgsm"),),
        escalation=False,
        transfer_attacks=(AttackSetting(name="pgd", parameters={"steps": 2}),),
        trust=True,
    )
    result = Audit(asked, load_plugins(), tmp_path / "run").execute()
    assert result.transfer is not None
    (matrix,) = result.transfer.matrices
    # Ten audits, ten to be attacked, ten to answer; whenever a model is loaded, nothing of another is left.
    assert before == [0] * 30
    assert kinds == {"onnx", "pt2", "torchscript", "torch"}
    assert {source.status for source in matrix.sources} == {"ran"}
    # All are one network: the ceiling on and off the diagonal, in eight bits within a sample.
    rates = {(cell.source, cell.target): cell.rate for cell in matrix.cells}
    assert len(rates) == 100
    ceiling = rates["plain", "plain"]
    assert ceiling is not None
    assert 0.0 < ceiling < 1.0
    for pair, rate in rates.items():
        assert rate == pytest.approx(ceiling, abs=1 / 16 + 1e-9 if "int8" in pair else 1e-9), pair
