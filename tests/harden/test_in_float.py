"""Quantised graphs of whole numbers are trained in their float form."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
import torch
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

from auditor.errors import UsageError
from auditor.harden import writing
from auditor.harden.crew import Crew
from auditor.harden.in_float import FLOAT, trainable_form
from auditor.harden.subject import answers, trainee_of
from tests.harden.small import pixels
from tests.harden.test_subject import X, graph, learn, loaded

SAMPLES = pixels(40)


@pytest.fixture
def quantised(tmp_path: Path, kind: str) -> Path:
    """The graph with weights as whole numbers, of seven bits, whose sums overflow on no processor."""
    source, path = graph(tmp_path / "m.onnx"), tmp_path / "q.onnx"
    if kind == "dynamic":
        quantize_dynamic(source, path, weight_type=QuantType.QUInt8, reduce_range=True)
        return path
    batches = iter([{"x": SAMPLES.fetch(range(40)).numpy()}])
    reader: Any = SimpleNamespace(get_next=lambda: next(batches, None))
    quantize_static(source, path, reader, quant_format=QuantFormat[kind], reduce_range=True)
    return path


@pytest.mark.parametrize("kind", ["dynamic", "QOperator"])
def test_whole_numbers_are_trained_in_their_float_form_and_written_as_it(quantised: Path, tmp_path: Path) -> None:
    target = loaded(quantised)
    form, remarks = trainable_form(target, SAMPLES, tmp_path, lambda path: loaded(Path(path)), Crew())
    assert (form.name, Path(form.source)) == (target.name, tmp_path / FLOAT)
    assert torch.allclose(form.answer(X).softmax(1), target.answer(X).softmax(1), atol=0.05)
    assert f"{tmp_path / FLOAT}, which gave 40 of 40 samples the same class" in remarks[0]
    assert "Quantise the hardened model as this one was." in remarks[0]
    trainee = trainee_of(form)
    before = {name: weight.clone() for name, weight in trainee.weights.items()}
    learn(trainee)
    wide = [name for name, weight in trainee.weights.items() if weight.dim() > 1]
    assert len(wide) == 2
    assert not any(torch.equal(trainee.weights[name], before[name]) for name in wide)
    (tmp_path / "out").mkdir()
    written = writing.write(form, trainee, tmp_path / "out", X, {})
    assert writing.check(loaded(Path(str(written.deployed))), answers(trainee, X), X) < 1e-5
    assert written.remarks == ()
    kinds = {node.op_type for node in onnx.load(str(written.deployed)).graph.node}
    assert not any("Integer" in kind or "Q" in kind for kind in kinds)


@pytest.mark.parametrize("kind", ["QDQ"])
def test_floats_between_quantisers_are_trained_where_they_are(quantised: Path, tmp_path: Path) -> None:
    target = loaded(quantised)
    assert trainable_form(target, SAMPLES, tmp_path, _never, Crew()) == (target, ())
    assert trainee_of(target).weights


def test_float_graphs_and_what_has_no_twin_are_left_as_they_are(tmp_path: Path) -> None:
    target = loaded(graph(tmp_path / "m.onnx"))
    assert trainable_form(target, SAMPLES, tmp_path, _never, Crew()) == (target, ())
    target.drop_twin()
    assert trainable_form(target, SAMPLES, tmp_path, _never, Crew()) == (target, ())


@pytest.mark.parametrize("kind", ["dynamic"])
def test_how_many_samples_the_float_form_answers_otherwise_is_counted(quantised: Path, tmp_path: Path) -> None:
    target = loaded(quantised)
    target.answer = lambda x: torch.eye(2)[torch.arange(len(x)) % 4 // 3]  # type: ignore[method-assign]
    form, remarks = trainable_form(target, SAMPLES, tmp_path, lambda path: loaded(Path(path)), Crew())
    assert form.answer(SAMPLES.fetch(range(40))).argmax(1).tolist() == [1] * 40
    assert "gave 10 of 40 samples the same class" in remarks[0]


@pytest.mark.parametrize("kind", ["dynamic"])
def test_a_folder_that_cannot_be_written_to_is_a_sentence(quantised: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        trainable_form(loaded(quantised), SAMPLES, tmp_path / "absent", _never, Crew())


def _never(path: str) -> Any:
    raise AssertionError(path)
