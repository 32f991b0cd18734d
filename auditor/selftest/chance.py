"""Models that answer at random. `_opened` is the same model without its chance, for a bound on what it withstands."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.selftest.masks import Chain
from auditor.selftest.networks import HIDDEN, hardened, plain


def noisy_input() -> nn.Module:
    """Gaussian noise on every pixel."""
    return Chain(lambda x: x + 0.25 * torch.randn_like(x), plain())


class _Placed(nn.Module):
    """Each batch scaled to a random size and padded at a random place (Xie et al., arXiv:1711.01991)."""

    def forward(self, x: Tensor) -> Tensor:
        side = int(torch.randint(22, 29, ()))
        scaled = functional.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
        left, top = (int(torch.randint(0, 29 - side, ())) for _ in range(2))
        return functional.pad(scaled, (left, 28 - side - left, top, 28 - side - top))


def resize_and_pad() -> nn.Module:
    return Chain(_Placed(), plain())


class _Pruned(nn.Module):
    """Stochastic activation pruning (Dhillon et al., arXiv:1803.01442): activations drawn by their size survive."""

    def forward(self, hidden: Tensor) -> Tensor:
        share = hidden.abs() / hidden.abs().sum(1, keepdim=True).clamp_min(1e-12)
        kept = 1.0 - (1.0 - share) ** (hidden.shape[1] // 2)
        survives = torch.rand_like(hidden) < kept
        return torch.where(survives, hidden / kept.clamp_min(1e-6), 0.0)


def pruned() -> nn.Module:
    network = plain()
    return Chain(network[:HIDDEN], _Pruned(), network[HIDDEN:])


def live_dropout() -> nn.Module:
    """Dropout called as a function, which nobody switches off."""
    network = plain()
    return Chain(network[:HIDDEN], lambda hidden: functional.dropout(hidden, 0.4, training=True), network[HIDDEN:])


def flickering() -> nn.Module:
    """A kernel that does not add in the same order twice, and whose errors are large."""
    return Chain(plain(), lambda logits: logits * (1.0 + 3e-3 * torch.randn_like(logits)))


class _Either(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.networks = nn.ModuleList([plain(), hardened()])

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.networks[int(torch.randint(2, ()))](x)
        return answer


def either() -> nn.Module:
    """One of two networks, whichever comes up."""
    return _Either()
