"""Resampling: Resize and its ancestor Upsample, and sampling on a grid.

Each axis is resampled by itself. Where an output element lies between inputs, its row of weights over the
inputs is computed from the shapes (in float32, like ONNX Runtime), and the axis is multiplied by that matrix:
one route for every mode, and differentiable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.registry import Kernel, operator

Floats = NDArray[np.float32]

_TIE = np.float32(1e-6)
"""ONNX Runtime takes what is closer than this to the middle of two elements for the middle."""


@dataclass(frozen=True)
class Axis:
    """One axis to resample: its sizes, the scale, and the part of it that is read (crop modes only)."""

    dim: int
    size: int
    target: int
    scale: float
    region: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Sampler:
    """The attributes of a Resize node, and the weights already computed for an axis."""

    mode: str
    coordinates: str
    nearest: str
    cubic: float
    antialias: bool
    exclude_outside: bool
    extrapolation: float
    cache: dict[Axis, tuple[NDArray[np.float32], NDArray[np.bool_]]] = field(default_factory=dict)

    @classmethod
    def of(cls, node: Node) -> Sampler:
        asymmetric_once = "asymmetric" if node.opset < 11 else "half_pixel"
        nearest = "floor or ceil" if node.opset < 11 else "round_prefer_floor"
        return cls(
            node.text("mode", "nearest"),
            node.text("coordinate_transformation_mode", asymmetric_once),
            node.text("nearest_mode", nearest),
            node.number("cubic_coeff_a", -0.75),
            bool(node.integer("antialias", 0)),
            bool(node.integer("exclude_outside", 0)),
            node.number("extrapolation_value", 0.0),
        )

    def __call__(self, x: Tensor, axes: Sequence[Axis]) -> Tensor:
        cropping = self.coordinates == "tf_crop_and_resize"
        if not cropping and all(axis.size == axis.target for axis in axes):
            return x  # whatever the scales, as ONNX Runtime does
        for axis in axes:
            if axis.size != axis.target or axis.scale != 1.0 or cropping:
                x = self._resample(x, axis)
        return x

    def _resample(self, x: Tensor, axis: Axis) -> Tensor:
        if axis not in self.cache:
            self.cache[axis] = self._weights(axis)
        weights, outside = self.cache[axis]
        matrix = torch.from_numpy(weights).to(x.device, x.dtype if x.is_floating_point() else torch.float32)
        y = (x.to(matrix.dtype).movedim(axis.dim, -1) @ matrix.t()).movedim(-1, axis.dim)
        if outside.any():
            shape = [1] * x.dim()
            shape[axis.dim] = -1
            mask = torch.from_numpy(outside).to(x.device).reshape(shape)
            y = y.masked_fill(mask, self.extrapolation)
        return y if x.is_floating_point() else y.round().to(x.dtype)

    def _weights(self, axis: Axis) -> tuple[Floats, NDArray[np.bool_]]:
        """The matrix (target, size) of weights, and which outputs lie outside of the input."""
        place = self._places(axis)
        outside = (place < 0) | (place > axis.size - 1)
        if self.coordinates != "tf_crop_and_resize":
            outside = np.zeros_like(outside)
        if self.mode == "nearest":
            index, weight = self._rounded(place, axis.scale)[:, None], np.ones((axis.target, 1), np.float32)
        else:
            index, weight = self._spread(place, axis.scale)
        if self.exclude_outside:
            weight = np.where((index < 0) | (index >= axis.size), np.float32(0), weight)
        if self.exclude_outside or self.antialias:
            weight = weight / weight.sum(1, keepdims=True)
        matrix = np.zeros((axis.target, axis.size), np.float32)
        np.add.at(matrix, (np.arange(axis.target)[:, None], index.clip(0, axis.size - 1)), weight)
        return matrix, outside

    def _places(self, axis: Axis) -> Floats:
        """Where in the input each output element lies."""
        i = np.arange(axis.target, dtype=np.float32)
        scale, last = np.float32(axis.scale), axis.size - 1
        single = axis.target == 1
        if self.coordinates == "asymmetric":
            return i / scale
        if self.coordinates == "align_corners":
            return i * 0 if single else i * np.float32(last) / np.float32(axis.target - 1)
        if self.coordinates == "tf_crop_and_resize":
            start, end = (np.float32(r) for r in axis.region)
            if single:
                return i * 0 + np.float32(0.5) * (start + end) * last
            return start * last + i * (end - start) * last / np.float32(axis.target - 1)
        if self.coordinates == "pytorch_half_pixel" and single:
            return i * 0
        if self.coordinates == "half_pixel_symmetric":
            missing = np.float32(1) - np.float32(axis.target) / (scale * np.float32(axis.size))
            wide = (i + np.float64(0.5)) / np.float64(scale) - 0.5  # here ONNX Runtime itself goes on in float64
            return (np.float32(axis.size / 2) * missing + wide).astype(np.float32)
        place = (i + np.float32(0.5)) / scale
        return place if self.coordinates == "tf_half_pixel_for_nn" else place - np.float32(0.5)

    def _rounded(self, place: Floats, scale: float) -> NDArray[np.int64]:
        below = np.floor(place)
        part = place - below
        if self.nearest.startswith("round"):
            tie = np.abs(part - np.float32(0.5)) < _TIE
            above = np.where(tie, self.nearest.endswith("ceil"), part > 0.5)
        else:
            up = self.nearest == "ceil" or (self.nearest == "floor or ceil" and scale < 1)
            above = (part > 0) & up
        places: NDArray[np.int64] = (below + above).astype(np.int64)
        return places

    def _spread(self, place: Floats, scale: float) -> tuple[NDArray[np.int64], Floats]:
        """Indices and weights of the inputs that take part in each output; the kernel widens to antialias."""
        shrink = min(scale, 1.0) if self.antialias else 1.0
        reach = math.ceil((2 if self.mode == "cubic" else 1) / shrink)
        index = np.floor(place).astype(np.int64)[:, None] + np.arange(1 - reach, reach + 1)
        distance = np.abs(index - place[:, None]) * np.float32(shrink)
        if self.mode == "linear":
            return index, np.maximum(0, 1 - distance).astype(np.float32)
        a, d = self.cubic, distance
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return index, np.where(d <= 1, near, np.where(d < 2, far, 0)).astype(np.float32)


def _axes_by_scale(x: Tensor, scales: Sequence[float], axes: Sequence[int]) -> list[Axis]:
    sizes = [x.shape[dim] for dim in axes]
    return [
        # In float32, as ONNX Runtime multiplies: 5 times 2.6 is 13 there, and a hair less in float64.
        Axis(dim % x.dim(), size, math.floor(np.float32(size) * np.float32(scale)), scale)
        for dim, size, scale in zip(axes, sizes, scales, strict=True)
    ]


def _axes_by_size(x: Tensor, targets: Sequence[int], axes: Sequence[int], policy: str) -> list[Axis]:
    scales = [target / x.shape[dim] for target, dim in zip(targets, axes, strict=True)]
    if policy != "stretch":
        common = min(scales) if policy == "not_larger" else max(scales)
        scales = [common] * len(axes)
        targets = [math.floor(common * x.shape[dim] + 0.5) for dim in axes]
    return [
        Axis(dim % x.dim(), x.shape[dim], target, scale)
        for dim, target, scale in zip(axes, targets, scales, strict=True)
    ]


@operator("Upsample", since=9, host=(1,))
@operator("Resize", since=10, host=(1,))
def resize_by_scales(node: Node) -> Kernel:
    sample = Sampler.of(node)
    return lambda x, scales: sample(x, _axes_by_scale(x, scales, range(x.dim())))


@operator("Upsample", since=7)
def upsample(node: Node) -> Kernel:
    sample, scales = Sampler.of(node), node.numbers("scales") or []
    return lambda x: sample(x, _axes_by_scale(x, scales, range(x.dim())))


@operator("Resize", since=11, host=(1, 2, 3))
def resize(node: Node) -> Kernel:
    sample, chosen = Sampler.of(node), node.integers("axes")
    policy = node.text("keep_aspect_ratio_policy", "stretch")

    def run(
        x: Tensor,
        region: list[float] | None = None,
        scales: list[float] | None = None,
        sizes: list[int] | None = None,
    ) -> Tensor:
        dims = chosen if chosen is not None else range(x.dim())
        axes = _axes_by_size(x, sizes, dims, policy) if sizes else _axes_by_scale(x, scales or [], dims)
        if region and sample.coordinates == "tf_crop_and_resize":
            pairs = zip(region[: len(axes)], region[len(axes) :], strict=True)
            axes = [Axis(a.dim, a.size, a.target, a.scale, pair) for a, pair in zip(axes, pairs, strict=True)]
        return sample(x, axes)

    return run


@operator("GridSample", since=16)
def grid_sample(node: Node) -> Kernel:
    aligned = bool(node.integer("align_corners", 0))
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(node.text("mode", "linear"), node.text("mode", ""))
    padding = node.text("padding_mode", "zeros")
    return lambda x, grid: F.grid_sample(x, grid, mode, padding, aligned)
