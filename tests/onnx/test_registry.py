"""The registry: versions, third-party operators, and what is said of unknown ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from onnx.helper import make_node

from auditor.errors import ModelError
from auditor.onnx import UnsupportedOperator, inspect_graph, load_twin, operator
from auditor.onnx.registry import _REGISTRY, find_operator


@pytest.fixture
def registry():
    """Registrations made in a test end with it."""
    kept = {key: list(value) for key, value in _REGISTRY.items()}
    yield
    _REGISTRY.clear()
    _REGISTRY.update(kept)


def custom(make_model, *names: str, domain: str = "com.example", version: int = 3):
    nodes = [make_node(name, ["x"], [f"h{i}"], name=f"node_{i}", domain=domain) for i, name in enumerate(names)]
    nodes.append(make_node("Sum", [f"h{i}" for i in range(len(names))], ["y"]))
    model = make_model(nodes, (None,))
    model.opset_import.append(helper.make_opsetid(domain, version))
    return model


def test_all_unknown_operators_are_named_with_domain_opset_and_node(make_model) -> None:
    model = custom(make_model, "Left", "Right", "Left")
    with pytest.raises(UnsupportedOperator) as caught:
        load_twin(model)
    text = str(caught.value)
    assert "Left (domain com.example, opset 3, node 'node_0')" in text
    assert "Right (domain com.example, opset 3, node 'node_1')" in text
    assert isinstance(caught.value, ModelError)
    assert inspect_graph(model).unsupported == (
        "Left (domain com.example, opset 3, node 'node_0')",
        "Right (domain com.example, opset 3, node 'node_1')",
    )


def test_an_unknown_operator_inside_a_branch_is_named(make_model) -> None:
    out = [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)]
    body = helper.make_graph([make_node("Hidden", ["x"], ["b"], name="inner", domain="com.example")], "g", [], out)
    nodes = [
        make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        make_node("Cast", ["s"], ["c"], to=TensorProto.BOOL),
        make_node("If", ["c"], ["y"], then_branch=body, else_branch=body),
    ]
    with pytest.raises(UnsupportedOperator, match=r"Hidden.*inner"):
        load_twin(make_model(nodes, (None,)))


def test_an_unknown_operator_that_the_output_does_not_need_is_no_obstacle(make_model) -> None:
    nodes = [make_node("Hidden", ["x"], ["h"], domain="com.example"), make_node("Neg", ["x"], ["y"])]
    torch.testing.assert_close(load_twin(make_model(nodes, (1,)))(torch.ones(1)), -torch.ones(1))


@pytest.mark.usefixtures("registry")
def test_a_registered_operator_runs_with_its_attributes(make_model) -> None:
    @operator("Scale", domain="com.example", since=2)
    def scale(node):
        factor = node.number("factor", 3.0)
        return lambda x: factor * x

    x = torch.ones(2, requires_grad=True)
    y = load_twin(custom(make_model, "Scale"))(x)
    torch.testing.assert_close(y, 3 * x)
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], torch.full((2,), 3.0))


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(("version", "factor"), [(2, None), (3, 10), (6, 10), (7, 20), (99, 20)])
def test_the_opset_of_the_graph_chooses_among_registrations(make_model, version, factor) -> None:
    operator("Step", domain="com.example", since=7)(lambda node: lambda x: 20 * x)
    operator("Step", domain="com.example", since=3)(lambda node: lambda x: 10 * x)
    model = custom(make_model, "Step", version=version)
    if factor is None:
        with pytest.raises(UnsupportedOperator):
            load_twin(model)
    else:
        torch.testing.assert_close(load_twin(model)(torch.ones(1)), torch.full((1,), float(factor)))


@pytest.mark.usefixtures("registry")
def test_registering_again_replaces(make_model) -> None:
    for factor in (1, 2):
        operator("Twice", domain="com.example")(lambda node, factor=factor: lambda x: factor * x)
    torch.testing.assert_close(load_twin(custom(make_model, "Twice"))(torch.ones(1)), torch.full((1,), 2.0))


def test_the_two_spellings_of_the_onnx_domain_are_one() -> None:
    assert find_operator("Relu", "ai.onnx", 17) is find_operator("Relu", "", 17) is not None


@pytest.mark.parametrize(("opset", "expected"), [(12, "rows"), (13, "columns")])
def test_softmax_changed_its_meaning_in_opset_13(make_model, opset, expected) -> None:
    nodes = [make_node("Softmax", ["x"], ["p"], axis=1), make_node("Neg", ["p"], ["y"])]
    x = torch.randn(2, 3, 4)
    y = -load_twin(make_model(nodes, (2, 3, 4), opset=opset))(x)
    dims = {"rows": (1, 2), "columns": (1,)}[expected]
    torch.testing.assert_close(y.sum(dims), torch.ones(2) if expected == "rows" else torch.ones(2, 4))


def test_functions_of_the_model_are_expanded(make_model) -> None:
    model = custom(make_model, "Shift", domain="local", version=1)
    body = [make_node("Abs", ["a"], ["t"]), make_node("Neg", ["t"], ["b"])]
    model.functions.append(helper.make_function("local", "Shift", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    torch.testing.assert_close(load_twin(model)(torch.tensor([-2.0, 3.0])), torch.tensor([-2.0, -3.0]))


def test_operators_that_onnx_defines_by_others_are_expanded(make_model) -> None:
    nodes = [make_node("CenterCropPad", ["x", "shape"], ["y"])]
    model = make_model(nodes, (4, 4), constants={"shape": np.array([2, 2])}, opset=18)
    x = torch.arange(16.0).reshape(4, 4)
    torch.testing.assert_close(load_twin(model)(x), x[1:3, 1:3])
