"""ONNX Runtime behind torch tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from auditor.errors import ModelError, UsageError
from auditor.target.runtime import Runtime, full_precision, open_session
from tests.target.onnx_files import linear, write

CPU = torch.device("cpu")
X = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def runtime(path: Path, output: str = "y") -> Runtime:
    return Runtime(open_session(path, CPU), "x", output, CPU)


def test_answers_are_the_graphs_own(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx")
    assert torch.allclose(runtime(model.path)(X), model.logits(X), atol=1e-5)


def test_inputs_need_not_be_contiguous_nor_free_of_gradients(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx")
    x = X.transpose(2, 3).clone().transpose(2, 3).requires_grad_()
    answer = runtime(model.path)(x)
    assert torch.allclose(answer, model.logits(X), atol=1e-5)
    assert not answer.requires_grad


def test_inputs_are_left_alone_and_answers_do_not_change_later(tmp_path: Path) -> None:
    network, before = runtime(linear(tmp_path / "m.onnx").path), X.clone()
    first = network(X)
    kept = first.clone()
    network(1 - X)
    assert torch.equal(X, before)
    assert torch.equal(first, kept)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_inputs_are_cast_to_what_the_graph_takes(tmp_path: Path, kind: int) -> None:
    model = linear(tmp_path / "m.onnx", kind=kind)
    assert torch.allclose(runtime(model.path)(X).float(), model.logits(X), atol=2e-2)


def test_integers_are_rounded_and_do_not_wrap_around(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    shape = (None, 4)
    path = write(tmp_path / "m.onnx", nodes, {"x": (TensorProto.UINT8, shape)}, {"y": (TensorProto.FLOAT, shape)})
    answer = runtime(path)(torch.tensor([[0.4, 254.6, 256.0, -3.0]]))
    assert answer.tolist() == [[0.0, 255.0, 255.0, 0.0]]


def test_a_binding_answers_as_a_plain_run_does(tmp_path: Path) -> None:
    """bfloat16, which numpy lacks, takes the way over an IO binding that accelerators take."""
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT), helper.make_node("Neg", ["f"], ["y"])]
    shape = (None, 4)
    path = write(tmp_path / "m.onnx", nodes, {"x": (TensorProto.BFLOAT16, shape)}, {"y": (TensorProto.FLOAT, shape)})
    x = torch.tensor([[0.5, -2.0, 0.25, 8.0], [1.0, 2.0, 3.0, 4.0]])
    network = runtime(path)
    first = network(x)
    network(2 * x)
    assert torch.equal(first, -x)


def test_a_batch_that_the_graph_does_not_take_is_an_error_in_one_line(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", (1, 1, 4, 4))
    with pytest.raises(ModelError, match=r"does not run on inputs of shape 5x1x4x4: .*invalid dimensions") as caught:
        runtime(model.path)(X)
    assert "\n" not in str(caught.value)


def test_a_failure_inside_the_graph_names_the_node_and_no_source_file(tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["x", "to"], ["y"], name="baked")]
    io = {"x": (TensorProto.FLOAT, (None, 1, 4, 4))}, {"y": (TensorProto.FLOAT, None)}
    network = runtime(write(tmp_path / "m.onnx", nodes, *io, {"to": np.array([3, 7])}))
    with pytest.raises(ModelError, match=r"its Reshape node 'baked' fails: ") as caught:
        network(X)
    assert ".h:" not in str(caught.value)


def test_a_node_without_a_name_is_called_so(tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["x", "to"], ["y"])]
    io = {"x": (TensorProto.FLOAT, (None, 1, 4, 4))}, {"y": (TensorProto.FLOAT, None)}
    network = runtime(write(tmp_path / "m.onnx", nodes, *io, {"to": np.array([3, 7])}))
    with pytest.raises(ModelError, match="a Reshape node without a name fails: "):
        network(X)
    matrix = [helper.make_node("Gemm", ["x", "w"], ["y"])]
    wrong = write(
        tmp_path / "m.onnx", matrix, {"x": (TensorProto.FLOAT, (None, 4))}, io[1], {"w": np.eye(3, dtype=np.float32)}
    )
    with pytest.raises(ModelError, match="a Gemm node without a name: "):
        open_session(wrong, CPU)


@pytest.mark.parametrize(("domain", "domains"), [("", {}), ("my.ops", {"my.ops": 1})])
def test_an_operator_that_the_runtime_lacks_is_named(tmp_path: Path, domain: str, domains: dict[str, int]) -> None:
    nodes = [helper.make_node("Wobble", ["x"], ["y"], domain=domain)]
    io = {"x": (TensorProto.FLOAT, (None, 4))}, {"y": (TensorProto.FLOAT, (None, 4))}
    path = write(tmp_path / "m.onnx", nodes, *io, domains=domains)
    with pytest.raises(ModelError, match=r"does not know the operator (my\.ops:)?Wobble"):
        open_session(path, CPU)


def test_an_opset_from_the_future_is_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    io = {"x": (TensorProto.FLOAT, (None, 4))}, {"y": (TensorProto.FLOAT, (None, 4))}
    with pytest.raises(ModelError, match=r"opset 99, and ONNX Runtime .* reads up to \d+"):
        open_session(write(tmp_path / "m.onnx", nodes, *io, opset=99), CPU)


def test_the_runtime_says_nothing_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = runtime(linear(tmp_path / "m.onnx", (1, 1, 4, 4)).path)
    with pytest.raises(ModelError):
        network(X)
    assert capfd.readouterr().err == ""


def test_nor_on_stdout_when_the_file_is_damaged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """ONNX Runtime prints and tries again where it cannot even read its own complaint."""
    nodes = [helper.make_node("Wobble", ["x"], ["y"])]
    io = {"x": (TensorProto.FLOAT, (None, 4))}, {"y": (TensorProto.FLOAT, (None, 4))}
    path = write(tmp_path / "m.onnx", nodes, *io)
    path.write_bytes(path.read_bytes().replace(b"Wobble", b"Wobbl\xca"))
    with pytest.raises(ModelError):
        open_session(path, CPU)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["cpu", "CPUExecutionProvider"])
def test_providers_go_by_their_short_and_by_their_full_names(tmp_path: Path, name: str) -> None:
    session = open_session(linear(tmp_path / "m.onnx").path, CPU, [name])
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_a_provider_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'abacus'; choose from cpu, cuda, tensorrt"):
        open_session(linear(tmp_path / "m.onnx").path, CPU, ["abacus"])


def test_full_precision_is_given_back() -> None:
    before = torch.backends.cudnn.allow_tf32
    with full_precision():
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 is before


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_provider_that_was_asked_for_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no CUDAExecutionProvider here"):
        open_session(linear(tmp_path / "m.onnx").path, CPU, ["cuda"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_inputs_and_outputs_stay_there(tmp_path: Path) -> None:
    model, device = linear(tmp_path / "m.onnx"), torch.device("cuda", 0)
    session = open_session(model.path, device)
    assert session.get_providers()[0] == "CUDAExecutionProvider"
    answer = Runtime(session, "x", "y", device)(X.to(device))
    assert answer.device == device
    assert torch.allclose(answer.cpu(), model.logits(X), atol=1e-4)
