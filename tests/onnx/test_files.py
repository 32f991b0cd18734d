"""Files that are damaged, hostile or something else: a sentence, never a traceback of torch or protobuf."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.helper import make_node

from auditor.errors import ModelError
from auditor.onnx import inspect_graph, load_twin


@pytest.fixture
def model(make_model) -> onnx.ModelProto:
    weight = np.arange(12, dtype=np.float32).reshape(4, 3)
    return make_model([make_node("MatMul", ["x", "w"], ["y"])], ("n", 4), constants={"w": weight})


def external(model: onnx.ModelProto, path: Path, location: str) -> None:
    """Save `model` with its weight said to lie at `location`."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("read", [load_twin, inspect_graph])
def test_a_missing_file_is_said_to_be_missing(read, tmp_path) -> None:
    with pytest.raises(ModelError, match="no model file"):
        read(tmp_path / "none.onnx")


@pytest.mark.parametrize("read", [load_twin, inspect_graph])
def test_an_empty_file_is_said_to_be_empty(read, tmp_path) -> None:
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelError, match="is empty"):
        read(tmp_path / "empty.onnx")


@pytest.mark.parametrize("read", [load_twin, inspect_graph])
@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" * 50, b"not a model", b"\x00" * 64, b"{}"])
def test_a_file_of_another_format_is_refused(read, content, tmp_path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="ONNX"):
        read(path)


def test_a_file_cut_short_anywhere_is_refused_or_whole(model, tmp_path) -> None:
    data = model.SerializeToString()
    path = tmp_path / "cut.onnx"
    for length in range(1, len(data), 7):
        path.write_bytes(data[:length])
        try:
            load_twin(path)
        except ModelError:
            continue
        except Exception as error:  # anything else is what this test is about
            pytest.fail(f"cut at {length}: {error!r}")


def test_external_data_beside_the_model_is_read(model, tmp_path) -> None:
    values = np.arange(12, dtype=np.float32)
    (tmp_path / "weights.bin").write_bytes(values.tobytes())
    external(model, tmp_path / "m.onnx", "weights.bin")
    (weight,) = load_twin(tmp_path / "m.onnx").parameters()
    np.testing.assert_array_equal(weight.flatten().numpy(), values)
    assert inspect_graph(tmp_path / "m.onnx").parameters == 12


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "folder/../../secret.bin"])
def test_external_data_outside_of_the_folder_is_refused(model, tmp_path, location) -> None:
    (tmp_path / "secret.bin").write_bytes(b"\x00" * 48)
    folder = tmp_path / "model"
    (folder / "folder").mkdir(parents=True)
    external(model, folder / "m.onnx", location)
    with pytest.raises(ModelError, match="external data"):
        load_twin(folder / "m.onnx")


def test_external_data_behind_a_link_is_refused(model, tmp_path) -> None:
    (tmp_path / "secret.bin").write_bytes(b"\x00" * 48)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    external(model, folder / "m.onnx", "weights.bin")
    with pytest.raises(ModelError, match="external data"):
        load_twin(folder / "m.onnx")


@pytest.mark.parametrize("size", [None, 8], ids=["missing", "cut short"])
def test_unusable_external_data_is_refused(model, tmp_path, size) -> None:
    if size is not None:
        (tmp_path / "weights.bin").write_bytes(b"\x00" * size)
    external(model, tmp_path / "m.onnx", "weights.bin")
    with pytest.raises(ModelError):
        load_twin(tmp_path / "m.onnx")


def test_a_weight_with_too_few_bytes_is_refused(model) -> None:
    model.graph.initializer[0].raw_data = b"\x00" * 5
    with pytest.raises(ModelError, match=r"'w'.*damaged"):
        load_twin(model)


def test_a_value_that_nothing_computes_is_named(make_model) -> None:
    with pytest.raises(ModelError, match="'ghost'"):
        load_twin(make_model([make_node("Add", ["x", "ghost"], ["y"])], (1,)))


def test_an_output_that_nothing_computes_is_named(make_model) -> None:
    with pytest.raises(ModelError, match="'y'"):
        load_twin(make_model([make_node("Relu", ["x"], ["z"])], (1,)))


def test_nodes_may_stand_in_any_order_as_in_onnx_runtime(make_model, onnx_runtime) -> None:
    nodes = [make_node("Relu", ["a"], ["y"]), make_node("Sub", ["x", "b"], ["a"]), make_node("Sign", ["x"], ["b"])]
    model = make_model(nodes, (3,))
    x = torch.tensor([-2.0, 0.5, 3.0])
    assert load_twin(model)(x).tolist() == onnx_runtime(model, x).tolist() == [0.0, 0.0, 2.0]


def test_functions_that_call_each_other_twice_are_not_expanded(make_model) -> None:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("bomb", 1)]
    model = make_model([make_node("f40", ["x"], ["y"], domain="bomb")], (1,))
    model.opset_import.append(helper.make_opsetid("bomb", 1))
    for i in range(41):
        inner = [make_node("Relu", ["a"], ["b"])]
        if i:
            inner = [make_node(f"f{i - 1}", [a], [b], domain="bomb") for a, b in (("a", "m"), ("m", "b"))]
        model.functions.append(helper.make_function("bomb", f"f{i}", ["a"], ["b"], inner, opsets))
    for read in (load_twin, inspect_graph):
        with pytest.raises(ModelError, match="expand to more than"):
            read(model)


def test_a_cycle_has_no_end_that_is_looked_for_for_ever(make_model) -> None:
    nodes = [make_node("Identity", ["b"], ["y"]), make_node("Identity", ["y"], ["b"])]
    assert inspect_graph(make_model(nodes, (1,))).head == "logits"


def test_a_value_with_two_writers_is_refused(make_model) -> None:
    nodes = [make_node("Relu", ["x"], ["y"]), make_node("Neg", ["x"], ["y"])]
    with pytest.raises(ModelError, match="written or given already"):
        load_twin(make_model(nodes, (1,)))


def test_external_data_in_an_attribute_is_never_looked_for_elsewhere(make_model, tmp_path, monkeypatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.bin").write_bytes(np.float32([41]).tobytes())
    model = make_model([make_node("Both", ["x"], ["y"], domain="own")], (1,))
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [0.0])
    value.ClearField("float_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="secret.bin")
    body = [make_node("Constant", [], ["c"], value=value), make_node("Add", ["a", "c"], ["b"])]
    model.functions.append(helper.make_function("own", "Both", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ModelError):
        load_twin(tmp_path / "m.onnx")


def test_a_cycle_is_refused(make_model) -> None:
    nodes = [make_node("Add", ["x", "b"], ["a"]), make_node("Relu", ["a"], ["b"]), make_node("Neg", ["b"], ["y"])]
    with pytest.raises(ModelError, match="before any node has written it"):
        load_twin(make_model(nodes, (1,)))


def test_an_attribute_of_the_wrong_type_is_named(make_model) -> None:
    node = make_node("Softmax", ["x"], ["z"], axis="last")
    model = make_model([node, make_node("Neg", ["z"], ["y"])], (1, 2))
    with pytest.raises(ModelError, match="axis"):
        load_twin(model)(torch.zeros(1, 2))


def test_a_constant_too_large_for_any_memory_is_refused(make_model) -> None:
    nodes = [make_node("ConstantOfShape", ["shape"], ["big"]), make_node("Add", ["x", "big"], ["y"])]
    with pytest.raises(ModelError, match="ConstantOfShape"):
        load_twin(make_model(nodes, (1,), constants={"shape": np.array([1 << 20, 1 << 20, 1 << 10])}))


def test_a_graph_without_inputs_is_refused() -> None:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1,))
    nodes = [make_node("Constant", [], ["y"], value=numpy_helper.from_array(np.zeros(1, np.float32)))]
    with pytest.raises(ModelError, match="no input"):
        load_twin(helper.make_model(helper.make_graph(nodes, "g", [], [output])))
