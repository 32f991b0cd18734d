"""Every version of every operator since opset 7: what changed its meaning is compared with ONNX Runtime at its age."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import onnx
import pytest
import torch
from onnx.helper import make_node

from auditor.onnx import load_twin
from auditor.onnx.registry import find_operator, registered

OLDEST = 7


def values(*shape: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(sum(shape)).normal(size=shape), np.float32)


def node(operator: str, *inputs: str, outputs=("y",), **attributes) -> onnx.NodeProto:
    return make_node(operator, ["x", *inputs], list(outputs), **attributes)


X = values(2, 3, 4, 5)
FLAT = values(2, 12)
CHANNEL = {name: np.abs(values(3)) + i for i, name in enumerate("sbmv")}
ELEMENT = {name: np.abs(values(3, 4, 5)) + i for i, name in enumerate("sbmv")}
UP = np.float32([1, 1, 2, 1.5])
AXES = np.array([1, 3])

# What changed its meaning or its form: case: opset, node, first input, further ones.
CHANGES = {
    "Softmax over all from the axis on": (12, node("Softmax", axis=1), X, {}),
    "Softmax over the axis": (13, node("Softmax", axis=1), X, {}),
    "LogSoftmax over all from the axis on": (12, node("LogSoftmax", axis=2), X, {}),
    "LogSoftmax over the axis": (13, node("LogSoftmax", axis=2), X, {}),
    "Hardmax over all from the axis on": (12, node("Hardmax", axis=1), X, {}),
    "Hardmax over the axis": (13, node("Hardmax", axis=1), X, {}),
    "Squeeze by attribute": (12, node("Squeeze", axes=[0, 2]), values(1, 3, 1, 2), {}),
    "Squeeze by input": (13, node("Squeeze", "a"), values(1, 3, 1, 2), {"a": np.array([0, -2])}),
    "Squeeze of all": (12, node("Squeeze"), values(1, 3, 1, 2), {}),
    "Unsqueeze by attribute": (12, node("Unsqueeze", axes=[1, 4]), values(2, 3, 4), {}),
    "Unsqueeze by input": (13, node("Unsqueeze", "a"), values(2, 3, 4), {"a": np.array([-1, 1])}),
    "Clip by attribute": (10, node("Clip", min=-0.5, max=0.3), X, {}),
    "Clip by one attribute": (7, node("Clip", max=0.3), X, {}),
    "Clip by input": (11, node("Clip", "lo", "hi"), X, {"lo": np.float32(-0.5), "hi": np.float32(0.3)}),
    "Clip by one input": (13, node("Clip", "", "hi"), X, {"hi": np.float32(0.3)}),
    "Pad by attribute": (10, node("Pad", pads=[0, 0, 1, 2, 0, 0, 0, 1], value=1.5), X, {}),
    "Pad by attribute, mirrored": (7, node("Pad", pads=[0, 0, 1, 2, 0, 0, 0, 1], mode="reflect"), X, {}),
    "Pad by input": (11, node("Pad", "p"), X, {"p": np.array([0, 0, 1, 2, 0, 0, 0, 1])}),
    "Pad of axes": (18, node("Pad", "p", "", "a"), X, {"p": np.array([1, 2, 0, 1]), "a": AXES}),
    "Slice by attribute": (9, node("Slice", starts=[1, -3], ends=[9, -1], axes=[1, 3]), X, {}),
    "Slice by input": (10, node("Slice", "s", "e", "a"), X, {"s": np.array([1, 0]), "e": np.array([9, 4]), "a": AXES}),
    "Split by attribute": (12, node("Split", outputs=("y", "z"), axis=3, split=[2, 3]), X, {}),
    "Split by input": (13, node("Split", "n", outputs=("y", "z"), axis=3), X, {"n": np.array([2, 3])}),
    "Split in uneven parts": (18, node("Split", outputs=("y", "z"), axis=3, num_outputs=2), X, {}),
    "TopK by attribute": (9, node("TopK", outputs=("y", "i"), k=2, axis=2), X, {}),
    "TopK by input": (10, node("TopK", "k", outputs=("y", "i"), axis=2), X, {"k": np.array([2])}),
    "TopK of the smallest": (11, node("TopK", "k", outputs=("y", "i"), largest=0), X, {"k": np.array([2])}),
    "ReduceSum by attribute": (12, node("ReduceSum", axes=[1, 3], keepdims=0), X, {}),
    "ReduceSum by input": (13, node("ReduceSum", "a", keepdims=0), X, {"a": AXES}),
    **{
        f"Reduce{name} by {'attribute' if opset < 18 else 'input'}": (
            opset,
            node(f"Reduce{name}", axes=[1, 3]) if opset < 18 else node(f"Reduce{name}", "a"),
            np.abs(X) + 1,
            {} if opset < 18 else {"a": AXES},
        )
        for name in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
        for opset in (OLDEST, 18)
    },
    "Upsample by attribute": (7, node("Upsample", scales=[1.0, 1.0, 2.0, 3.0], mode="nearest"), X, {}),
    "Upsample by attribute, linear": (8, node("Upsample", scales=[1.0, 1.0, 2.0, 2.0], mode="linear"), X, {}),
    "Upsample by input": (9, node("Upsample", "u", mode="linear"), X, {"u": UP}),
    "Resize of opset 10": (10, node("Resize", "u", mode="linear"), X, {"u": UP}),
    "Resize of opset 10, nearest": (10, node("Resize", "u", mode="nearest"), X, {"u": UP}),
    "Resize of opset 11": (11, node("Resize", "r", "u", mode="linear"), X, {"r": np.float32([]), "u": UP}),
    "Resize of opset 13": (13, node("Resize", "", "u", mode="cubic"), X, {"u": UP}),
    "Resize of axes": (18, node("Resize", "", "u", mode="linear", axes=[2, 3]), X, {"u": UP[2:]}),
    "Resize smoothed": (18, node("Resize", "", "u", mode="linear", antialias=1), X, {"u": 1 / UP}),
    "BatchNormalization per element": (7, node("BatchNormalization", *"sbmv", spatial=0), X, ELEMENT),
    "BatchNormalization per channel": (7, node("BatchNormalization", *"sbmv"), X, CHANNEL),
    "BatchNormalization of opset 9": (9, node("BatchNormalization", *"sbmv"), X, CHANNEL),
    "BatchNormalization of opset 15": (15, node("BatchNormalization", *"sbmv"), X, CHANNEL),
    "Dropout of opset 7": (7, node("Dropout", ratio=0.5), X, {}),
    "Dropout of opset 12": (12, node("Dropout", "r"), X, {"r": np.float32(0.5)}),
    "Gemm broadcasts": (7, node("Gemm", "w", "b", transB=1), FLAT, {"w": values(5, 12), "b": values(1, 5)}),
    "Gemm without a bias": (11, node("Gemm", "w", transB=1), FLAT, {"w": values(5, 12)}),
    "PRelu broadcasts": (7, node("PRelu", "s"), X, {"s": values(3, 1, 1)}),
    "Max of three": (7, node("Max", "a", "b"), X, {"a": values(2, 3, 4, 5) + 1, "b": -X}),
    "Max broadcasts": (8, node("Max", "a"), X, {"a": values(5)}),
    "Mean broadcasts": (8, node("Mean", "a"), X, {"a": values(5)}),
    "Sum of two": (7, node("Sum", "a"), X, {"a": 2 * X}),
    "MaxPool of opset 8": (8, node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]), X, {}),
    "MaxPool rounds up": (10, node("MaxPool", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1), X, {}),
    "MaxPool dilates": (10, node("MaxPool", kernel_shape=[2, 2], dilations=[2, 1]), X, {}),
    "AveragePool counts padding": (
        7,
        node("AveragePool", kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1),
        X,
        {},
    ),
    "AveragePool rounds up": (10, node("AveragePool", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1), X, {}),
    "AveragePool dilates": (19, node("AveragePool", kernel_shape=[2, 2], dilations=[2, 1]), X, {}),
    "GlobalLpPool": (7, node("GlobalLpPool", p=3), X, {}),
    "Scatter": (9, node("Scatter", "i", "u", axis=1), FLAT, {"i": np.array([[1, 3], [0, 2]]), "u": values(2, 2)}),
    "Flatten of a negative axis": (11, node("Flatten", axis=-2), X, {}),
    "LayerNormalization before ONNX had it": (13, node("LayerNormalization", "s"), X, {"s": values(5)}),
    "SimplifiedLayerNormalization": (13, node("SimplifiedLayerNormalization", "s"), X, {"s": values(5)}),
    "DepthToSpace": (10, node("DepthToSpace", blocksize=2), values(1, 8, 2, 3), {}),
    "DepthToSpace by columns": (11, node("DepthToSpace", blocksize=2, mode="CRD"), values(1, 8, 2, 3), {}),
    "LpPool of opset 7": (7, node("LpPool", kernel_shape=[2, 2], p=2), X, {}),
    "LSTM of opset 7": (
        7,
        node("LSTM", "w", "r", hidden_size=2),
        values(3, 2, 4),
        {"w": values(1, 8, 4), "r": values(1, 8, 2)},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_semantics_are_those_of_the_graphs_own_opset(make_model, onnx_runtime, name) -> None:
    opset, proto, x, constants = CHANGES[name]
    model = make_model([proto], x.shape, constants=constants, opset=opset)
    y, expected = load_twin(model, strip_head=False)(torch.from_numpy(x)), onnx_runtime(model, torch.from_numpy(x))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-5)


# Versions that the twin does not know though it knows others, with the reason.
NOT_KNOWN = {("Scan", 8): "has a batch axis, which opset 9 took away; ONNX's exporters never wrote it"}


def history() -> dict[str, list[int]]:
    versions: dict[str, list[int]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.domain:
            versions.setdefault(schema.name, []).append(schema.since_version)
    return versions


def test_every_version_of_a_claimed_operator_since_opset_7_is_known() -> None:
    versions = history()
    missing = set()
    for name in {entry.name for entry in registered() if not entry.domain and entry.name in versions}:
        current = max((v for v in versions[name] if v <= OLDEST), default=None)
        for opset in {max(v, OLDEST) for v in versions[name] if v > OLDEST or v == current}:
            if find_operator(name, "", opset) is None:
                missing.add((name, opset))
    assert missing == set(NOT_KNOWN)


def signature(schema: onnx.defs.OpSchema) -> object:
    """What of a version may change what a graph means: inputs, outputs, attributes and their defaults."""
    attributes = {key: a.default_value.SerializeToString() for key, a in schema.attributes.items()}
    return [i.name for i in schema.inputs], [o.name for o in schema.outputs], attributes


@functools.cache
def changed() -> set[tuple[str, int]]:
    """Claimed operators and the versions at which their form changed, without a registration of its own."""
    found = set()
    for name, versions in history().items():
        served = [entry.since for entry in registered() if (entry.domain, entry.name) == ("", name)]
        for old, new in itertools.pairwise(sorted(versions)):
            differs = signature(onnx.defs.get_schema(name, old)) != signature(onnx.defs.get_schema(name, new))
            if served and new > OLDEST and differs and not any(old < since <= new for since in served):
                found.add((name, new))
    return found


# These are served by one registration all the same: the reason, and the versions.
NEW_OPTION = "what is new is optional, and its default is what was before"
SERVED = {
    **dict.fromkeys(["ArgMax", "ArgMin"], (NEW_OPTION, [12])),
    "AveragePool": (NEW_OPTION, [10, 19]),
    "BatchNormalization": ("`spatial` is looked at before 9, `training_mode` came with 14", [9, 14]),
    **dict.fromkeys(["Cast", "CastLike"], ("`saturate`, `round_mode`: of types that came with them", [19, 24])),
    "Constant": ("more kinds of constants", [11, 12]),
    "DepthToSpace": (NEW_OPTION, [11]),
    "DequantizeLinear": (NEW_OPTION + "; a scalar scale has no axis", [13, 21, 23]),
    "Dropout": ("`ratio` and `training_mode` became inputs; both are looked at", [12]),
    **dict.fromkeys(["GRU", "LSTM", "RNN"], (NEW_OPTION, [14])),
    "GatherND": (NEW_OPTION, [12]),
    "GridSample": ("modes were renamed; both names are known", [20]),
    "LpPool": (NEW_OPTION, [18]),
    "MaxPool": (NEW_OPTION, [8, 10]),
    "Pad": (NEW_OPTION, [18]),
    "QuantizeLinear": (NEW_OPTION, [13, 19, 21, 23]),
    "Range": ("the precision of the count, which is exact here", [27]),
    "Reshape": (NEW_OPTION, [14]),
    "Resize": (NEW_OPTION, [18]),
    **dict.fromkeys(["ScatterElements", "ScatterND"], (NEW_OPTION, [16])),
    "Shape": (NEW_OPTION, [15]),
    "SpaceToDepth": (NEW_OPTION, [28]),
    "Split": (NEW_OPTION, [18]),
    "TopK": (NEW_OPTION, [11]),
}


def test_what_changed_its_form_has_its_own_registration_or_a_reason() -> None:
    assert changed() == {(name, version) for name, (_, versions) in SERVED.items() for version in versions}
