"""Regions of images: pooling and aligning them, sampling at learned offsets, choosing among boxes."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.convolution import Window, pad_spatial
from auditor.onnx.registry import Kernel, operator


@operator("DeformConv", since=19)
def deformable_convolution(node: Node) -> Kernel:
    from torchvision.ops import deform_conv2d

    def run(
        x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        window = Window.of(node, 2)
        before, after = window.padding(x.shape[2:], weight.shape[2:])
        # The groups follow from the shapes of weight and offset.
        y: Tensor = deform_conv2d(
            pad_spatial(x, before, after),
            offset,
            weight,
            bias,
            stride=window.strides,
            dilation=window.dilations,
            mask=mask,
        )
        return y

    return run


@operator("RoiAlign", since=16)
def roi_align(node: Node) -> Kernel:
    return _roi_align(node, node.text("coordinate_transformation_mode", "half_pixel") == "half_pixel")


@operator("RoiAlign", since=10)
def roi_align_unaligned(node: Node) -> Kernel:
    return _roi_align(node, aligned=False)


def _roi_align(node: Node, aligned: bool) -> Kernel:
    from torchvision.ops import roi_align as align

    if node.text("mode", "avg") != "avg":
        raise node.error("takes the maximum of the sampled points, which the twin does not do")
    size = (node.integer("output_height", 1), node.integer("output_width", 1))
    scale, samples = node.number("spatial_scale", 1.0), node.integer("sampling_ratio", 0) or -1

    def run(x: Tensor, boxes: Tensor, batch: Tensor) -> Tensor:
        rows = torch.cat([batch.to(x.dtype).unsqueeze(1), boxes], 1)
        y: Tensor = align(x, rows, size, scale, samples, aligned)
        return y

    return run


@operator("MaxRoiPool")
def roi_pool(node: Node) -> Kernel:
    from torchvision.ops import roi_pool as pool

    size, scale = node.integers("pooled_shape") or [1, 1], node.number("spatial_scale", 1.0)
    return lambda x, boxes: pool(x, boxes, size, scale)


@operator("NonMaxSuppression", since=10, host=(2, 3, 4))
def non_maximum_suppression(node: Node) -> Kernel:
    """Rows of (sample, class, box); which boxes stay has no gradient, what is read by them does."""
    from torchvision.ops import nms

    by_centre = bool(node.integer("center_point_box", 0))

    def run(
        boxes: Tensor,
        scores: Tensor,
        most: int | list[int] | None = None,
        overlap: float | list[float] | None = None,
        least: float | list[float] | None = None,
    ) -> Tensor:
        count, limit, threshold = (v[0] if isinstance(v, list) else v for v in (most, overlap, least))
        corners = _corners(boxes.detach(), by_centre)
        rows = [torch.zeros(0, 3, dtype=torch.int64, device=boxes.device)]
        for sample, classes in enumerate(scores.detach()):
            for kind, values in enumerate(classes):
                able = torch.arange(len(values), device=boxes.device)
                able = able if threshold is None else able[values > threshold]
                kept = able[nms(corners[sample][able], values[able], limit or 0.0)[: count or 0]]
                label = kept.new_tensor([sample, kind]).expand(len(kept), 2)
                rows.append(torch.cat([label, kept.unsqueeze(1)], 1))
        return torch.cat(rows)

    return run


def _corners(boxes: Tensor, by_centre: bool) -> Tensor:
    """Lower and upper corner of each box, whichever two opposite corners, or centre and size, are given."""
    first, second = torch.split(boxes, 2, -1)
    if by_centre:
        first, second = first - second / 2, first + second / 2
    return torch.cat([torch.minimum(first, second), torch.maximum(first, second)], -1)
