"""The module's interface: inputs, outputs, heads, weights, plans."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from onnx.helper import make_node
from torch import nn

from auditor.errors import ModelError
from auditor.onnx import inspect_graph, load_twin

WEIGHT = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def classifier(make_model, *tail, shape=("n", 4), constants=None, **options):
    """x @ w, then the nodes of `tail`, which read `logits` and write `y`."""
    nodes = [make_node("MatMul", ["x", "w"], ["logits"]), *tail]
    return make_model(nodes, shape, constants={"w": WEIGHT, **(constants or {})}, **options)


@pytest.mark.parametrize(
    ("operator", "head"), [("Softmax", "softmax"), ("Sigmoid", "sigmoid"), ("LogSoftmax", "log_softmax")]
)
def test_a_final_head_is_named_and_stripped(make_model, operator, head) -> None:
    model = classifier(make_model, make_node(operator, ["logits"], ["y"]))
    x = torch.randn(2, 4)
    twin = load_twin(model)
    assert (twin.head, twin.stripped, inspect_graph(model).head) == (head, True, head)
    torch.testing.assert_close(twin(x), x @ torch.from_numpy(WEIGHT))


def test_a_head_that_is_kept_is_computed(make_model, onnx_runtime) -> None:
    model = classifier(make_model, make_node("Softmax", ["logits"], ["y"]))
    x = torch.randn(2, 4)
    twin = load_twin(model, strip_head=False)
    assert (twin.head, twin.stripped) == ("softmax", False)
    np.testing.assert_allclose(twin(x).numpy(), onnx_runtime(model, x), atol=1e-6)


def test_a_head_is_found_behind_nodes_that_keep_the_order(make_model) -> None:
    tail = [
        make_node("Softmax", ["logits"], ["p"]),
        make_node("Identity", ["p"], ["i"]),
        make_node("Reshape", ["i", "target"], ["r"]),
        make_node("Cast", ["r"], ["y"], to=TensorProto.FLOAT),
    ]
    model = classifier(make_model, *tail, constants={"target": np.array([-1, 3, 1])})
    x = torch.randn(2, 4)
    torch.testing.assert_close(load_twin(model)(x), (x @ torch.from_numpy(WEIGHT)).unsqueeze(-1))


def test_a_quantised_softmax_is_stripped_with_its_quantisation(make_model) -> None:
    constants = {"s": np.float32(1 / 256), "z": np.uint8(0)}
    tail = [
        make_node("Softmax", ["logits"], ["p"]),
        make_node("QuantizeLinear", ["p", "s", "z"], ["q"]),
        make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    x = 10 * torch.randn(2, 4)
    twin = load_twin(classifier(make_model, *tail, constants=constants))
    torch.testing.assert_close(twin(x), x @ torch.from_numpy(WEIGHT))


def test_a_softmax_inside_the_graph_is_no_head(make_model) -> None:
    tail = [make_node("Softmax", ["logits"], ["p"]), make_node("Mul", ["p", "p"], ["y"])]
    twin = load_twin(classifier(make_model, *tail))
    assert (twin.head, twin.stripped) == ("logits", False)


def test_stripping_restores_the_gradient_of_a_confident_model(make_model) -> None:
    model = classifier(make_model, make_node("Softmax", ["logits"], ["y"]))
    x = (1000 * torch.randn(1, 4)).requires_grad_()
    saturated = torch.autograd.grad(load_twin(model, strip_head=False)(x)[0, 0], x)[0]
    useful = torch.autograd.grad(load_twin(model)(x)[0, 0], x)[0]
    assert saturated.norm() == 0
    assert useful.norm() > 0


def test_it_describes_its_input_and_output(make_model) -> None:
    twin = load_twin(classifier(make_model, make_node("Relu", ["logits"], ["y"]), shape=(1, 4)))
    described = (twin.input_name, twin.input_shape, twin.input_dtype, twin.output_name)
    assert described == ("x", (1, 4), torch.float32, "y")


def test_weights_are_parameters_without_gradients(make_model) -> None:
    twin = load_twin(classifier(make_model, make_node("Relu", ["logits"], ["y"])))
    (weight,) = twin.parameters()
    assert not weight.requires_grad
    np.testing.assert_array_equal(weight.numpy(), WEIGHT)


def test_a_weight_used_twice_is_one_parameter(make_model) -> None:
    square = np.eye(3, dtype=np.float32)
    nodes = [
        make_node("Identity", ["w"], ["copy"]),
        make_node("MatMul", ["x", "w"], ["h"]),
        make_node("MatMul", ["h", "copy"], ["y"]),
    ]
    twin = load_twin(make_model(nodes, ("n", 3), constants={"w": square}))
    (weight,) = twin.parameters()
    weight.data.mul_(2)
    torch.testing.assert_close(twin(torch.ones(1, 3)), torch.full((1, 3), 4.0))


def test_moving_it_moves_its_weights_and_constants(make_model) -> None:
    nodes = [
        make_node("Cast", ["x"], ["d"], to=TensorProto.DOUBLE),
        make_node("MatMul", ["d", "w"], ["h"]),
        make_node("Gather", ["h", "index"], ["y"], axis=1),
    ]
    constants = {"w": WEIGHT.astype(np.float64), "index": np.array([2, -3])}
    twin = load_twin(make_model(nodes, ("n", 4), constants=constants))
    x = torch.ones(1, 4)
    before = twin(x)
    assert before.dtype == torch.float64
    torch.testing.assert_close(before[0], torch.from_numpy(WEIGHT).double().sum(0)[[2, 0]])
    assert twin.to("meta")(x.to("meta")).device.type == "meta"


def test_constants_are_computed_at_load(make_model) -> None:
    nodes = [
        make_node("Transpose", ["index"], ["t"], perm=[1, 0]),
        make_node("Flatten", ["t"], ["flat"], axis=0),
        make_node("Gather", ["x", "flat"], ["y"], axis=1),
    ]
    twin = load_twin(make_model(nodes, ("n", 4), constants={"index": np.array([[3], [1]])}))
    assert [node.op_type for node in twin._program.nodes] == ["Gather"]


def test_a_second_call_with_other_shapes_is_planned_anew(make_model) -> None:
    nodes = [
        make_node("Shape", ["x"], ["s"]),
        make_node("Gather", ["s", "zero"], ["n"]),
        make_node("Concat", ["n", "minus"], ["target"], axis=0),
        make_node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {"zero": np.array([0]), "minus": np.array([-1])}
    twin = load_twin(make_model(nodes, ("n", 2, 2), constants=constants))
    shapes = [tuple(twin(torch.zeros(n, 2, 2)).shape) for n in (1, 5, 1, 3)]
    assert shapes == [(1, 4), (5, 4), (1, 4), (3, 4)]


def kernels(plan) -> list[str]:
    """Where a plan keeps its kernels, in their order."""
    return [name for name in plan.__globals__ if name.startswith("k")]


def test_shape_arithmetic_costs_nothing_after_the_first_call(make_model) -> None:
    nodes = [
        make_node("Shape", ["x"], ["s"]),
        make_node("Gather", ["s", "zero"], ["n"]),
        make_node("Concat", ["n", "minus"], ["target"], axis=0),
        make_node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {"zero": np.array([0]), "minus": np.array([-1])}
    twin = load_twin(make_model(nodes, ("n", 2, 2), constants=constants))
    twin(torch.zeros(3, 2, 2))
    (plan,) = twin._program._plans.values()
    assert len(kernels(plan)) == 1


def test_where_nothing_asks_for_a_shape_one_plan_serves_batches_of_all_sizes(make_model) -> None:
    nodes = [make_node("Flatten", ["x"], ["f"]), make_node("Reshape", ["f", "target"], ["y"])]
    twin = load_twin(make_model(nodes, ("n", 2, 3), constants={"target": np.array([0, 3, 2])}))
    for size in (1, 5, 3):
        x = torch.rand(size, 2, 3)
        assert torch.equal(twin(x), x.reshape(size, 3, 2))
    assert len(twin._program._plans) == 1


def test_planning_inside_a_gradient_transform_leaves_nothing_behind(make_model) -> None:
    nodes = [
        make_node("Shape", ["x"], ["s"]),
        make_node("Cast", ["s"], ["f"], to=TensorProto.FLOAT),
        make_node("ReduceProd", ["f"], ["count"], keepdims=0),
        make_node("Mul", ["x", "count"], ["y"]),
    ]
    twin = load_twin(make_model(nodes, (None, None)))
    x = torch.ones(2, 3)
    torch.testing.assert_close(torch.func.grad(lambda v: twin(v).sum())(x), 6 * x)
    kept = [value for plan in twin._program._plans.values() for value in plan.__globals__.values()]
    assert not any(torch._C._functorch.is_functorch_wrapped_tensor(v) for v in kept if isinstance(v, torch.Tensor))
    torch.testing.assert_close(twin(x), 6 * x)


def test_values_are_released_after_their_last_reader(make_model) -> None:
    nodes = [make_node("Relu", ["x"], ["a"]), make_node("Relu", ["a"], ["b"]), make_node("Relu", ["b"], ["y"])]
    twin = load_twin(make_model(nodes, (None, 2)))
    twin(torch.ones(1, 2))
    (plan,) = twin._program._plans.values()
    made: list[weakref.ref] = []
    alive: list[int] = []

    def watched(kernel):
        def run(*arguments):
            alive.append(sum(reference() is not None for reference in made))
            result = kernel(*arguments)
            made.append(weakref.ref(result))
            return result

        return run

    plan.__globals__.update({name: watched(plan.__globals__[name]) for name in kernels(plan)})
    twin(torch.ones(1, 2))
    assert alive == [0, 1, 1]


def two_inputs() -> object:
    floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n",)) for name in ("a", "b.1")]
    choice = helper.make_tensor_value_info("flag", TensorProto.BOOL, ("n",))
    outputs = [
        helper.make_tensor_value_info("chosen", TensorProto.FLOAT, ("n",)),
        helper.make_tensor_value_info("sum", TensorProto.FLOAT, ("n",)),
    ]
    nodes = [make_node("Where", ["flag", "a", "b.1"], ["chosen"]), make_node("Add", ["a", "b.1"], ["sum"])]
    graph = helper.make_graph(nodes, "g", [choice, *floats], outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_further_inputs_are_given_by_name() -> None:
    twin = load_twin(two_inputs())
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    assert twin.input_name == "a"
    chosen = twin(a, flag=torch.tensor([True, False]), **{"b.1": b})
    torch.testing.assert_close(chosen, torch.tensor([1.0, 4.0]))


def test_a_missing_input_is_named() -> None:
    with pytest.raises(ModelError, match=r"b\.1"):
        load_twin(two_inputs())(torch.zeros(2))


def test_an_output_is_chosen_by_name_and_what_it_does_not_need_is_not_run() -> None:
    twin = load_twin(two_inputs(), output="sum")
    assert [node.op_type for node in twin._program.nodes] == ["Add"]
    with pytest.raises(ModelError, match=r"'product'.*chosen, sum"):
        load_twin(two_inputs(), output="product")


def test_a_graph_of_channels_last_agrees_with_onnx_runtime(make_model, onnx_runtime) -> None:
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.normal(size=(5, 3, 3, 3)).astype(np.float32),
        "shape": np.array([-1, 5]),
        "axes": np.array([1, 2]),
    }
    nodes = [
        make_node("Transpose", ["x"], ["nchw"], perm=[0, 3, 1, 2]),
        make_node("Conv", ["nchw", "w"], ["c"], auto_pad="SAME_UPPER", strides=[2, 2]),
        make_node("Transpose", ["c"], ["nhwc"], perm=[0, 2, 3, 1]),
        make_node("Relu", ["nhwc"], ["r"]),
        make_node("ReduceMean", ["r", "axes"], ["m"], keepdims=1),
        make_node("Reshape", ["m", "shape"], ["y"]),
    ]
    model = make_model(nodes, ("n", 9, 8, 3), constants=constants, opset=18)
    x = torch.randn(2, 9, 8, 3)
    np.testing.assert_allclose(load_twin(model)(x).numpy(), onnx_runtime(model, x), atol=1e-5)


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_have_the_gradients_of_torch(cell, make_model, onnx_runtime) -> None:
    torch.manual_seed(0)
    layer = cell(3, 4, bidirectional=True).requires_grad_(False)
    order = {nn.LSTM: [0, 3, 1, 2], nn.GRU: [1, 0, 2], nn.RNN: [0]}[cell]  # ONNX orders the gates its own way

    def gather(kind: str) -> np.ndarray:
        halves = [getattr(layer, f"{kind}_l0{end}").chunk(len(order)) for end in ("", "_reverse")]
        return torch.stack([torch.cat([half[i] for i in order]) for half in halves]).numpy()

    bias = np.concatenate([gather("bias_ih"), gather("bias_hh")], 1)
    constants = {"w": gather("weight_ih"), "r": gather("weight_hh"), "b": bias}
    options = {"linear_before_reset": 1} if cell is nn.GRU else {}
    node = make_node(cell.__name__, ["x", "w", "r", "b"], ["y"], hidden_size=4, direction="bidirectional", **options)
    model = make_model([node], (5, "n", 3), constants=constants)
    x = torch.randn(5, 2, 3, requires_grad=True)
    twin = load_twin(model)
    y = twin(x)
    expected = layer(x)[0].reshape(5, 2, 2, 4).transpose(1, 2)
    np.testing.assert_allclose(y.detach().numpy(), onnx_runtime(model, x), atol=1e-6)
    torch.testing.assert_close(y, expected)
    direction = torch.randn_like(y)
    torch.testing.assert_close(
        torch.autograd.grad((y * direction).sum(), x), torch.autograd.grad((expected * direction).sum(), x)
    )
    mapped = torch.vmap(lambda sample: twin(sample.unsqueeze(1)).squeeze(2), in_dims=1, out_dims=2)
    torch.testing.assert_close(mapped(x), expected)


@pytest.mark.parametrize("positive", [True, False])
def test_a_branch_that_depends_on_the_data_is_taken(make_model, positive) -> None:
    then = helper.make_graph(
        [make_node("Mul", ["x", "w"], ["a"])], "t", [], [helper.make_tensor_value_info("a", 1, None)]
    )
    other = helper.make_graph([make_node("Neg", ["x"], ["b"])], "e", [], [helper.make_tensor_value_info("b", 1, None)])
    nodes = [
        make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        make_node("Greater", ["total", "zero"], ["condition"]),
        make_node("If", ["condition"], ["y"], then_branch=then, else_branch=other),
    ]
    constants = {"zero": np.float32(0), "w": np.full((1, 3), 2, np.float32)}
    twin = load_twin(make_model(nodes, (None, 3), constants=constants))
    x = torch.ones(2, 3) if positive else -torch.ones(2, 3)
    torch.testing.assert_close(twin(x), 2 * x if positive else -x)


def test_a_wrong_shape_is_answered_with_the_node_that_failed(make_model) -> None:
    twin = load_twin(classifier(make_model, make_node("Relu", ["logits"], ["y"])))
    with pytest.raises(ModelError, match="MatMul"):
        twin(torch.zeros(2, 7))


def test_a_graph_compiles(make_model) -> None:
    twin = load_twin(classifier(make_model, make_node("Relu", ["logits"], ["y"])))
    x = torch.randn(3, 4)
    expected = twin(x)
    torch.testing.assert_close(torch.compile(twin, backend="eager", fullgraph=False)(x), expected)


def test_an_unnamed_output_is_not_mistaken_for_an_input_that_is_left_out(make_model) -> None:
    nodes = [
        make_node("TopK", ["x", "k"], ["", "index"]),
        make_node("Cast", ["index"], ["whole"], to=TensorProto.FLOAT),
        make_node("Clip", ["whole", "", "high"], ["y"]),
    ]
    constants = {"k": np.array([2]), "high": np.array(1.0, np.float32)}
    twin = load_twin(make_model(nodes, [1, 3], constants=constants))
    x = torch.tensor([[0.5, 0.2, 0.9]])
    for _ in range(2):
        assert twin(x).tolist() == [[1.0, 0.0]]


DATA = [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 4.0], [1.0, 0.0, 2.0, 1.0]]


@pytest.mark.parametrize(
    "nodes",
    [
        [make_node("NonZero", ["x"], ["found"]), make_node("Shape", ["found"], ["n"], start=1)],
        [
            make_node("Greater", ["x", "half"], ["large"]),
            make_node("Reshape", ["large", "minus"], ["flat"]),
            make_node("Compress", ["x", "flat"], ["found"]),
            make_node("Relu", ["found"], ["again"]),
            make_node("Size", ["again"], ["n"]),
        ],
        [
            make_node("ReduceMax", ["x"], ["most"], keepdims=0),
            make_node("Cast", ["most"], ["whole"], to=TensorProto.INT64),
            make_node("Reshape", ["whole", "minus"], ["end"]),
            make_node("Slice", ["x", "zero", "end", "one"], ["found"]),
            make_node("Shape", ["found"], ["n"], start=1),
        ],
    ],
    ids=["nonzero", "compress", "slice"],
)
def test_a_shape_that_comes_from_data_is_no_part_of_a_plan(make_model, onnx_runtime, nodes) -> None:
    tail = [make_node("Cast", ["n"], ["f"], to=TensorProto.FLOAT), make_node("Mul", ["x", "f"], ["y"])]
    constants = {
        "half": np.float32(0.5),
        "minus": np.array([-1]),
        "zero": np.array([0]),
        "one": np.array([1]),
    }
    model = make_model([*nodes, *tail], (1, 4), constants=constants)
    twin = load_twin(model)
    for row in [*DATA, DATA[0]]:
        x = torch.tensor([row])
        assert twin(x).tolist() == onnx_runtime(model, x).tolist()


def test_branches_of_other_shapes_follow_the_data(make_model, onnx_runtime) -> None:
    def side(name: str, nodes: list) -> object:
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)])

    nodes = [
        make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        make_node("Greater", ["s", "zero"], ["c"]),
        make_node(
            "If",
            ["c"],
            ["b"],
            then_branch=side("yes", [make_node("Neg", ["x"], ["r"])]),
            else_branch=side("no", [make_node("Concat", ["x", "x"], ["r"], axis=0)]),
        ),
        make_node("Shape", ["b"], ["n"], end=1),
        make_node("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
        make_node("Mul", ["b", "f"], ["y"]),
    ]
    model = make_model(nodes, (2, 3), constants={"zero": np.float32(0)})
    twin = load_twin(model)
    for sign in (1.0, -1.0, 1.0):
        x = torch.full((2, 3), sign)
        assert twin(x).tolist() == onnx_runtime(model, x).tolist()


def test_a_plan_that_fails_is_made_again(make_model) -> None:
    model = make_model([make_node("Gather", ["x", "i"], ["y"])], (3,), constants={"i": np.array([2])})
    twin = load_twin(model)
    assert twin(torch.ones(3)).tolist() == [1.0]
    (plan,) = twin._program._plans.values()
    (name,) = kernels(plan)

    def broken(*arguments: object) -> None:
        raise IndexError("out of range")

    plan.__globals__[name] = broken
    assert twin(torch.ones(3)).tolist() == [1.0]


def test_a_weight_inside_of_a_branch_hides_none_outside(make_model, onnx_runtime) -> None:
    inner = helper.make_graph(
        [make_node("Mul", ["x", "w"], ["r"])],
        "b",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)],
        [helper.make_tensor("w", TensorProto.FLOAT, [3], [2.0, 2.0, 2.0])],
    )
    nodes = [
        make_node("If", ["c"], ["b"], name="if", then_branch=inner, else_branch=inner),
        make_node("Mul", ["b", "if/then_branch/w"], ["y"]),
    ]
    constants = {"c": np.array(True), "if/then_branch/w": np.full(3, 10, np.float32)}
    model = make_model(nodes, (3,), constants=constants)
    x = torch.ones(3)
    assert load_twin(model)(x).tolist() == onnx_runtime(model, x).tolist() == [20.0] * 3


def test_the_head_of_a_quantised_operator_is_stripped_as_well(make_model) -> None:
    nodes = [
        make_node("QuantizeLinear", ["x", "fine", "zero"], ["q"]),
        make_node(
            "QLinearSoftmax", ["q", "fine", "zero", "share", "zero"], ["p"], domain="com.microsoft", axis=-1, opset=17
        ),
        make_node("DequantizeLinear", ["p", "share", "zero"], ["y"]),
    ]
    constants = {"fine": np.float32(0.5), "zero": np.uint8(0), "share": np.float32(1 / 256)}
    model = make_model(nodes, (1, 3), constants=constants)
    twin = load_twin(model)
    assert (twin.head, twin.stripped, inspect_graph(model).head) == ("softmax", True, "softmax")
    assert twin(torch.tensor([[1.0, 7.0, 3.0]])).tolist() == [[1.0, 7.0, 3.0]]


def test_a_clip_behind_a_head_goes_with_it(make_model) -> None:
    tail = [make_node("Softmax", ["logits"], ["p"]), make_node("Clip", ["p", "low", "high"], ["y"])]
    model = classifier(make_model, *tail, constants={"low": np.float32(0), "high": np.float32(1)})
    x = torch.randn(2, 4)
    torch.testing.assert_close(load_twin(model)(x), 9 * (x @ torch.tensor(WEIGHT)) / 9)


def test_what_is_behind_a_cast_to_whole_numbers_is_no_head(make_model) -> None:
    tail = [
        make_node("Sigmoid", ["logits"], ["p"]),
        make_node("Cast", ["p"], ["i"], to=TensorProto.INT64),
        make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT),
    ]
    model = classifier(make_model, *tail)
    twin = load_twin(model)
    assert (twin.head, inspect_graph(model).head) == ("logits", "logits")
    assert not twin(torch.randn(2, 4)).any()


def test_texts_and_indices_are_no_parameters(make_model) -> None:
    model = classifier(make_model, make_node("Relu", ["logits"], ["y"]))
    model.graph.initializer.append(helper.make_tensor("names", TensorProto.STRING, [2], [b"a", b"b"]))
    model.graph.initializer.append(helper.make_tensor("indices", TensorProto.INT32, [5], [0, 1, 2, 3, 4]))
    assert inspect_graph(model).parameters == WEIGHT.size
