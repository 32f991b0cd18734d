"""Regions of images: what detectors and deformable networks need, against ONNX Runtime, with gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx.helper import make_node

from auditor.onnx import load_twin

RNG = np.random.default_rng(0)
BOXES = np.float32([[0, 0, 3, 3], [1, 2, 6, 5], [2, 1, 5, 7]])
CONSTANTS = {
    "boxes": BOXES,
    "batch": np.array([0, 1, 0]),
    "rows": np.column_stack([np.float32([0, 1, 0]), BOXES]).astype(np.float32),
    "w": RNG.normal(size=(4, 2, 3, 3)).astype(np.float32),
    "offset": RNG.normal(size=(2, 18, 6, 6)).astype(np.float32),
}
NODES = {
    **{
        f"RoiAlign {mode}": make_node(
            "RoiAlign",
            ["x", "boxes", "batch"],
            ["y"],
            output_height=2,
            output_width=3,
            spatial_scale=0.8,
            sampling_ratio=2,
            coordinate_transformation_mode=mode,
        )
        for mode in ("half_pixel", "output_half_pixel")
    },
    "MaxRoiPool": make_node("MaxRoiPool", ["x", "rows"], ["y"], pooled_shape=[2, 2], spatial_scale=1.0),
    "DeformConv": make_node("DeformConv", ["x", "w", "offset"], ["y"], kernel_shape=[3, 3]),
}


@pytest.mark.parametrize("name", NODES)
def test_answers_are_those_of_onnx_runtime_and_have_gradients(make_model, onnx_runtime, name) -> None:
    constants = {key: value for key, value in CONSTANTS.items() if key in NODES[name].input}
    model = make_model([NODES[name]], (2, 2, 8, 8), constants=constants, opset=19)
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = load_twin(model)(x)
    np.testing.assert_allclose(y.detach().numpy(), onnx_runtime(model, x), atol=1e-5)
    assert torch.autograd.grad(y.square().sum(), x)[0].norm() > 0


def test_regions_before_opset_16_are_not_shifted_by_half_a_pixel(make_model, onnx_runtime) -> None:
    node = make_node("RoiAlign", ["x", "boxes", "batch"], ["y"], output_height=2, output_width=2, sampling_ratio=2)
    constants = {key: CONSTANTS[key] for key in ("boxes", "batch")}
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    answers = []
    for opset in (12, 17):
        model = make_model([node], (2, 2, 8, 8), constants=constants, opset=opset)
        answers.append(load_twin(model)(x).numpy())
        np.testing.assert_allclose(answers[-1], onnx_runtime(model, x), atol=1e-5)
    assert np.abs(answers[0] - answers[1]).max() > 0.01


def test_what_chosen_boxes_point_at_keeps_its_gradient(make_model, onnx_runtime) -> None:
    nodes = [
        make_node("NonMaxSuppression", ["corners", "scores", "most", "overlap"], ["kept"]),
        make_node("Gather", ["kept", "two"], ["index"], axis=1),
        make_node("Gather", ["x", "index"], ["y"], axis=0),
    ]
    constants = {
        "corners": np.float32([[[0, 0, 1, 1], [0, 0, 1, 1.1], [5, 5, 6, 6]]]),
        "scores": np.float32([[[0.5, 0.9, 0.7]]]),
        "most": np.array([2]),
        "overlap": np.float32([0.5]),
        "two": np.array([2]),
    }
    model = make_model(nodes, (3, 4), constants=constants)
    x = torch.randn(3, 4, requires_grad=True)
    y = load_twin(model)(x)
    np.testing.assert_array_equal(y.detach().numpy(), onnx_runtime(model, x))
    assert torch.autograd.grad(y.sum(), x)[0][:, 0].tolist() == [0, 1, 1]
