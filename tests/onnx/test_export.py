"""Back to a file: the same graph with the twin's weights, as ONNX Runtime reads it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
import torchvision
from onnx import TensorProto, helper, numpy_helper
from onnx.helper import make_node
from sklearn.datasets import load_digits
from torch import Tensor, nn

from auditor.errors import ModelError, UsageError
from auditor.onnx import load_twin
from auditor.onnx.twin import Twin

W = np.arange(1, 7, dtype=np.float32).reshape(2, 3)


class Recurrent(nn.Module):
    """Tied input and output weights around a bidirectional LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 3, bidirectional=True, batch_first=True)
        self.tied = nn.Linear(6, 6)
        self.slope = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.lstm(self.tied(x))
        return F.linear(self.slope(h), self.tied.weight.t()).mean(1)


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (
        lambda: torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], 10),
        (2, 3, 32, 32),
    ),
    "vision_transformer": (
        lambda: torchvision.models.VisionTransformer(16, 8, 2, 2, 16, 32, num_classes=5),
        (2, 3, 16, 16),
    ),
    "swin_transformer": (
        lambda: torchvision.models.SwinTransformer([4, 4], 8, [1, 1], [1, 2], [2, 2], num_classes=5),
        (2, 3, 32, 32),
    ),
    "recurrent": (Recurrent, (2, 4, 6)),
    "tiny": (lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 2), nn.PReLU(), nn.LayerNorm(2)), (3, 6)),
}


def save(module: nn.Module, x: Tensor, path: Path, *, dynamo: bool) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both exporters warn about themselves
        options = {"verbose": False, "external_data": False} if dynamo else {"do_constant_folding": False}
        torch.onnx.export(module, (x,), path, dynamo=dynamo, input_names=["x"], **options)
    return path


def trained_like(make: Callable[[], nn.Module]) -> nn.Module:
    """The module in eval mode; no two tensors of it are equal, which exporters would store once."""
    torch.manual_seed(0)
    module = make().eval()
    for tensor in (*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())):
        tensor.data.add_(torch.rand_like(tensor) * 0.1)
    return module


def jolt(twin: nn.Module) -> None:
    """Move every parameter by an amount of its own."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.add_((torch.rand(weight.shape, generator=generator) * 0.1 + 0.01).to(weight.dtype))


def run(path: Path, **inputs: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def agree(path: Path, twin: Twin, x: Tensor) -> None:
    expected = twin(x).detach().numpy()
    np.testing.assert_allclose(run(path, x=x.numpy()), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.fixture(scope="module", params=[False, True], ids=["torchscript", "dynamo"])
def dynamo(request) -> bool:
    return request.param


@pytest.fixture(scope="module", params=MODULES)
def exported(request, dynamo, tmp_path_factory) -> tuple[Path, nn.Module, Tensor]:
    make, shape = MODULES[request.param]
    module, x = trained_like(make), torch.rand(shape)
    return save(module, x, tmp_path_factory.mktemp("exported") / "model.onnx", dynamo=dynamo), module, x


def test_an_untouched_twin_writes_the_original(exported, tmp_path) -> None:
    source, _, x = exported
    result = load_twin(source).export(tmp_path / "new.onnx")
    assert (result.changed, result.notes) == ((), ())
    assert onnx.load(result.path) == onnx.load(source)
    np.testing.assert_array_equal(run(result.path, x=x.numpy()), run(source, x=x.numpy()))


def test_changed_weights_are_what_onnx_runtime_answers_with(exported, tmp_path) -> None:
    source, _, x = exported
    twin = load_twin(source)
    before = twin(x)
    jolt(twin)
    result = twin.export(tmp_path / "new.onnx")
    assert len(result.changed) == len(list(twin.parameters()))
    agree(result.path, twin, x)
    assert not torch.allclose(twin(x), before)


def test_only_weights_differ_in_the_file(exported, tmp_path) -> None:
    source, _, _ = exported
    twin = load_twin(source)
    jolt(twin)
    models = [onnx.load(path) for path in (source, twin.export(tmp_path / "new.onnx").path)]
    for model in models:
        values = [a.t for node in model.graph.node if node.op_type == "Constant" for a in node.attribute]
        for tensor in (*model.graph.initializer, *values):
            tensor.ClearField("raw_data")
    assert models[0] == models[1]


@pytest.mark.parametrize("name", ["tiny", "vision_transformer"])
def test_the_parameters_are_those_of_the_module(name, dynamo, tmp_path) -> None:
    make, shape = MODULES[name]
    module = trained_like(make)
    twin = load_twin(save(module, torch.rand(shape), tmp_path / "m.onnx", dynamo=dynamo))
    wanted, found = ({tuple(w.unique().tolist()) for w in m.parameters()} for m in (module, twin))
    assert wanted <= found
    assert {len(values) for values in found - wanted} <= {1}  # an exporter stores the attention's scale in a vector


def test_every_parameter_gets_a_gradient(exported) -> None:
    source, _, x = exported
    twin = load_twin(source).requires_grad_(True)
    twin(x).square().sum().backward()
    assert all(weight.grad is not None for weight in twin.parameters())


def test_statistics_are_not_trained(tmp_path) -> None:
    module = trained_like(lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()))
    twin = load_twin(save(module, torch.rand(1, 3, 2, 2), tmp_path / "m.onnx", dynamo=False))
    assert sorted(name for name, _ in twin.named_parameters()) == ["weights.0/bias", "weights.0/weight"]
    assert len(list(twin.buffers())) == 2


def test_statistics_that_were_measured_anew_are_written(tmp_path) -> None:
    module = trained_like(lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()))
    x = torch.rand(2, 3, 2, 2)
    twin = load_twin(save(module, x, tmp_path / "m.onnx", dynamo=False))
    for statistic in twin.buffers():
        statistic.add_(0.5)
    agree(twin.export(tmp_path / "new.onnx").path, twin, x)


# ---- where a weight may lie ----------------------------------------------------------------------------------


def written(model: onnx.ModelProto, tmp_path: Path, x: Tensor, parameters: int) -> onnx.ModelProto:
    """Load, jolt, export, compare; the model that was written."""
    twin = load_twin(model)
    assert len(list(twin.parameters())) == parameters
    twin(x)  # a plan made before the training must not keep the old weights
    jolt(twin)
    path = twin.export(tmp_path / "new.onnx").path
    agree(path, twin, x)
    return onnx.load(path)


def test_a_weight_used_directly_and_transposed_stays_one(make_model, tmp_path) -> None:
    nodes = [
        make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        make_node("MatMul", ["x", "w"], ["h"]),
        make_node("MatMul", ["h", "t"], ["y"]),
    ]
    model = make_model(nodes, (1, 2), constants={"w": W})
    new = written(model, tmp_path, torch.rand(1, 2), parameters=1)
    assert list(new.graph.node) == list(model.graph.node)


def test_weights_of_constant_nodes_are_written_there(make_model, tmp_path) -> None:
    nodes = [
        make_node("Constant", [], ["w"], value=numpy_helper.from_array(W)),
        make_node("Constant", [], ["b"], value_floats=[1.0, 2.0, 3.0]),
        make_node("MatMul", ["x", "w"], ["h"]),
        make_node("Add", ["h", "b"], ["y"]),
    ]
    new = written(make_model(nodes, (1, 2)), tmp_path, torch.rand(1, 2), parameters=2)
    assert [node.op_type for node in new.graph.node] == ["Constant", "Constant", "MatMul", "Add"]


def test_small_weights_are_trained_even_where_shapes_decide_their_place(make_model, tmp_path) -> None:
    nodes = [
        make_node("Shape", ["x"], ["s"]),
        make_node("Expand", ["b", "s"], ["wide"]),
        make_node("Add", ["x", "wide"], ["y"]),
    ]
    model, x = make_model(nodes, ("n", 2), constants={"b": W[0, :2]}), torch.rand(3, 2)
    written(model, tmp_path, x, parameters=1)
    twin = load_twin(model).requires_grad_(True)
    twin(x).sum().backward()
    assert [weight.grad.tolist() for weight in twin.parameters()] == [[3.0, 3.0]]


def test_numbers_that_shapes_and_bounds_are_made_of_are_no_weights(make_model) -> None:
    nodes = [
        make_node("Constant", [], ["wide"], value_floats=[2.0]),
        make_node("Concat", ["ones", "wide", "wide"], ["scales"], axis=0),
        make_node("Resize", ["x", "", "scales"], ["h"]),
        make_node("Clip", ["h", "low", "high"], ["y"]),
    ]
    constants = {"ones": np.ones(2, np.float32), "low": np.float32(0), "high": np.float32(1)}
    twin = load_twin(make_model(nodes, (1, 1, 2, 2), constants=constants))
    assert list(twin.parameters()) == []
    assert twin(torch.rand(1, 1, 2, 2)).shape == (1, 1, 4, 4)


def branch(name: str, weight: np.ndarray) -> onnx.GraphProto:
    return helper.make_graph(
        [make_node("Transpose", ["w"], ["t"]), make_node("MatMul", ["x", "t"], [f"{name}_y"])],
        name,
        [],
        [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )


@pytest.mark.parametrize("name", ["choose", ""])
def test_weights_inside_branches_are_written_there(make_model, tmp_path, name) -> None:
    nodes = [
        make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        make_node("Less", ["sum", "limit"], ["flag"]),
        make_node("If", ["flag"], ["y"], name=name, then_branch=branch("low", W), else_branch=branch("high", -W)),
    ]
    model = make_model(nodes, (1, 3), constants={"limit": np.float32(1)})
    for x in (torch.zeros(1, 3) + 0.1, torch.ones(1, 3)):
        new = written(model, tmp_path, x, parameters=2)
    assert [a.g.initializer[0].name for a in new.graph.node[2].attribute] == ["w", "w"]


def test_an_initialiser_that_is_an_input_as_well_stays_both(make_model, tmp_path) -> None:
    model = make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": W})
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, W.shape))
    new = written(model, tmp_path, torch.rand(1, 2), parameters=1)
    assert [value.name for value in new.graph.input] == ["x", "w"]


def test_weights_of_a_function_call_are_those_of_the_caller(make_model, tmp_path) -> None:
    model = make_model([make_node("Layer", ["x", "w"], ["y"], domain="ours")], (1, 2), constants={"w": W})
    body = [make_node("MatMul", ["a", "b"], ["h"]), make_node("Relu", ["h"], ["c"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("ours", "Layer", ["a", "b"], ["c"], body, opsets))
    model.opset_import.append(helper.make_opsetid("ours", 1))
    new = written(model, tmp_path, torch.rand(1, 2), parameters=1)
    assert list(new.functions) == list(model.functions)


@pytest.mark.parametrize("element", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_weights_keep_the_type_that_the_file_stores(make_model, tmp_path, element) -> None:
    nodes = [
        make_node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
        make_node("MatMul", ["x", "wide"], ["y"]),
    ]
    model = make_model(nodes, (1, 2))
    model.graph.initializer.append(helper.make_tensor("w", element, (2, 3), W.reshape(-1).tolist()))
    new = written(model, tmp_path, torch.rand(1, 2), parameters=1)
    assert new.graph.initializer[0].data_type == element


def test_a_twin_moved_to_another_precision_writes_that_of_the_file(make_model, tmp_path) -> None:
    model = make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": W / 3})
    twin = load_twin(model).double()
    assert onnx.load(twin.export(tmp_path / "same.onnx").path) == model
    jolt(twin)
    x = torch.rand(1, 2)
    answer = run(twin.export(tmp_path / "new.onnx").path, x=x.numpy())
    np.testing.assert_allclose(answer, twin(x.double()).detach().numpy(), rtol=1e-6)


def test_a_head_that_the_twin_leaves_out_is_in_the_file(make_model, tmp_path) -> None:
    nodes = [make_node("MatMul", ["x", "w"], ["h"]), make_node("Softmax", ["h"], ["y"])]
    twin = load_twin(make_model(nodes, (1, 2), constants={"w": W}))
    jolt(twin)
    x = torch.rand(1, 2)
    path = twin.export(tmp_path / "new.onnx").path
    np.testing.assert_allclose(run(path, x=x.numpy()), twin(x).softmax(-1).detach().numpy(), rtol=1e-5)
    agree(path, load_twin(path, strip_head=False), x)


def test_names_words_and_versions_stay(make_model, tmp_path) -> None:
    model = make_model([make_node("MatMul", ["x", "w"], ["y"], name="n", doc_string="d")], (1, 2), constants={"w": W})
    model.metadata_props.add(key="author", value="nobody")
    model.producer_name, model.doc_string, model.graph.doc_string = "p", "words", "more words"
    new = written(model, tmp_path, torch.rand(1, 2), parameters=1)
    new.graph.initializer[0].CopyFrom(model.graph.initializer[0])
    assert new == model


# ---- files ---------------------------------------------------------------------------------------------------


def test_external_data_stay_external(make_model, tmp_path) -> None:
    wide = np.ones((2, 600), np.float32)
    model = make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": wide})
    onnx.save(model, tmp_path / "old.onnx", save_as_external_data=True, location="old.bin")
    twin = load_twin(tmp_path / "old.onnx")
    jolt(twin)
    agree(twin.export(tmp_path / "new.onnx").path, twin, torch.rand(1, 2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.onnx", "new.onnx.data", "old.bin", "old.onnx"]
    assert (tmp_path / "new.onnx").stat().st_size < 1000


def test_what_is_too_large_for_one_file_is_written_in_two(make_model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("auditor.onnx.export.ONE_FILE", 2000)
    model = make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": np.ones((2, 600), np.float32)})
    twin = load_twin(model)
    path = twin.export(tmp_path / "new.onnx").path
    assert (tmp_path / "new.onnx.data").exists()
    agree(path, twin, torch.rand(1, 2))


def test_the_original_is_not_overwritten(make_model, tmp_path) -> None:
    model = make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": np.ones((2, 600), np.float32)})
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="n.onnx.data")
    twin = load_twin(tmp_path / "m.onnx")
    for name in ("m.onnx", "n.onnx"):
        with pytest.raises(UsageError, match=r"replace the model"):
            twin.export(tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "n.onnx.data"]


def test_a_folder_that_is_not_there_is_named(make_model, tmp_path) -> None:
    twin = load_twin(make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": W}))
    with pytest.raises(UsageError, match="nowhere"):
        twin.export(tmp_path / "nowhere" / "m.onnx")


@pytest.mark.parametrize("path", ["", "."])
def test_a_path_without_a_name_is_answered_with_a_sentence(make_model, path) -> None:
    twin = load_twin(make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": W}))
    with pytest.raises(UsageError, match="needs the name of a file"):
        twin.export(path)


def test_a_failed_write_leaves_the_old_file(make_model, tmp_path, monkeypatch) -> None:
    twin = load_twin(make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": W}))
    (tmp_path / "m.onnx").write_bytes(b"old")
    monkeypatch.setattr("onnx.save_model", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(UsageError, match="disk full"):
        twin.export(tmp_path / "m.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
    assert (tmp_path / "m.onnx").read_bytes() == b"old"


def test_weights_of_another_shape_are_refused(make_model, tmp_path) -> None:
    twin = load_twin(make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": W}))
    twin.weights.w.data = torch.ones(2, 4)
    with pytest.raises(ModelError, match=r"'w' has the shape \(2, 4\).*\(2, 3\)"):
        twin.export(tmp_path / "m.onnx")


def test_data_files_of_the_current_folder_are_nobodys_business(make_model, tmp_path, monkeypatch) -> None:
    constants = {"w": np.eye(40, dtype=np.float32)}
    model = make_model([make_node("MatMul", ["x", "w"], ["y"])], (None, 40), constants=constants)
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    monkeypatch.chdir(tmp_path)
    twin = load_twin("m.onnx")
    (tmp_path / "out").mkdir()
    for _ in range(2):
        assert twin.export("out/m.onnx").changed == ()
    assert (tmp_path / "out" / "m.onnx.data").stat().st_size == 4 * 40 * 40
    assert load_twin("out/m.onnx")(torch.ones(1, 40)).tolist() == [[1.0] * 40]


def test_what_is_no_file_is_not_replaced(make_model, tmp_path) -> None:
    twin = load_twin(make_model([make_node("Relu", ["x"], ["y"])], (1,)))
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(UsageError, match="no file that could be replaced"):
            twin.export(tmp_path / name)


def test_a_file_that_has_changed_since_is_refused(make_model, tmp_path) -> None:
    source = tmp_path / "m.onnx"
    model = make_model([make_node("MatMul", ["x", "w"], ["y"])], (None, 2), constants={"w": W})
    onnx.save_model(model, source)
    twin = load_twin(source)
    model.graph.node[0].name = "renamed"
    onnx.save_model(model, source)
    with pytest.raises(ModelError, match="has changed since"):
        twin.export(tmp_path / "out.onnx")


def test_a_given_model_is_neither_changed_nor_depended_on(make_model, tmp_path) -> None:
    model = make_model([make_node("MatMul", ["x", "w"], ["y"])], (1, 2), constants={"w": W})
    before = model.SerializeToString()
    twin = load_twin(model)
    jolt(twin)
    twin.export(tmp_path / "m.onnx")
    assert model.SerializeToString() == before
    model.graph.node[0].op_type = "Nonsense"
    agree(twin.export(tmp_path / "n.onnx").path, twin, torch.rand(1, 2))


# ---- what it is for ------------------------------------------------------------------------------------------


def test_a_quantised_graph_is_written_as_floats_with_a_note(make_model, tmp_path) -> None:
    nodes = [
        make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        make_node("DequantizeLinear", ["q", "s", "z"], ["r"]),
        make_node("DequantizeLinear", ["i", "t"], ["w"]),
        make_node("MatMul", ["r", "w"], ["y"]),
    ]
    constants = {"s": np.float32(0.001), "z": np.uint16(0), "i": W.astype(np.int8), "t": np.float32(0.1)}
    twin = load_twin(make_model(nodes, (1, 2), constants=constants, opset=21))
    jolt(twin)
    result = twin.export(tmp_path / "m.onnx")
    assert result.changed == ("w",)
    assert "float form" in result.notes[0]
    x = torch.rand(1, 2)
    np.testing.assert_allclose(run(result.path, x=x.numpy()), twin(x).detach().numpy(), atol=0.002)
    again = load_twin(result.path)
    agree(again.export(tmp_path / "again.onnx").path, again, x)


def test_training_the_twin_trains_the_file(tmp_path) -> None:
    digits = load_digits()
    x = torch.from_numpy(digits.images[:400, None] / 16).float()
    y = torch.from_numpy(digits.target[:400])
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10), nn.Softmax(-1)
    ).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"x": {0: "n"}}
        torch.onnx.export(module, (x[:2],), tmp_path / "m.onnx", dynamo=False, input_names=["x"], dynamic_axes=axes)
    twin = load_twin(tmp_path / "m.onnx").requires_grad_(True)
    optimiser = torch.optim.SGD(twin.parameters(), lr=0.5)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(twin(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    path = twin.export(tmp_path / "new.onnx").path
    labels = run(path, x=x.numpy()).argmax(-1)
    assert (labels == twin(x).argmax(-1).numpy()).all()
    assert (labels == y.numpy()).mean() > 0.8 > (run(tmp_path / "m.onnx", x=x.numpy()).argmax(-1) == y.numpy()).mean()
