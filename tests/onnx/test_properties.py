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
    """Assert that a graph of one node answers as ONNX Runtime does, and that vmap over its batch does too."""

    def check(node, x: np.ndarray, constants=None, *, opset: int = 17, batched: bool = False) -> None:
        model = make_model([node], x.shape, constants=constants, opset=opset)
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
