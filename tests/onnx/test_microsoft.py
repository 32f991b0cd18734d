"""Operators of com.microsoft: answers of ONNX Runtime, gradients of finite differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from onnx.helper import make_node

from auditor.errors import ModelError
from auditor.onnx import load_twin
from auditor.onnx.graph import parse_graph
from auditor.onnx.registry import registered

DOMAIN = "com.microsoft"


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng([*shape, seed]).normal(size=shape) / 2, np.float32)


def bytes_(*shape: int, low: int = 0, high: int = 256, dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(low, high, size=shape).astype(dtype)


X = values(2, 3, 8)
HEADS = {"num_heads": 2}
QKV, BIAS = values(8, 24), values(24)
BATCH = {"q": values(2, 3, 8), "k": values(2, 5, 8, seed=1), "v": values(2, 5, 8, seed=2)}
ONE, ROWS = np.int32(1), np.array([2, 3], np.int32)

# Name of the case: operator, the first input, the further ones (None: left out), attributes.
CASES = {
    "FusedConv": ("FusedConv", values(2, 3, 6, 6), [values(4, 3, 3, 3), values(4)], {"activation": "Relu"}),
    "FusedConv adds": (
        "FusedConv",
        values(2, 3, 6, 6),
        [values(4, 3, 3, 3), None, values(2, 4, 4, 4)],
        {"activation": "Tanh"},
    ),
    "FusedConv clips": (
        "FusedConv",
        values(2, 3, 6, 6),
        [values(4, 3, 3, 3)],
        {"activation": "Clip", "activation_params": [-0.2, 0.3]},
    ),
    "FusedConv leaks": (
        "FusedConv",
        values(2, 3, 6, 6),
        [values(4, 3, 3, 3)],
        {"activation": "LeakyRelu", "activation_params": [0.3]},
    ),
    "FusedConv hard": (
        "FusedConv",
        values(2, 3, 6, 6),
        [values(4, 3, 3, 3)],
        {"activation": "HardSigmoid", "activation_params": [0.3, 0.4]},
    ),
    "FusedGemm": (
        "FusedGemm",
        values(3, 4),
        [values(5, 4), values(5)],
        {"activation": "Elu", "activation_alpha": 0.7, "transB": 1, "alpha": 0.5, "beta": 2.0},
    ),
    "FusedGemm leaks": (
        "FusedGemm",
        values(4, 3),
        [values(4, 5)],
        {"activation": "LeakyRelu", "activation_alpha": 0.3, "transA": 1},
    ),
    "FusedMatMul": ("FusedMatMul", values(2, 4, 3), [values(2, 5, 4)], {"transA": 1, "transB": 1, "alpha": 0.3}),
    "FusedMatMul batch A": ("FusedMatMul", values(4, 2, 3), [values(2, 3, 5)], {"transBatchA": 1}),
    "FusedMatMul batch B": (
        "FusedMatMul",
        values(2, 3, 4),
        [values(5, 2, 4)],
        {"transBatchB": 1, "transB": 1},
    ),
    "TransposeMatMul": ("TransposeMatMul", values(3, 4), [values(5, 4)], {"transB": 1, "alpha": 2.0}),
    "Gelu": ("Gelu", X, [], {}),
    "BiasGelu": ("BiasGelu", X, [values(8)], {}),
    "FastGelu": ("FastGelu", X, [values(8)], {}),
    "QuickGelu": ("QuickGelu", X, [], {"alpha": 1.5}),
    "Inverse": ("Inverse", values(2, 3, 3) + 3 * np.eye(3, dtype=np.float32), [], {}),
    "Trilu": ("Trilu", values(3, 4), [np.int64(1)], {"upper": 0}),
    "ExpandDims": ("ExpandDims", values(3, 4), [np.int32(1)], {}),
    "CDist": ("CDist", values(3, 4), [values(5, 4)], {"metric": "euclidean"}),
    "CDist squared": ("CDist", values(3, 4), [values(5, 4)], {"metric": "sqeuclidean"}),
    "Pad": ("Pad", values(3, 4), [np.array([1, 0, 2, 1]), np.array([0.5], np.float32)], {"mode": "constant"}),
    "GridSample": (
        "GridSample",
        values(1, 2, 4, 4),
        [values(1, 3, 3, 2)],
        {"mode": "bilinear", "padding_mode": "border", "align_corners": 1},
    ),
    "ConvTransposeWithDynamicPads": (
        "ConvTransposeWithDynamicPads",
        values(1, 2, 4, 4),
        [values(2, 3, 3, 3), np.array([1, 0, 1, 1])],
        {"strides": [2, 2]},
    ),
    "SkipLayerNormalization": (
        "SkipLayerNormalization",
        X,
        [values(2, 3, 8, seed=3), values(8), values(8, seed=1), values(8, seed=2)],
        {"epsilon": 1e-5},
    ),
    "SkipSimplifiedLayerNormalization": (
        "SkipSimplifiedLayerNormalization",
        X,
        [values(2, 3, 8, seed=3), values(8), values(8, seed=1)],
        {"epsilon": 1e-5},
    ),
    "Attention": ("Attention", X, [QKV, BIAS], HEADS),
    "Attention with lengths": ("Attention", X, [QKV, BIAS, ROWS], HEADS),
    "Attention with ends and starts": ("Attention", X, [QKV, BIAS, np.array([3, 2, 1, 0], np.int32)], HEADS),
    "Attention with a mask": ("Attention", X, [QKV, BIAS, np.array([[1, 1, 0], [1, 0, 1]], np.int32)], HEADS),
    "Attention with a square mask": (
        "Attention",
        X,
        [QKV, BIAS, np.tril(np.ones((2, 3, 3), np.int32))],
        HEADS,
    ),
    "Attention to what came before": ("Attention", X, [QKV, BIAS], {**HEADS, "unidirectional": 1}),
    "Attention with a past": ("Attention", X, [QKV, BIAS, None, values(2, 2, 2, 4, 4)], {**HEADS, "unidirectional": 1}),
    "Attention with a bias": ("Attention", X, [QKV, BIAS, None, None, values(2, 2, 3, 3)], HEADS),
    "Attention of other sizes": (
        "Attention",
        X,
        [values(8, 28), values(28)],
        {**HEADS, "qkv_hidden_sizes": [8, 8, 12], "scale": 0.3},
    ),
    "MultiHeadAttention": ("MultiHeadAttention", BATCH["q"], [BATCH["k"], BATCH["v"], BIAS], HEADS),
    "MultiHeadAttention with lengths": (
        "MultiHeadAttention",
        BATCH["q"],
        [BATCH["k"], BATCH["v"], None, np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)],
        HEADS,
    ),
    "MultiHeadAttention with a bias": (
        "MultiHeadAttention",
        BATCH["q"],
        [BATCH["k"], BATCH["v"], None, None, values(1, 2, 3, 5)],
        HEADS,
    ),
    "MultiHeadAttention across": (
        "MultiHeadAttention",
        BATCH["q"],
        [values(2, 2, 5, 4), values(2, 2, 5, 4, seed=1)],
        HEADS,
    ),
    "MultiHeadAttention with a past": (
        "MultiHeadAttention",
        BATCH["q"],
        [values(2, 3, 8, seed=5), values(2, 3, 8, seed=6), None, None, None, values(2, 2, 4, 4), values(2, 2, 4, 4)],
        HEADS,
    ),
    "RotaryEmbedding": (
        "RotaryEmbedding",
        X,
        [np.array([[0, 1, 2], [4, 3, 0]]), values(6, 2), values(6, 2, seed=1)],
        HEADS | {"rotary_embedding_dim": 4},
    ),
    "RotaryEmbedding of four dimensions": (
        "RotaryEmbedding",
        values(2, 2, 3, 4),
        [np.array([1]), values(6, 2), values(6, 2, seed=1)],
        {"interleaved": 1},
    ),
    "RotaryEmbedding of a part": (
        "RotaryEmbedding",
        values(2, 3, 16),
        [np.array([[0, 1, 2], [4, 3, 0]]), values(6, 2), values(6, 2, seed=1)],
        HEADS | {"rotary_embedding_dim": 4},
    ),
}


FURTHER = {"Attention": ["present"], "MultiHeadAttention": ["keys", "values"], "Unique": ["places", "counts"]}


def one_node(operator: str, x: np.ndarray, rest: list, attributes: dict) -> onnx.ModelProto:
    names = ["x", *(f"c{i}" if value is not None else "" for i, value in enumerate(rest))]
    constants = {f"c{i}": np.asarray(value) for i, value in enumerate(rest) if value is not None}
    graph = helper.make_graph(
        [make_node(operator, names, ["y", *FURTHER.get(operator, [])], domain=DOMAIN, **attributes)],
        "g",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_answers_are_those_of_onnx_runtime(case, onnx_runtime) -> None:
    model, x = one_node(*case), torch.from_numpy(case[1])
    expected = onnx_runtime(model, x)
    y = load_twin(model)(x)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, atol=2e-6 * max(1, np.abs(expected).max()))


def test_gradients_are_those_of_finite_differences(case) -> None:
    _, x, rest, _ = case
    (node,) = parse_graph(one_node(*case)).nodes
    kernel = node.operator.build(node)
    others = [
        value
        if value is None
        else np.asarray(value).tolist()
        if i + 1 in node.operator.host
        else torch.from_numpy(np.array(value, np.float64 if np.asarray(value).dtype == np.float32 else None))
        for i, value in enumerate(rest)
    ]

    def first(z: torch.Tensor) -> torch.Tensor:
        y = kernel(z, *others)
        return y[0] if isinstance(y, tuple) else y

    z = torch.from_numpy(x).double().requires_grad_()
    assert torch.autograd.gradcheck(first, (z,), eps=1e-5, atol=1e-4, fast_mode=True)


@pytest.mark.parametrize("attribute", ["do_rotary", "past_present_share_buffer"])
def test_what_attention_does_for_text_generation_only_is_refused_by_name(attribute) -> None:
    twin = load_twin(one_node("Attention", X, [QKV, BIAS], {**HEADS, attribute: 1}))
    with pytest.raises(ModelError, match=r"Attention, opset 1"):
        twin(torch.from_numpy(X))


SCALE, ZERO = np.float32(0.02), np.uint8(120)
Q_CASES = {
    "NhwcMaxPool": (
        "NhwcMaxPool",
        bytes_(1, 6, 6, 3),
        [],
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4},
    ),
    "QLinearAdd": ("QLinearAdd", bytes_(2, 9), [SCALE, ZERO, bytes_(9), SCALE, ZERO, SCALE, ZERO], {}),
    "QLinearMul": ("QLinearMul", bytes_(2, 9), [SCALE, ZERO, bytes_(9), SCALE, ZERO, SCALE, ZERO], {}),
    "QLinearSigmoid": ("QLinearSigmoid", bytes_(2, 9), [SCALE, ZERO, np.float32(1 / 256), np.uint8(0)], {}),
    "QLinearLeakyRelu": ("QLinearLeakyRelu", bytes_(2, 9), [SCALE, ZERO, SCALE, ZERO], {"alpha": 0.3}),
    "QLinearSoftmax": (
        "QLinearSoftmax",
        bytes_(2, 9),
        [SCALE, ZERO, np.float32(1 / 256), np.uint8(0)],
        {"axis": -1, "opset": 13},
    ),
    "QLinearSoftmax over all from the axis on": (
        "QLinearSoftmax",
        bytes_(2, 3, 3),
        [SCALE, ZERO, np.float32(1 / 256), np.uint8(0)],
        {"axis": 1, "opset": 12},
    ),
    "QLinearGlobalAveragePool": (
        "QLinearGlobalAveragePool",
        bytes_(3, 6, 6, 6),
        [SCALE, ZERO, np.float32(0.005), ZERO],
        {"channels_last": 0},
    ),
    "QGemm": (
        "QGemm",
        bytes_(3, 4),
        [SCALE, ZERO, bytes_(5, 4), np.float32(0.01), np.uint8(128), None, np.float32(0.05), ZERO],
        {"transB": 1},
    ),
    "QLinearAveragePool of last channels": (
        "QLinearAveragePool",
        bytes_(1, 6, 6, 3),
        [SCALE, ZERO, SCALE, ZERO],
        {"kernel_shape": [2, 2], "channels_last": 1},
    ),
    "QLinearConv of last channels": (
        "QLinearConv",
        bytes_(1, 6, 6, 3),
        [SCALE, ZERO, bytes_(4, 3, 3, 3), np.float32(0.01), np.uint8(128), np.float32(0.1), ZERO],
        {"channels_last": 1},
    ),
}


@pytest.mark.parametrize("name", Q_CASES)
def test_quantised_answers_are_within_a_quantum_of_onnx_runtimes(name) -> None:
    model = one_node(*Q_CASES[name])
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    x = Q_CASES[name][1]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": x})
    y = load_twin(model, strip_head=False)(torch.from_numpy(x)).numpy()
    assert y.shape == expected.shape
    assert np.abs(y - expected.astype(np.float32)).max() <= 1
    assert len(np.unique(expected)) > 3


def test_a_quantised_choice_is_onnx_runtimes(make_model) -> None:
    constants = {"c": np.array([True, False, True]), "s": SCALE, "z": ZERO, "k": bytes_(3), "t": np.float32(0.03)}
    nodes = [
        make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        make_node("QLinearWhere", ["c", "q", "s", "z", "k", "t", "z", "t", "z"], ["w"], domain=DOMAIN),
        make_node("DequantizeLinear", ["w", "t", "z"], ["y"]),
    ]
    model, x = make_model(nodes, (3,), constants=constants), np.float32([0.3, 0.5, -0.7])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    z = torch.from_numpy(x).requires_grad_()
    y = load_twin(model)(z)
    np.testing.assert_allclose(y.detach().numpy(), session.run(None, {"x": x})[0], atol=1e-6)
    assert torch.autograd.grad(y.sum(), z)[0].tolist() == [1, 0, 1]


def test_quantised_attention_is_onnx_runtimes(make_model, onnx_runtime) -> None:
    weight = bytes_(8, 24)
    constants = {"s": SCALE, "z": ZERO, "w": weight, "b": BIAS, "ws": np.float32(0.01), "wz": np.uint8(128)}
    nodes = [
        make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        make_node("QAttention", ["q", "w", "b", "s", "ws", "", "z", "wz"], ["y"], domain=DOMAIN, num_heads=2),
    ]
    model, x = make_model(nodes, X.shape, constants=constants), torch.from_numpy(X).requires_grad_()
    y = load_twin(model)(x)
    np.testing.assert_allclose(y.detach().numpy(), onnx_runtime(model, x), atol=1e-4)
    assert torch.autograd.grad(y.square().sum(), x)[0].norm() > 0


def test_embeddings_of_words_positions_and_segments_are_onnx_runtimes() -> None:
    ids, segments = np.array([[1, 2, 0], [3, 1, 1]], np.int32), np.array([[0, 0, 1], [1, 0, 1]], np.int32)
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.int32)
    rest = [segments, values(5, 8), values(4, 8), values(2, 8), values(8), values(8, seed=1), mask]
    model = one_node("EmbedLayerNormalization", ids, rest, {"epsilon": 1e-5})
    model.graph.node[0].output.append("lengths")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(
        load_twin(model)(torch.from_numpy(ids)).numpy(), session.run(["y"], {"x": ids})[0], atol=1e-6
    )


def test_packed_heads_are_the_same_heads() -> None:
    packed = values(2, 3, 2, 3, 4)  # (batch, time, heads, three, size), which ONNX Runtime knows on GPUs only
    apart = [np.ascontiguousarray(packed[:, :, :, i].reshape(2, 3, 8)) for i in range(3)]
    y = load_twin(one_node("MultiHeadAttention", packed, [], HEADS))(torch.from_numpy(packed))
    expected = load_twin(one_node("MultiHeadAttention", apart[0], apart[1:], HEADS))(torch.from_numpy(apart[0]))
    torch.testing.assert_close(y, expected)


def test_unique_values_are_onnx_runtimes_and_keep_their_gradient(onnx_runtime) -> None:
    x = torch.tensor([2.0, 1, 2, 3, 1], requires_grad=True)
    model = one_node("Unique", x.detach().numpy(), [], {})
    y = load_twin(model)(x)
    np.testing.assert_array_equal(y.detach().numpy(), onnx_runtime(model, x))
    assert torch.autograd.grad((y * torch.tensor([1.0, 10, 100])).sum(), x)[0].tolist() == [1, 10, 0, 100, 0]


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("shifted", [True, False])
def test_rows_of_a_table_of_few_bits_are_onnx_runtimes(bits, shifted, onnx_runtime) -> None:
    table, ids = bytes_(6, 40 * bits // 8), np.array([[0, 5], [3, -1]])
    rest = [table, np.abs(values(6, 3)), bytes_(6, 2 if bits == 4 else 3) if shifted else None]
    model = one_node("GatherBlockQuantized", ids, rest, {"bits": bits, "block_size": 16, "quantize_axis": 1})
    node = model.graph.node[0]
    node.input[0], node.input[1] = "c0", "x"  # the table comes first
    expected = onnx_runtime(model, torch.from_numpy(ids))
    np.testing.assert_allclose(load_twin(model)(torch.from_numpy(ids)).numpy(), expected, atol=1e-6)


def test_quantised_embeddings_are_onnx_runtimes() -> None:
    ids, segments = np.array([[1, 2, 0], [3, 1, 1]], np.int32), np.array([[0, 0, 1], [1, 0, 1]], np.int32)
    tables = [bytes_(5, 8), bytes_(4, 8), bytes_(2, 8), bytes_(8), bytes_(8)]
    scales, zeros = [np.float32(0.01 + 0.003 * i) for i in range(5)], [np.uint8(100 + i) for i in range(5)]
    model = one_node("QEmbedLayerNormalization", ids, [segments, *tables, None, *scales, *zeros], {"epsilon": 1e-5})
    model.graph.node[0].output.append("lengths")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(
        load_twin(model)(torch.from_numpy(ids)).numpy(), session.run(["y"], {"x": ids})[0], atol=1e-5
    )


def test_a_range_is_onnx_runtimes(make_model, onnx_runtime) -> None:
    constants = {"a": np.float32(1), "b": np.float32(4), "c": np.float32(0.5)}
    nodes = [make_node("Range", ["a", "b", "c"], ["r"], domain=DOMAIN), make_node("Mul", ["x", "r"], ["y"])]
    model, x = make_model(nodes, (6,), constants=constants), torch.ones(6)
    np.testing.assert_array_equal(load_twin(model)(x).numpy(), onnx_runtime(model, x))


def test_a_product_with_an_activation_is_the_product_and_the_activation() -> None:
    weight, x = values(4, 5), torch.from_numpy(values(3, 4))  # ONNX Runtime knows it on DirectML only
    attributes = {"activation": "LeakyRelu", "activation_alpha": 0.3, "alpha": 2.0}
    y = load_twin(one_node("FusedMatMulActivation", x.numpy(), [weight], attributes))(x)
    torch.testing.assert_close(y, torch.nn.functional.leaky_relu(2 * x @ torch.from_numpy(weight), 0.3))


def test_a_quantised_concatenation_is_onnx_runtimes() -> None:
    x, other = bytes_(2, 9), bytes_(2, 3)
    model = one_node("QLinearConcat", x, [SCALE, ZERO, SCALE, ZERO, other, np.float32(0.03), ZERO], {"axis": 1})
    model.graph.node[0].input[:3] = ["c0", "c1", "x"]  # the scale and the zero point of the result come first
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y = load_twin(model)(torch.from_numpy(x)).numpy()
    assert np.abs(y - session.run(None, {"x": x})[0].astype(np.float32)).max() <= 1


@pytest.mark.parametrize("per_column", [True, False])
def test_products_of_dynamically_quantised_tensors_are_onnx_runtimes(per_column, onnx_runtime) -> None:
    scale = np.abs(values(5)) / 50 if per_column else np.float32(0.01)
    zero = np.arange(120, 125).astype(np.uint8) if per_column else np.uint8(128)
    x, weight, bias = values(3, 4), bytes_(4, 5), values(5)
    dynamic = one_node("DynamicQuantizeMatMul", x, [weight, scale, zero, bias], {})
    expected = onnx_runtime(dynamic, torch.from_numpy(x), optimise=False)
    np.testing.assert_allclose(load_twin(dynamic)(torch.from_numpy(x)).numpy(), expected, atol=1e-5)

    whole = one_node("MatMulIntegerToFloat", bytes_(3, 4), [weight, SCALE, scale, ZERO, zero, bias], {})
    expected = onnx_runtime(whole, torch.from_numpy(bytes_(3, 4)))
    np.testing.assert_allclose(load_twin(whole)(torch.from_numpy(bytes_(3, 4))).numpy(), expected, atol=1e-4)


def test_every_operator_of_the_domain_is_written_by_a_test() -> None:
    written = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    # The same kernels as ONNX's own; in `test_optimised.py` the quantiser writes them with types of 4 and 16 bits.
    shared = {"DequantizeLinear", "QuantizeLinear", "MatMulNBits"}
    names = {entry.name for entry in registered() if entry.domain == DOMAIN} - shared
    assert {name for name in names if f'"{name}"' not in written} == set()
