"""Which element is the nearest: ONNX Runtime decides in float32, and takes what is close to the middle for a tie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx.helper import make_node

from auditor.onnx import load_twin

COORDINATES = ["half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric", "pytorch_half_pixel"]
NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]

# Where float64, or ties that are not taken with a grain of salt, find other neighbours.
SIZES = [(24, 28), (7, 4), (14, 31), (20, 31), (9, 49), (15, 36), (10, 52), (38, 19), (17, 33), (23, 28), (27, 3)]
SCALES = [(30, 1.566667), (28, 2.035714), (22, 1.4190909), (38, 0.51), (6, 1.01), (25, 0.85)]


def agree(model, size: int, onnx_runtime) -> None:
    x = torch.arange(size, dtype=torch.float32).reshape(1, 1, 1, size)
    np.testing.assert_allclose(load_twin(model)(x).numpy(), onnx_runtime(model, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("nearest", NEAREST)
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_the_nearest_element_is_onnx_runtimes(make_model, onnx_runtime, coordinates, nearest) -> None:
    attributes = {"coordinate_transformation_mode": coordinates, "nearest_mode": nearest}
    for size, target in SIZES:
        constants = {"sizes": np.array([1, 1, 1, target])}
        node = make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)
        agree(make_model([node], (1, 1, 1, size), constants=constants, opset=18), size, onnx_runtime)
    for size, scale in SCALES:
        constants = {"scales": np.array([1, 1, 1, scale], np.float32)}
        node = make_node("Resize", ["x", "", "scales"], ["y"], **attributes)
        agree(make_model([node], (1, 1, 1, size), constants=constants, opset=18), size, onnx_runtime)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scale", [0.55, 1.7])
def test_half_pixels_of_tensorflow_are_onnx_runtimes(make_model, onnx_runtime, mode, scale) -> None:
    constants = {"scales": np.array([1, 1, 1, scale], np.float32), "roi": np.zeros(0, np.float32)}
    attributes = {"mode": mode, "coordinate_transformation_mode": "tf_half_pixel_for_nn"}
    node = make_node("Resize", ["x", "roi", "scales"], ["y"], **attributes)
    agree(make_model([node], (1, 1, 1, 9), constants=constants, opset=11), 9, onnx_runtime)


@pytest.mark.parametrize("scale", [0.3, 0.55, 1.7])
def test_before_opset_11_shrinking_takes_the_element_above(make_model, onnx_runtime, scale) -> None:
    constants = {"scales": np.array([1, 1, 1, scale], np.float32)}
    model = make_model([make_node("Resize", ["x", "scales"], ["y"])], (1, 1, 1, 9), constants=constants, opset=10)
    agree(model, 9, onnx_runtime)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_a_scale_that_changes_no_size_changes_nothing(make_model, onnx_runtime, mode) -> None:
    node = make_node("Resize", ["x", "", "scales"], ["y"], mode=mode)
    constants = {"scales": np.array([1, 1, 1, 1.1], np.float32)}
    agree(make_model([node], (1, 1, 1, 6), constants=constants, opset=18), 6, onnx_runtime)
