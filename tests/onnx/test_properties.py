"""Operators against ONNX Runtime over drawn shapes, axes, paddings and broadcasts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx.helper import make_node

from auditor.onnx import load_twin

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def agree(make_model, onnx_runtime):
    """Assert that a node, or several, answer as ONNX Runtime does, and that vmap over the batch does too."""

    def check(node, x: np.ndarray, constants=None, *, opset: int = 17, batched: bool = False) -> None:
        model = make_model(node if isinstance(node, list) else [node], x.shape, constants=constants, opset=opset)
        twin, tensor = load_twin(model), torch.from_numpy(x)
        expected = onnx_runtime(model, tensor)
        y = twin(tensor)
        assert y.shape == expected.shape
        np.testing.assert_allclose(y.numpy(), expected, atol=1e-5 * max(1, np.abs(expected).max(initial=0)))
        if batched:
            mapped = torch.vmap(lambda sample: twin(sample.unsqueeze(0)).squeeze(0))(tensor)
            np.testing.assert_allclose(mapped.numpy(), expected, atol=1e-5 * max(1, np.abs(expected).max()))

    return check


def values(*shape: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(sum(shape)).normal(size=shape), np.float32)


@st.composite
def broadcastable(draw) -> tuple[list[int], list[int]]:
    common = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    shapes = []
    for _ in range(2):
        start = draw(st.integers(0, len(common)))
        shapes.append([draw(st.sampled_from([1, size])) for size in common[start:]])
    return shapes[0], shapes[1]


@few
@given(broadcastable(), st.sampled_from(["Add", "Sub", "Mul", "Div", "Max", "Pow"]))
def test_elementwise_operators_broadcast(agree, shapes, name) -> None:
    left, right = shapes
    x, other = (np.asarray(np.abs(values(*shape)) + 1, np.float32) for shape in (left, right))
    agree(make_node(name, ["x", "c"], ["y"]), x, {"c": other})


@few
@given(broadcastable())
def test_expand_broadcasts_both_ways(agree, shapes) -> None:
    left, right = shapes
    agree(make_node("Expand", ["x", "shape"], ["y"]), values(*left), {"shape": np.array(right, np.int64)})


@st.composite
def convolutions(draw):
    rank = draw(st.integers(1, 3))
    sizes = [draw(st.integers(5, 8)) for _ in range(rank)]
    kernel = [draw(st.integers(1, 3)) for _ in range(rank)]
    attributes = {
        "strides": [draw(st.integers(1, 3)) for _ in range(rank)],
        "dilations": [draw(st.integers(1, 2)) for _ in range(rank)],
    }
    if draw(st.booleans()):
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        if attributes["auto_pad"] != "VALID":
            attributes["dilations"] = [1] * rank
    else:
        attributes["pads"] = [draw(st.integers(0, 2)) for _ in range(2 * rank)]
    return sizes, kernel, attributes


@few
@given(convolutions(), st.sampled_from([1, 2]), st.booleans())
def test_convolutions_of_any_geometry(agree, geometry, group, biased) -> None:
    sizes, kernel, attributes = geometry
    constants = {"w": values(6, 4 // group, *kernel), **({"b": values(6)} if biased else {})}
    node = make_node("Conv", ["x", *constants], ["y"], group=group, **attributes)
    agree(node, values(2, 4, *sizes), constants, batched=True)


@few
@given(convolutions(), st.sampled_from([1, 2]), st.booleans())
def test_transposed_convolutions_of_any_geometry(agree, geometry, group, biased) -> None:
    sizes, kernel, attributes = geometry
    attributes.pop("auto_pad", None)
    pads = attributes.get("pads", [])
    attributes["pads"] = [min(pad, (k - 1) // 2) for pad, k in zip(pads, [*kernel, *kernel], strict=False)]
    if not attributes["pads"]:
        del attributes["pads"]
    constants = {"w": values(4, 3, *kernel), **({"b": values(3 * group)} if biased else {})}
    node = make_node("ConvTranspose", ["x", *constants], ["y"], group=group, **attributes)
    agree(node, values(2, 4, *sizes), constants, batched=True)


@few
@given(convolutions(), st.sampled_from(["MaxPool", "AveragePool"]), st.integers(0, 1), st.integers(0, 1))
def test_pooling_of_any_geometry(agree, geometry, name, ceil, count) -> None:
    sizes, kernel, attributes = geometry
    # A padding as wide as the kernel would make windows that see nothing; ONNX forbids it.
    pads = attributes.get("pads", [])
    # ONNX Runtime refuses SAME where a stride steps over more than the window sees.
    attributes["strides"] = [min(pair) for pair in zip(attributes["strides"], kernel, strict=True)]
    attributes["pads"] = [min(pad, k - 1) for pad, k in zip(pads, [*kernel, *kernel], strict=False)]
    if not attributes["pads"]:
        del attributes["pads"]
    else:
        attributes["ceil_mode"] = ceil
    if name == "AveragePool":
        attributes["count_include_pad"] = count
    agree(make_node(name, ["x"], ["y"], kernel_shape=kernel, **attributes), values(2, 2, *sizes), opset=19)


@few
@given(st.data())
def test_reductions_over_any_axes(agree, data) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True))
    signed = [axis - len(shape) * data.draw(st.integers(0, 1)) for axis in axes]
    name = data.draw(st.sampled_from(["Max", "Mean", "Min", "Prod", "Sum", "L1", "L2", "LogSumExp", "SumSquare"]))
    keep, noop = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 1))
    node = make_node(f"Reduce{name}", ["x", "axes"], ["y"], keepdims=keep, noop_with_empty_axes=noop)
    if noop and not signed:
        return  # ONNX Runtime itself leaves out what L1 and the like do to each element
    agree(node, values(*shape), {"axes": np.array(signed, np.int64)}, opset=18)


@few
@given(st.data())
def test_slices_with_any_bounds_and_steps(agree, data) -> None:
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1))
    bound = st.one_of(st.integers(-8, 8), st.sampled_from([-(2**31), 2**31 - 1]))
    columns = {
        "starts": [data.draw(bound) for _ in axes],
        "ends": [data.draw(bound) for _ in axes],
        "axes": axes,
        "steps": [data.draw(st.sampled_from([-3, -2, -1, 1, 2, 3])) for _ in axes],
    }
    constants = {name: np.array(column, np.int64) for name, column in columns.items()}
    agree(make_node("Slice", ["x", *constants], ["y"]), values(*shape), constants)


@few
@given(st.data())
def test_padding_of_any_width_and_mode(agree, data) -> None:
    shape = data.draw(st.lists(st.integers(3, 5), min_size=1, max_size=3))
    mode = data.draw(st.sampled_from(["constant", "edge", "reflect", "wrap"]))
    pads = [data.draw(st.integers(-1 if mode in ("constant", "edge") else 0, 2)) for _ in range(2 * len(shape))]
    constants = {"pads": np.array(pads, np.int64), "value": np.float32(1.5)}
    agree(make_node("Pad", ["x", *constants], ["y"], mode=mode), values(*shape), constants, opset=19)


@few
@given(st.data())
def test_gathering_along_any_axis(agree, data) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    where = data.draw(st.lists(st.integers(1, 3), max_size=2))
    index = np.random.default_rng(0).integers(-shape[axis], shape[axis], size=where)
    agree(make_node("Gather", ["x", "i"], ["y"], axis=axis), values(*shape), {"i": np.asarray(index)})


@few
@given(st.data())
def test_resizing_in_any_mode(agree, data) -> None:
    sizes = [data.draw(st.integers(2, 5)) for _ in range(2)]
    targets = [data.draw(st.integers(2, 9)) for _ in range(2)]
    mode = data.draw(st.sampled_from(["nearest", "linear", "cubic"]))
    coordinates = data.draw(st.sampled_from(["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]))
    rounding = data.draw(st.sampled_from(["round_prefer_floor", "floor", "ceil", "round_prefer_ceil"]))
    constants = {"sizes": np.array([1, 2, *targets], np.int64)}
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if mode == "nearest":
        attributes["nearest_mode"] = rounding
    agree(make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes), values(1, 2, *sizes), constants)


@few
@given(st.data())
def test_transposed_convolutions_by_rule_by_shape_and_with_padding_of_the_output(agree, data) -> None:
    rank = data.draw(st.integers(1, 2))
    strides = [data.draw(st.integers(1, 3)) for _ in range(rank)]
    kernel = [stride + data.draw(st.integers(0, 2)) for stride in strides]
    sizes = [data.draw(st.integers(3, 6)) for _ in range(rank)]
    attributes: dict = {"strides": strides}
    kind = data.draw(st.sampled_from(["rule", "shape", "output"]))
    if kind == "rule":
        attributes["auto_pad"] = data.draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    elif kind == "shape":
        full = [(size - 1) * stride + k for size, stride, k in zip(sizes, strides, kernel, strict=True)]
        attributes["output_shape"] = [length - data.draw(st.integers(0, 2)) for length in full]
    else:
        attributes["output_padding"] = [data.draw(st.integers(0, stride - 1)) for stride in strides]
        attributes["pads"] = [data.draw(st.integers(0, 1)) for _ in range(2 * rank)]
    constants = {"w": values(4, 3, *kernel), "b": values(3)}
    node = make_node("ConvTranspose", ["x", "w", "b"], ["y"], **attributes)
    agree(node, values(2, 4, *sizes), constants, batched=True)


@few
@given(st.data())
def test_resizing_by_scales_in_the_modes_that_look_beyond_the_corner(agree, data) -> None:
    sizes = [data.draw(st.integers(3, 6)) for _ in range(2)]
    scales = [data.draw(st.sampled_from([0.5, 0.75, 1.0, 1.5, 2.0, 2.6])) for _ in range(2)]
    mode = data.draw(st.sampled_from(["nearest", "linear", "cubic"]))
    attributes = {"mode": mode, "coordinate_transformation_mode": "half_pixel"}
    if mode == "cubic":
        attributes |= {"cubic_coeff_a": data.draw(st.sampled_from([-0.5, -0.75]))}
        attributes |= {"exclude_outside": data.draw(st.integers(0, 1))}
    if mode != "nearest":
        attributes["antialias"] = data.draw(st.integers(0, 1))
    constants = {"scales": np.float32([1, 1, *scales])}
    agree(make_node("Resize", ["x", "", "scales"], ["y"], **attributes), values(1, 2, *sizes), constants, opset=18)


@few
@given(st.data())
def test_splitting_and_joining_along_any_axis(agree, data) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    shape[axis] = sum(sizes)
    parts = [f"p{i}" for i in range(len(sizes))]
    nodes = [
        make_node("Split", ["x", "sizes"], parts, axis=axis),
        make_node("Concat", parts[::-1], ["y"], axis=axis),
    ]
    agree(nodes, values(*shape), {"sizes": np.array(sizes)})


@few
@given(st.booleans(), st.booleans(), st.sampled_from([1.0, 0.5]), st.sampled_from([1.0, 0.0, -2.0]), st.data())
def test_matrix_products_with_any_flags(agree, flip_a, flip_b, alpha, beta, data) -> None:
    m, k, n = (data.draw(st.integers(1, 4)) for _ in range(3))
    bias = data.draw(st.sampled_from([(), (n,), (1, n), (m, 1), (m, n), None]))
    constants = {"b": values(*((n, k) if flip_b else (k, n)))} | ({} if bias is None else {"c": values(*bias)})
    node = make_node("Gemm", ["x", *constants], ["y"], alpha=alpha, beta=beta, transA=int(flip_a), transB=int(flip_b))
    agree(node, values(*((k, m) if flip_a else (m, k))), constants)


@few
@given(st.lists(st.integers(1, 3), min_size=0, max_size=2), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_matrix_products_broadcast_their_batches(agree, batch, m, n, shared) -> None:
    other = batch[1:] if shared else [1] * len(batch)
    agree(make_node("MatMul", ["x", "w"], ["y"]), values(*batch, m, 4), {"w": values(*other, 4, n)})


@few
@given(st.data())
def test_normalisations_over_any_shape(agree, data) -> None:
    shape = [data.draw(st.integers(1, 3)), 4, *data.draw(st.lists(st.integers(2, 4), min_size=1, max_size=2))]
    name = data.draw(st.sampled_from(["Layer", "Instance", "Batch", "Lp", "LRN", "Group"]))
    scale, shift, eps = np.abs(values(4)) + 0.5, values(4), data.draw(st.sampled_from([1e-5, 1e-2]))
    constants: dict = {"s": scale, "b": shift}
    if name == "Layer":
        axis = data.draw(st.integers(-len(shape), len(shape) - 1))
        rest = shape[axis:] if axis else shape
        constants = {"s": values(*rest), "b": values(*rest) + 1}
        node = make_node("LayerNormalization", ["x", "s", "b"], ["y"], axis=axis, epsilon=eps)
    elif name == "Batch":
        constants |= {"m": values(4), "v": np.abs(values(4)) + 0.1}
        node = make_node("BatchNormalization", ["x", *constants], ["y"], epsilon=eps)
    elif name == "Lp":
        axis, p = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.integers(1, 2))
        node, constants = make_node("LpNormalization", ["x"], ["y"], axis=axis, p=p), {}
    elif name == "LRN":
        shape = [shape[0], 4, 3, 3]  # ONNX Runtime knows images only
        node, constants = make_node("LRN", ["x"], ["y"], size=data.draw(st.sampled_from([1, 3, 5])), alpha=0.5), {}
    elif name == "Group":
        groups = data.draw(st.sampled_from([1, 2, 4]))
        node = make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=groups, epsilon=eps)
    else:
        node = make_node("InstanceNormalization", ["x", "s", "b"], ["y"], epsilon=eps)
    agree(node, values(*shape), {key: np.asarray(value, np.float32) for key, value in constants.items()}, opset=21)


@few
@given(st.data())
def test_recurrent_layers_in_any_direction(agree, data) -> None:
    name, gates = data.draw(st.sampled_from([("LSTM", 4), ("GRU", 3), ("RNN", 1)]))
    direction = data.draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    both = 2 if direction == "bidirectional" else 1
    time, (batch, size, hidden) = 4, (data.draw(st.integers(1, 3)) for _ in range(3))
    given_ = {"w": values(both, gates * hidden, size), "r": values(both, gates * hidden, hidden)}
    names = [*given_, *[""] * 3]
    if data.draw(st.booleans()):
        given_["b"], names[2] = values(both, 2 * gates * hidden), "b"
    if data.draw(st.booleans()):
        lengths = [data.draw(st.integers(1, time)) for _ in range(batch)]
        given_["n"], names[3] = np.array(lengths, np.int32), "n"
    if data.draw(st.booleans()):
        given_["h"], names[4] = values(both, batch, hidden), "h"
    attributes = {"hidden_size": hidden, "direction": direction}
    if name == "GRU":
        attributes["linear_before_reset"] = data.draw(st.integers(0, 1))
    if name == "LSTM":
        attributes["input_forget"] = data.draw(st.integers(0, 1))
    if data.draw(st.booleans()):
        attributes["clip"] = 0.7
    while not names[-1]:
        names.pop()
    agree(make_node(name, ["x", *names], ["y"], **attributes), values(time, batch, size), given_)
