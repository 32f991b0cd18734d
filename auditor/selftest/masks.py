"""Models whose gradients say nothing, though their answers change as those of any other model would.

Each answers with the decisions of a network whose gradients are sound, or of itself with sound gradients: the factory
of the same name ending in `_opened`, where there is one. What that one's robust accuracy is, is the masked one's too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.selftest.networks import HIDDEN, hardened, linear, plain
from auditor.target.through import straight_through

Map = Callable[[Tensor], Tensor]

_LEVELS = 15
_STAIRS = 64


class Chain(nn.Module):
    """Functions and modules, one after the other."""

    def __init__(self, *parts: Map) -> None:
        super().__init__()
        self.parts = parts
        self.modules_among = nn.ModuleList(part for part in parts if isinstance(part, nn.Module))

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x


class _Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Map) -> Tensor:
        ctx.change = change
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.change(gradient), None


def backwards(change: Map) -> Map:
    """The identity, whose gradient is what `change` makes of the true one."""

    def same(x: Tensor) -> Tensor:
        answer: Tensor = _Backward.apply(x, change)
        return answer

    return same


def zero_gradient() -> nn.Module:
    """A layer whose gradient is zero."""
    return Chain(backwards(torch.zeros_like), plain())


def reversed_gradient() -> nn.Module:
    """A layer whose gradient has the wrong sign."""
    return Chain(backwards(torch.neg), plain())


def mirrored_gradient() -> nn.Module:
    """A layer that gives each pixel the gradient of the one across the middle."""
    return Chain(backwards(lambda gradient: gradient.flip(-1)), plain())


def noisy_gradient() -> nn.Module:
    """A layer that drowns its gradient in noise."""

    def drowned(gradient: Tensor) -> Tensor:
        return gradient + 100.0 * gradient.abs().amax() * torch.randn_like(gradient)

    return Chain(backwards(drowned), plain())


def infinite_gradient() -> nn.Module:
    """A square root at zero, where its slope is infinite."""
    return Chain(lambda x: x.sqrt().square(), plain())


def cut_graph() -> nn.Module:
    """The answer is cut off from the input."""
    return Chain(plain(), Tensor.detach)


def _rounded(x: Tensor) -> Tensor:
    return torch.round(x * _LEVELS) / _LEVELS


def rounded_input() -> nn.Module:
    """Sixteen levels of gray (Xu et al., arXiv:1704.01155)."""
    return Chain(_rounded, plain())


def rounded_input_opened() -> nn.Module:
    return Chain(straight_through(_rounded), plain())


def _thermometer(x: Tensor) -> Tensor:
    """Each pixel as ten answers to 'is it above this level' (Buckman et al., ICLR 2018), and read again."""
    levels = torch.arange(0.05, 1.0, 0.1, device=x.device)
    return (x.unsqueeze(-1) > levels).float().mean(-1)


def thermometer() -> nn.Module:
    return Chain(_thermometer, plain())


def thermometer_opened() -> nn.Module:
    return Chain(straight_through(_thermometer), plain())


def _stairs(hidden: Tensor) -> Tensor:
    """What ReLU answered, as a sum of signs."""
    heights = torch.linspace(0.0, float(_STAIRS) / 8.0, _STAIRS + 1, device=hidden.device)[:-1] + 1.0 / 16.0
    return (torch.sign(hidden.unsqueeze(-1) - heights) + 1.0).sum(-1) / 16.0


def _with_hidden(change: Map, network: nn.Sequential) -> nn.Module:
    return Chain(network[:HIDDEN], change, network[HIDDEN:])


def sign_activation() -> nn.Module:
    """A hidden layer made of signs."""
    return _with_hidden(_stairs, plain())


def sign_activation_opened() -> nn.Module:
    return _with_hidden(straight_through(_stairs), plain())


def saturated_softmax() -> nn.Module:
    """Probabilities so sure of themselves that all but one are zero."""
    return Chain(plain(), lambda logits: (20.0 * logits).softmax(1))


def half_softmax() -> nn.Module:
    """Probabilities computed in float16, where small ones underflow."""
    return Chain(plain(), lambda logits: (2.0 * logits).half().softmax(1).float())


def temperature() -> nn.Module:
    """Logits divided by a temperature of 1e-3."""
    return Chain(plain(), lambda logits: logits / 1e-3)


def distilled() -> nn.Module:
    """Logits as large as those of defensive distillation (Papernot et al., arXiv:1511.04508), which hides from
    cross-entropy."""
    return Chain(plain(), lambda logits: 40.0 * logits)


def clipped_logits() -> nn.Module:
    """Logarithms of probabilities, clipped where they are very sure or hardly possible."""
    return Chain(plain(), lambda logits: logits.log_softmax(1).clamp(-9.0, -1e-3))


class _Vote(nn.Module):
    """How many of the networks vote for each class, as a share; `opened`, with the gradient of their mean."""

    def __init__(self, voters: Sequence[nn.Module], opened: bool) -> None:
        super().__init__()
        self.voters, self.opened = nn.ModuleList(voters), opened

    def forward(self, x: Tensor) -> Tensor:
        answers = torch.stack([voter(x) for voter in self.voters])
        votes = functional.one_hot(answers.argmax(2), answers.shape[2]).float().mean(0)
        if not self.opened:
            return votes
        soft = answers.softmax(2).mean(0)
        return votes.detach() + (soft - soft.detach())


def vote() -> nn.Module:
    """Three networks vote."""
    return _Vote((plain(), hardened(), linear()), opened=False)


def vote_opened() -> nn.Module:
    return _Vote((plain(), hardened(), linear()), opened=True)


def shattered() -> nn.Module:
    """A ripple too small to see, and so steep that no gradient points anywhere (Athalye et al., arXiv:1802.00420)."""
    return Chain(lambda x: x + 1e-4 * torch.sin(1e6 * x), plain())


def _jpeg(x: Tensor) -> Tensor:
    """Compression as JPEG does it: blocks of 8 x 8, their cosine transform rounded to a table's multiples."""
    pixels = functional.pad(x, (2, 2, 2, 2)) * 255.0 - 128.0
    blocks = pixels.unfold(2, 8, 8).unfold(3, 8, 8)
    basis, table = _cosines().to(x.device), _table().to(x.device)
    coefficients = torch.round(basis @ blocks @ basis.T / table) * table
    restored = (basis.T @ coefficients @ basis).permute(0, 1, 2, 4, 3, 5).reshape(pixels.shape)
    return ((restored + 128.0) / 255.0).clamp(0.0, 1.0)[:, :, 2:-2, 2:-2]


def _cosines() -> Tensor:
    place = torch.arange(8.0)
    basis = torch.cos((2.0 * place + 1.0) * place[:, None] * torch.pi / 16.0) / 2.0
    basis[0] /= 2.0**0.5
    return basis


def _table() -> Tensor:
    """Coarser for finer detail, about as quality 50."""
    place = torch.arange(8.0)
    return 12.0 + 8.0 * (place + place[:, None])


def jpeg() -> nn.Module:
    """JPEG in front (Guo et al., arXiv:1711.00117)."""
    return Chain(_jpeg, plain())


def jpeg_opened() -> nn.Module:
    return Chain(straight_through(_jpeg), plain())


def _plateaus(x: Tensor) -> Tensor:
    """The largest pixel of each 2 x 2, as far as steps of 1/8 can tell."""
    steps = torch.floor(functional.max_pool2d(x, 2) * 8.0 + 0.5) / 8.0
    return steps.repeat_interleave(2, 2).repeat_interleave(2, 3)


def plateaus() -> nn.Module:
    """Max-pooling over steps: most pixels change nothing, and the others nothing until they change much."""
    return Chain(_plateaus, hardened())


def plateaus_opened() -> nn.Module:
    def smooth(x: Tensor) -> Tensor:
        return functional.max_pool2d(x, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)

    return Chain(straight_through(_plateaus, smooth), hardened())


class _Winners(nn.Module):
    """k-winners-take-all (Xiao et al., arXiv:1905.10510) over a sample's activations."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        least = flat.topk(max(1, int(self.share * flat.shape[1])), dim=1).values[:, -1:]
        return torch.where(flat >= least, flat, 0.0).view_as(x)


def winners() -> nn.Module:
    """Convolutions of which only the strongest few answer."""
    network = hardened()
    return nn.Sequential(network[0], _Winners(0.25), network[2], _Winners(0.12), *network[4:])
