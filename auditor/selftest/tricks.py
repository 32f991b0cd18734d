"""Models that recognise an attack, and pipelines that answer something else than a class."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.selftest.masks import Chain
from auditor.selftest.networks import plain

_GRID = 255.0
_TOLERANCE = 0.02


def _off_grid(x: Tensor) -> Tensor:
    """How many pixels no 8-bit image could hold, `(N,)`."""
    steps = x * _GRID
    return ((steps - steps.round()).abs() > _TOLERANCE).flatten(1).sum(1)


def _blackened(x: Tensor) -> Tensor:
    return (x > 0.5).float()


class _Refuses(nn.Module):
    """Where `suspects` sees an attack, the answer to the picture in black and white, which does not move."""

    def __init__(self) -> None:
        super().__init__()
        self.network = plain()

    def suspects(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        refused = self.suspects(x).reshape(-1, 1, 1, 1)
        answer: Tensor = self.network(torch.where(refused, _blackened(x), x))
        return answer


class _OffGrid(_Refuses):
    def suspects(self, x: Tensor) -> Tensor:
        return _off_grid(x) > 0


class _Noisy(_Refuses):
    def suspects(self, x: Tensor) -> Tensor:
        """Digits have a black border; noise of 0.07 or more shows there."""
        border = torch.cat([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], -1)
        return border.flatten(1).abs().mean(1) > 0.04


def refuses_off_grid() -> nn.Module:
    """A model that recognises pixels of no camera, and refuses to move."""
    return _OffGrid()


def refuses_noise() -> nn.Module:
    """A model that recognises strong noise, and refuses to move; weak noise it does not see."""
    return _Noisy()


def refuses_noise_opened() -> nn.Module:
    """The same to an attack that leaves the border alone, and is not seen: the border is black, whatever it holds."""

    def without_border(x: Tensor) -> Tensor:
        return functional.pad(x[:, :, 1:-1, 1:-1], (1, 1, 1, 1))

    return Chain(without_border, plain())


class _Trapped(nn.Module):
    """Answers wrongly to pixels that no image file holds, and rightly to those that one does."""

    def __init__(self) -> None:
        super().__init__()
        self.network = plain()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return torch.where((_off_grid(x) > 0)[:, None], -logits, logits)


def fractions_only() -> nn.Module:
    """A model that fails on fractions of gray levels alone."""
    return _Trapped()


class _Abstains(nn.Module):
    """An eleventh class, none of them, that grows with the noise between neighbouring pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.network = plain()

    def forward(self, x: Tensor) -> Tensor:
        logits = self.network(x)
        rough = (x - functional.avg_pool2d(x, 3, 1, 1)).square().mean((1, 2, 3))
        return torch.cat([logits, (1500.0 * (rough - 0.035))[:, None]], 1)


def abstains() -> nn.Module:
    """A detector in front: what it suspects gets no class."""
    return _Abstains()


class _Remembers(nn.Module):
    """Questions like an earlier one get its answer (stateful detection, Chen et al., arXiv:1907.05587)."""

    def __init__(self) -> None:
        super().__init__()
        self.network = plain()
        self.asked: Tensor = torch.empty(0)
        self.answers: Tensor = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        flat = x.detach().flatten(1)
        if not len(self.asked):
            self.asked, self.answers = flat[:0], logits.detach()[:0]
        if len(self.asked):
            distance, nearest = torch.cdist(flat, self.asked, p=2.0).min(1)
            known = distance < 4.0
            logits = torch.where(known[:, None], self.answers[nearest], logits)
        else:
            known = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        self.asked = torch.cat([self.asked, flat[~known]])
        self.answers = torch.cat([self.answers, logits.detach()[~known]])
        return logits


def remembers() -> nn.Module:
    """A model that knows questions again, and answers as before."""
    return _Remembers()


def labels_only() -> nn.Module:
    """A one for the class and zeros for the others."""
    return Chain(plain(), lambda logits: functional.one_hot(logits.argmax(1), 10).float())
