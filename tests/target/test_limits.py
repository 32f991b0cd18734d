"""Loops that never end, in ONNX Runtime and in PyTorch."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from auditor.errors import ModelError
from auditor.loaders import auditor_load_model
from auditor.loaders.onnx_files import may_not_end
from auditor.target import limits
from auditor.target.base import ModelOptions, Target
from auditor.target.binding import bind_to
from auditor.target.limits import Deadline, TooLong
from tests.target.onnx_files import looping

CPU = torch.device("cpu")
X = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))


def load(path: Path) -> Target:
    target = auditor_load_model(str(path), ModelOptions(), CPU)
    assert target is not None
    return target


def test_a_loop_that_ends_is_answered(tmp_path: Path) -> None:
    target = load(looping(tmp_path / "m.onnx", times=3))
    bind_to(target, X)
    assert torch.equal(target.answer(X), 8 * X)
    assert torch.equal(target.differentiable(X), 8 * X)


@pytest.mark.parametrize("inside_if", [False, True])
def test_a_loop_that_does_not_end_is_stopped_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside_if: bool
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    target = load(looping(tmp_path / "m.onnx", times=None, inside_if=inside_if))
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"longer than 0\.3 s and was stopped; its Loop may never end"):
        bind_to(target, X)
    assert time.monotonic() - started < 10


def test_nor_does_the_twin_run_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    target = load(looping(tmp_path / "m.onnx", times=None))
    assert target.twin is not None
    with pytest.raises(ModelError, match="its Loop may never end"):
        target.twin(X)


def test_ctrl_c_stops_a_session_in_the_middle_of_a_pass(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    target = load(looping(tmp_path / "m.onnx", times=None))
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        target.deployed(X)
    assert time.monotonic() - started < 10


def test_a_deadline_lets_through_what_ends_in_time() -> None:
    with Deadline(60.0):
        assert torch.equal(X + X, 2 * X)
    with pytest.raises(TooLong), Deadline(0.0):
        torch.tensor(1)


def test_a_loop_in_a_function_is_a_loop_too(tmp_path: Path) -> None:
    model = onnx.load(looping(tmp_path / "m.onnx", times=None))
    assert may_not_end(model)
    body = [helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))), *model.graph.node]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("local", "Again", ["x"], ["y"], body, opsets))
    del model.graph.node[:]
    assert may_not_end(model)
    del model.functions[:]
    assert not may_not_end(model)
