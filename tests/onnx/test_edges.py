"""Nothing, one element, no time: what ONNX Runtime answers where PyTorch refuses or the standard is silent."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx.helper import make_node

from auditor.onnx import load_twin


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def agree(model: onnx.ModelProto, x: np.ndarray, onnx_runtime, tolerance: float = 1e-5) -> None:
    expected = onnx_runtime(model, torch.from_numpy(x), optimise=False)
    y = load_twin(model, strip_head=False)(torch.from_numpy(x)).numpy()
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(2, 4, 1, 1), (1, 4, 1)])
def test_a_single_value_is_normalised_to_the_bias(make_model, onnx_runtime, shape) -> None:
    node = make_node("InstanceNormalization", ["x", "scale", "bias"], ["y"])
    model = make_model([node], shape, constants={"scale": values(4), "bias": values(4, 1)[:, 0]})
    agree(model, values(*shape), onnx_runtime, tolerance=1e-3)  # ONNX Runtime loses digits here


@pytest.mark.parametrize("opset", [18, 21])
def test_a_group_of_one_value_is_normalised_to_the_bias(make_model, onnx_runtime, opset) -> None:
    node = make_node("GroupNormalization", ["x", "scale", "bias"], ["y"], num_groups=4)
    constants = {"scale": values(4), "bias": values(4, 1)[:, 0]}
    agree(
        make_model([node], (1, 4, 1), constants=constants, opset=opset), values(1, 4, 1), onnx_runtime, tolerance=1e-3
    )


@pytest.mark.parametrize("keep", [0, 1])
def test_the_mean_of_nothing_is_zero(make_model, onnx_runtime, keep) -> None:
    node = make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=keep)
    agree(make_model([node], (2, 0, 3)), np.zeros((2, 0, 3), np.float32), onnx_runtime)


@pytest.mark.parametrize("pads", [(2, -2), (-1, 2), (-3, 5), (9, -3), (-2, 9), (-2, -1), (2, 3)])
def test_what_is_wrapped_is_what_is_left_of_an_axis(make_model, onnx_runtime, pads) -> None:
    model = make_model(
        [make_node("Pad", ["x", "p"], ["y"], mode="wrap")], (6,), constants={"p": np.array(pads)}, opset=19
    )
    agree(model, np.arange(6, dtype=np.float32), onnx_runtime)


@pytest.mark.parametrize("version", [2, 4])
def test_a_key_that_is_no_number_is_found_as_onnx_runtime_finds_it(onnx_runtime, version) -> None:
    attributes = {"keys_floats": [1.0, np.nan], "values_floats": [3.0, 4.0], "default_float": 9.0}
    node = make_node("LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", version)]
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=imports, ir_version=9)
    agree(model, np.array([1, np.nan, 7], np.float32), onnx_runtime)


@pytest.mark.parametrize("trips", [0, 2])
def test_a_loop_without_trips_stacks_nothing(make_model, onnx_runtime, trips) -> None:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [make_node("Identity", ["c"], ["on"]), make_node("Add", ["s", "s"], ["t"]), make_node("Neg", ["t"], ["each"])],
        "body",
        [info("i", TensorProto.INT64, []), info("c", TensorProto.BOOL, []), info("s", TensorProto.FLOAT, [2, 3])],
        [
            info("on", TensorProto.BOOL, []),
            info("t", TensorProto.FLOAT, [2, 3]),
            info("each", TensorProto.FLOAT, [2, 3]),
        ],
    )
    loop = make_node("Loop", ["n", "", "x"], ["last", "y"], body=body)
    agree(make_model([loop], (2, 3), constants={"n": np.int64(trips)}), values(2, 3), onnx_runtime)


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
BATCH, FEATURES, HIDDEN = 3, 4, 5


def recurrent(make_model, op: str, output: str, *, times: int, lengths: list[int] | None = None, **attributes):
    """The model and its input; both directions start from states that are not zero."""
    constants = {
        "w": values(2, GATES[op] * HIDDEN, FEATURES),
        "r": values(2, GATES[op] * HIDDEN, HIDDEN),
        "h0": values(2, BATCH, HIDDEN),
        "c0": values(2, BATCH, HIDDEN + 1)[..., 1:],
    }
    if lengths is not None:
        constants["lengths"] = np.array(lengths, np.int32)
    inputs = ["x", "w", "r", "", "" if lengths is None else "lengths", "h0", *(["c0"] if op == "LSTM" else [])]
    outputs = [name if name == output else "" for name in ("Y", "H", "C")[: len(inputs) - 4]]
    node = make_node(op, inputs, outputs, hidden_size=HIDDEN, direction="bidirectional", **attributes)
    shape = (times, BATCH, FEATURES)
    return make_model([node], shape, constants=constants, outputs=(output,)), values(*shape)


@pytest.mark.parametrize(
    ("op", "output"), [(op, o) for op in GATES for o in ("Y", "H", "C")[: 3 if op == "LSTM" else 2]]
)
def test_a_sample_without_any_time_ends_in_zeros(make_model, onnx_runtime, op, output) -> None:
    agree(*recurrent(make_model, op, output, times=4, lengths=[0, 2, 4]), onnx_runtime)


# Without any time, ONNX Runtime leaves an LSTM's cells unwritten, and its GRU ends the process.
@pytest.mark.parametrize(("op", "output"), [("LSTM", "Y"), ("LSTM", "H"), ("RNN", "Y"), ("RNN", "H")])
def test_a_sequence_without_any_time_ends_in_zeros(make_model, onnx_runtime, op, output) -> None:
    agree(*recurrent(make_model, op, output, times=0), onnx_runtime)


CELLS = {
    "lower case": ("LSTM", ["sigmoid", "tanh", "TANH"] * 2, {}),
    "Affine": ("RNN", ["Affine", "Affine"], {}),
    "Affine with beta": ("RNN", ["Affine", "Affine"], {"activation_beta": [0.2, 0.3]}),
    "ThresholdedRelu": ("RNN", ["ThresholdedRelu", "ThresholdedRelu"], {}),
    "ThresholdedRelu of an LSTM": ("LSTM", ["Sigmoid", "ThresholdedRelu", "Tanh"] * 2, {}),
    "ScaledTanh with alpha": ("GRU", ["Sigmoid", "ScaledTanh"] * 2, {"activation_alpha": [0.7, 0.6]}),
    "LeakyRelu": ("RNN", ["LeakyRelu", "Elu"], {}),
    "mixed": ("RNN", ["HardSigmoid", "Affine"], {"activation_alpha": [0.3, 0.4], "activation_beta": [0.6]}),
}


@pytest.mark.parametrize("name", CELLS)
def test_activations_are_named_and_completed_as_in_onnx_runtime(make_model, onnx_runtime, name) -> None:
    op, activations, parameters = CELLS[name]
    agree(*recurrent(make_model, op, "Y", times=3, activations=activations, **parameters), onnx_runtime)
