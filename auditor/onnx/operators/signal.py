"""Windows, Fourier transforms and mel weights: what audio front ends are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.registry import Builder, Kernel, operator
from auditor.onnx.tensors import torch_dtype

_FLOAT = 1
"""ONNX's number for float32, the default type of windows."""


def _window(cosines: Sequence[float]) -> Builder:
    """A window that is a sum of cosines with alternating signs."""

    def build(node: Node) -> Kernel:
        periodic, dtype = node.integer("periodic", 1), torch_dtype(node.integer("output_datatype", _FLOAT))

        def run(size: int | list[int]) -> Tensor:
            length = size[0] if isinstance(size, list) else size
            phase = torch.arange(length, dtype=torch.float64) * (2 * math.pi / (length if periodic else length - 1))
            terms = [(-1) ** k * weight * torch.cos(k * phase) for k, weight in enumerate(cosines)]
            return torch.stack(terms).sum(0).to(dtype)

        return run

    return build


operator("HannWindow", since=17, host=(0,))(_window((0.5, 0.5)))
operator("HammingWindow", since=17, host=(0,))(_window((25 / 46, 21 / 46)))
operator("BlackmanWindow", since=17, host=(0,))(_window((0.42, 0.5, 0.08)))


@operator("STFT", since=17, host=(1, 3))
def short_time_fourier_transform(node: Node) -> Kernel:
    one_sided = bool(node.integer("onesided", 1))

    def run(
        signal: Tensor, hop: int | list[int], window: Tensor | None = None, length: int | list[int] | None = None
    ) -> Tensor:
        step = hop[0] if isinstance(hop, list) else hop
        size = length[0] if isinstance(length, list) else length
        size = size if size is not None else window.shape[0] if window is not None else signal.shape[1]
        if signal.dim() == 3:
            signal = _as_complex(signal)
        frames = signal.unfold(1, size, step)
        if window is not None:
            frames = frames * window
        return torch.view_as_real(_fourier(frames, size, -1, one_sided, inverse=False))

    return run


@operator("DFT", since=17, host=(1,))
def fourier_transform_of_axis(node: Node) -> Kernel:
    axis = node.integer("axis", 1)
    return lambda x, length=None: _dft(node, x, length, axis)


@operator("DFT", since=20, host=(1, 2))
def fourier_transform(node: Node) -> Kernel:
    return lambda x, length=None, axis=-2: _dft(node, x, length, -2 if axis is None else axis)


def _dft(node: Node, x: Tensor, length: int | list[int] | None, axis: int | list[int]) -> Tensor:
    inverse, one_sided = bool(node.integer("inverse", 0)), bool(node.integer("onesided", 0))
    size = length[0] if isinstance(length, list) else length
    dim = (axis[0] if isinstance(axis, list) else axis) % x.dim()
    z = _as_complex(x)
    if inverse and one_sided:
        # The inverse of a one-sided transform is real: ONNX gives it with one channel.
        real: Tensor = torch.fft.irfft(z, size, dim)
        return real.unsqueeze(-1)
    return torch.view_as_real(_fourier(z, size, dim, one_sided, inverse))


def _as_complex(x: Tensor) -> Tensor:
    """Real and imaginary part in the last dimension, or the real part alone."""
    return torch.view_as_complex(x.contiguous()) if x.shape[-1] == 2 else x.squeeze(-1)


def _fourier(x: Tensor, size: int | None, dim: int, one_sided: bool, inverse: bool) -> Tensor:
    """The transform along `dim`; the halves of a real signal's mirror each other, so one may be left out."""
    transform = torch.fft.ifft if inverse else torch.fft.fft
    z: Tensor = transform(x, size, dim)
    return z.narrow(dim, 0, z.shape[dim] // 2 + 1) if one_sided else z


@operator("MelWeightMatrix", since=17, host=(0, 1, 2, 3, 4))
def mel_weight_matrix(node: Node) -> Kernel:
    dtype = torch_dtype(node.integer("output_datatype", _FLOAT))

    def run(bands: int, length: int, rate: int, low: float, high: float) -> Tensor:
        mel_low, mel_high = (2595 * math.log10(1 + hertz / 700) for hertz in (low, high))
        mels = np.arange(bands + 2) * ((mel_high - mel_low) / (bands + 2)) + mel_low
        edges = np.floor((length + 1) * 700 * (10 ** (mels / 2595) - 1) / rate).astype(np.int64)
        matrix = torch.zeros(length // 2 + 1, bands)
        for i, (left, centre, right) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
            rise, fall = max(centre - left, 1), max(right - centre, 1)
            for j in range(left, centre + 1):
                matrix[j, i] = (j - left) / rise if centre > left else 1.0
            for j in range(centre, right):
                matrix[j, i] = (right - j) / fall
        return matrix.to(dtype)

    return run
