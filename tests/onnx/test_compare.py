"""Where the twin goes wrong is found by cutting the graph, and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from auditor.errors import ModelError
from auditor.onnx import compare, registry
from auditor.onnx.compare import Difference, first_difference
from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel, Operator

X = torch.rand(2, 6, generator=torch.Generator().manual_seed(0))
W = np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32)
MakeModel = Callable[..., onnx.ModelProto]
Break = Callable[[str, Kernel], None]


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Give an operator another kernel until the test is over."""

    def replace(name: str, kernel: Kernel) -> None:
        def build(node: Node) -> Kernel:
            return kernel

        monkeypatch.setitem(registry._REGISTRY, ("", name), [Operator(name, "", 1, build)])

    return replace


def chain(*operators: str) -> list[onnx.NodeProto]:
    """`x`, then each operator on the value before it, to `y`; the values between are `v1`, `v2`, ..."""
    names = ["x", *(f"v{i}" for i in range(1, len(operators))), "y"]
    steps = zip(operators, names, names[1:], strict=False)
    return [
        helper.make_node(name, [given, *(["w"] if name == "MatMul" else [])], [made], name=f"{name.lower()}-{made}")
        for name, given, made in steps
    ]


def found(model: onnx.ModelProto | Path, x: torch.Tensor = X, **options: object) -> Difference:
    difference = first_difference(model, {"x": x}, **options)  # type: ignore[arg-type]
    assert difference is not None
    return difference


LONG = ("MatMul", "Tanh", "MatMul", "Relu", "MatMul", "Elu", "MatMul", "Sigmoid", "MatMul", "Abs", "MatMul", "Softsign")


def test_a_twin_that_is_right_has_no_first_difference(make_model: MakeModel) -> None:
    assert first_difference(make_model(chain(*LONG), (2, 6), constants={"w": W}), {"x": X}) is None


@pytest.mark.parametrize("operator", ["Tanh", "Relu", "Elu", "Sigmoid", "Abs", "Softsign"])
def test_the_node_with_the_wrong_operator_is_named(make_model: MakeModel, wrong: Break, operator: str) -> None:
    wrong(operator, lambda x: 1.2 * torch.sin(x) + 0.3)
    difference = found(make_model(chain(*LONG), (2, 6), constants={"w": W}))
    assert difference.op_type == operator
    assert difference.node.startswith(f"{operator.lower()}-")
    assert difference.difference > 0.01 * difference.scale


def test_of_two_wrong_nodes_the_first_is_named(make_model: MakeModel, wrong: Break) -> None:
    wrong("Elu", lambda x: x + 0.5)
    wrong("Abs", lambda x: x - 0.5)
    assert found(make_model(chain(*LONG), (2, 6), constants={"w": W})).op_type == "Elu"


def test_difference_and_scale_are_those_of_the_value_that_the_node_writes(make_model: MakeModel, wrong: Break) -> None:
    wrong("Neg", lambda x: 0.5 - x)
    difference = found(make_model(chain("Neg", "Tanh", "Exp"), (2, 6)))
    assert (difference.node, difference.output) == ("neg-v1", "v1")
    assert difference.difference == pytest.approx(0.5, abs=1e-5)
    assert difference.scale == pytest.approx(float(X.max()), rel=1e-5)
    assert str(difference).startswith("The first node that differs is 'neg-v1' (Neg): its inputs agree, and its output")


def test_sessions_grow_with_the_logarithm_of_the_nodes(
    make_model: MakeModel, wrong: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, session = [], compare._session

    def counted(model: onnx.ModelProto) -> object:
        opened.append(model)
        return session(model)

    monkeypatch.setattr(compare, "_session", counted)
    wrong("Elu", lambda x: x + 0.5)
    model = make_model(chain(*["Tanh"] * 70, "Elu", *["Tanh"] * 57), (2, 6))
    assert found(model).node == "elu-v71"
    assert len(opened) == 8


def test_a_wrong_node_on_one_of_two_branches_is_named(make_model: MakeModel, wrong: Break) -> None:
    wrong("Elu", lambda x: x + 0.5)
    nodes = [
        helper.make_node("Elu", ["x"], ["a"], name="a"),
        helper.make_node("Tanh", ["x"], ["b"], name="b"),
        helper.make_node("Exp", ["b"], ["c"], name="c"),
        helper.make_node("Relu", ["a"], ["d"], name="d"),
        helper.make_node("Add", ["c", "d"], ["y"], name="sum"),
    ]
    assert found(make_model(nodes, (2, 6))).node == "a"


def test_a_wrong_gradient_with_right_values_has_no_first_difference(make_model: MakeModel, wrong: Break) -> None:
    wrong("Tanh", lambda x: torch.tanh(x).detach())
    assert first_difference(make_model(chain("Tanh", "Exp"), (2, 6)), {"x": X}) is None


def test_the_output_that_is_asked_for_is_explained(make_model: MakeModel, wrong: Break) -> None:
    wrong("Exp", lambda x: x)
    nodes = [helper.make_node("Tanh", ["x"], ["y"], name="t"), helper.make_node("Exp", ["x"], ["z"], name="e")]
    model = make_model(nodes, (2, 6), outputs=("y", "z"))
    assert first_difference(model, {"x": X}) is None
    assert found(model, output="z").node == "e"


def test_integer_values_are_compared_too(make_model: MakeModel, wrong: Break) -> None:
    wrong("ArgMax", lambda x: x.argmin(1))
    nodes = [
        helper.make_node("ArgMax", ["x"], ["i"], axis=1, keepdims=0, name="best"),
        helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT, name="cast"),
    ]
    assert found(make_model(nodes, (2, 6))).node == "best"


def test_a_value_of_another_shape_differs(make_model: MakeModel, wrong: Break) -> None:
    wrong("Tanh", lambda x: torch.tanh(x)[:1])
    difference = found(make_model(chain("Exp", "Tanh", "Exp"), (2, 6)))
    assert (difference.op_type, difference.difference) == ("Tanh", float("inf"))


def test_what_is_wrong_inside_of_a_branch_is_the_node_that_holds_it(make_model: MakeModel, wrong: Break) -> None:
    wrong("Elu", lambda x: x + 0.5)

    def branch(operator: str) -> onnx.GraphProto:
        node = helper.make_node(operator, ["v"], ["r"])
        return helper.make_graph([node], operator, [], [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)])

    nodes = [
        helper.make_node("Exp", ["x"], ["v"], name="before"),
        helper.make_node("ReduceSum", ["v"], ["s"], keepdims=0, name="sum"),
        helper.make_node("Greater", ["s", "zero"], ["c"], name="positive"),
        helper.make_node("If", ["c"], ["b"], name="choice", then_branch=branch("Elu"), else_branch=branch("Tanh")),
        helper.make_node("Exp", ["b"], ["y"], name="after"),
    ]
    assert found(make_model(nodes, (2, 6), constants={"zero": np.float32(0)})).node == "choice"


@pytest.mark.parametrize("rows", [1, 3])
def test_samples_are_repeated_or_cut_to_a_baked_batch(make_model: MakeModel, wrong: Break, rows: int) -> None:
    wrong("Tanh", lambda x: x)
    assert found(make_model(chain("Exp", "Tanh"), (2, 6)), torch.rand(rows, 6) + 0.5).op_type == "Tanh"


def test_a_node_of_a_function_of_the_model_is_named(make_model: MakeModel, wrong: Break) -> None:
    wrong("Elu", lambda x: x + 0.5)
    model = make_model([helper.make_node("Both", ["x"], ["y"], domain="own", name="call")], (2, 6))
    inside = [helper.make_node("Exp", ["a"], ["b"]), helper.make_node("Elu", ["b"], ["c"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Both", ["a"], ["c"], inside, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    assert found(model).op_type == "Elu"


def test_a_file_with_weights_beside_it_is_bisected(make_model: MakeModel, wrong: Break, tmp_path: Path) -> None:
    wrong("Sigmoid", lambda x: x)
    model = make_model(chain(*LONG), (2, 6), constants={"w": W})
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0)
    assert found(tmp_path / "m.onnx").op_type == "Sigmoid"


def test_roundings_of_a_quantised_graph_are_no_difference(make_model: MakeModel, wrong: Break) -> None:
    constants = {"s": np.float32(0.02), "z": np.uint8(128), "w": W}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="matmul"),
        helper.make_node("QuantizeLinear", ["a", "s", "z"], ["q"], name="quantise"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], name="dequantise"),
        helper.make_node("Elu", ["d"], ["y"], name="elu"),
    ]
    model = make_model(nodes, (2, 6), constants=constants)
    assert first_difference(model, {"x": X}) is None
    wrong("Elu", lambda x: 2.0 * x)
    assert found(model).node == "elu"


def test_inputs_that_are_missing_are_named(make_model: MakeModel) -> None:
    model = make_model(chain("Exp"), (2, 6))
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, (2,)))
    with pytest.raises(ModelError, match="inputs are x, mask"):
        first_difference(model, {"x": X})


def test_further_inputs_are_fed_by_name(make_model: MakeModel, wrong: Break) -> None:
    nodes = [helper.make_node("Add", ["x", "shift"], ["s"]), helper.make_node("Tanh", ["s"], ["y"], name="t")]
    model = make_model(nodes, (2, 6))
    model.graph.input.append(helper.make_tensor_value_info("shift", TensorProto.FLOAT, (6,)))
    feeds = {"x": X, "shift": torch.ones(6)}
    assert first_difference(model, feeds) is None
    wrong("Tanh", lambda x: x)
    difference = first_difference(model, feeds)
    assert difference is not None
    assert difference.node == "t"


def test_nodes_in_any_order_are_bisected(make_model: MakeModel, wrong: Break) -> None:
    wrong("Sigmoid", lambda x: x)
    assert found(make_model(chain(*LONG)[::-1], (2, 6), constants={"w": W})).op_type == "Sigmoid"
