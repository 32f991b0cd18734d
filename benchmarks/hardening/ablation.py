"""What each choice of how to train brings: one choice more, or another, at a time.

    python -m benchmarks.hardening.ablation [RECIPE …]

`mnist-plain` is hardened against linf 0.2 on 3,600 digits; the 1,000 that no training saw are looked at as they are and
after 20 gradient steps. For an ablation that is enough: `standard` finds more of all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

from auditor.harden.scores import Validation
from auditor.harden.trainee import Trainee
from benchmarks.hardening.common import THREAT, trained
from benchmarks.networks import load
from benchmarks.networks.data import test_samples

EPOCHS = "epochs=12"
STEPS = "steps=7,step_size=0.36"
RECIPES = ("free", f"pgd:{STEPS}", f"trades:{STEPS}", f"trades:{STEPS},beta=1", f"mart:{STEPS}")
CHOICES = ("lr=0.002,average=0", "lr=0.002,average=0.98", "lr=0.005,average=0.98")
SGD = "optimizer=sgd,lr=0.01,schedule=piecewise,weight_decay=0.0002,warmup=0,clip=0"
"""In the manner of TRADES' and MART's papers: momentum, a rate that falls by steps, the whole budget from the first."""


def main(recipes: list[str], choices: Sequence[str] = (*CHOICES, SGD)) -> None:
    x, y = test_samples("mnist")
    print("| recipe | how | clean | 20 steps | training, CPU s |")
    print("| --- | --- | ---: | ---: | ---: |")
    for recipe in recipes or RECIPES:
        for choice in choices:
            module = load("mnist-plain").requires_grad_(True)
            done = trained(module, recipe, f"{EPOCHS},{choice}")
            judge = Trainee(done.module, done.module, dict(done.module.named_parameters()))
            score = Validation(x, y, THREAT, 0).score(judge)
            row = f"{score.clean:.1%} | {score.robust:.1%} | {done.seconds:.0f}"
            print(f"| `{recipe}` | {choice} | {row} |", *done.remarks, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
