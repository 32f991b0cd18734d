"""Capacity helps (Madry et al., arXiv:1706.06083, figure 4): the same training of the same network in several widths.

python -m benchmarks.hardening.capacity [WIDTH …]
"""

from __future__ import annotations

import sys

import torch
from torch import nn
from torch.nn import functional

from auditor.types import Norm, Threat
from benchmarks.hardening.common import judged, trained
from benchmarks.networks.architectures import convolutional
from benchmarks.networks.data import training_samples

WIDTHS = (1, 2, 4, 8, 16)
THREAT = Threat(norm=Norm.LINF, eps=0.2)
RECIPE, TRAINING = "free", "epochs=15,average=0.98"
PLAIN_EPOCHS, BATCH, RATE = 8, 128, 2e-3


def plain(width: int) -> nn.Module:
    """`convolutional` in this width, trained on clean digits."""
    torch.manual_seed(0)
    module, (x, y) = convolutional(width=width, dense=2 * width), training_samples("mnist", torch.Generator())
    optimiser = torch.optim.Adam(module.parameters(), RATE)
    for _ in range(PLAIN_EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimiser.step()
    return module.eval()


def main(widths: list[int]) -> None:
    print("| width | parameters | clean, plain | clean | one step | apgd | training, CPU s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for width in widths or WIDTHS:
        module = plain(width)
        before = judged(module, THREAT, attacks=())
        done = trained(module, RECIPE, TRAINING, THREAT)
        found = judged(done.module, THREAT)
        size = sum(weight.numel() for weight in module.parameters())
        row = f"{size:,} | {before.clean:.1%} | {found.clean:.1%} | {found.fgsm:.1%} | {found.robust:.1%}"
        print(f"| {width} | {row} | {done.seconds:.0f} |", *done.remarks, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main([int(width) for width in sys.argv[1:]])
