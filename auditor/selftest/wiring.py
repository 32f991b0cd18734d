"""Models that are wired wrongly: sound networks behind an input, a mode or a batch that nobody meant."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditor.selftest.masks import Chain
from auditor.selftest.networks import hardened, plain

_MEAN, _STD = 0.1307, 0.3081


def wants_normalised() -> nn.Module:
    """A network that was trained on (x - 0.1307) / 0.3081."""
    return Chain(lambda x: x * _STD + _MEAN, plain())


def wants_255() -> nn.Module:
    """A network that was trained on pixels from 0 to 255."""
    return Chain(lambda x: x / 255.0, plain())


def wants_inverted() -> nn.Module:
    """A network that was trained on black digits on white."""
    return Chain(lambda x: 1.0 - x, plain())


def wants_bgr() -> nn.Module:
    """A network for images as OpenCV reads them, whose last channel is red; it reads the digit in red."""
    return Chain(lambda x: x[:, 2:3], plain())


def reads_red() -> nn.Module:
    """A network for colour that reads the digit in the red channel."""
    return Chain(lambda x: x[:, :1], plain())


class _Centred(nn.BatchNorm2d):
    """Batch normalisation that keeps no statistics, and takes those of the batch at rest as in training."""

    def __init__(self) -> None:
        super().__init__(1, affine=False, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * _STD + _MEAN


def training_mode() -> nn.Module:
    """Batch normalisation on the batch's own statistics."""
    return Chain(_Centred(), plain())


def batch_dependent() -> nn.Module:
    """Numbers scaled by the largest of the whole batch, as in dynamic quantisation."""

    def scaled(x: Tensor) -> Tensor:
        return x - 2.0 * (x.mean((0, 2, 3), keepdim=True) - _MEAN)

    return Chain(scaled, plain())


def unanswered() -> nn.Module:
    """A division by zero on some clean samples: those with more ink on the left than on the right."""

    def divided(x: Tensor) -> Tensor:
        left, right = (half.mean((1, 2, 3), keepdim=True) for half in x.chunk(2, 3))
        balance = (0.02 * x.std((1, 2, 3), keepdim=True) + right - left).relu()
        return x * balance / balance

    return Chain(divided, plain())


def overflowing() -> nn.Module:
    """An overflow that only inputs near the data meet: a background that is not black."""

    def logged(x: Tensor) -> Tensor:
        background = x[:, :, :2].mean((1, 2, 3), keepdim=True)
        return x + 0.0 * torch.log(0.06 - background)

    return Chain(logged, hardened())


class _Purified(nn.Module):
    """Descends to an input that the network is surer of before it answers (Croce et al., arXiv:2202.13711)."""

    def __init__(self) -> None:
        super().__init__()
        self.network = plain()

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            moved = x.detach().requires_grad_()
            surest = self.network(moved).log_softmax(1).amax(1).sum()
            (gradient,) = torch.autograd.grad(surest, moved)
        answer: Tensor = self.network(x + 0.02 * gradient.sign())
        return answer


def purified() -> nn.Module:
    return _Purified()
