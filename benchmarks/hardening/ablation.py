"""What each choice of how to train brings: one choice changed at a time, all else as it is.

    python -m benchmarks.hardening.ablation [RECIPE …]

`mnist-plain` is hardened against linf 0.2 on 3,600 digits; the 1,000 that no training saw are looked at as they are and
after 20 gradient steps. For an ablation that is enough: `standard` finds more of all of them.
"""

from __future__ import annotations

import sys

import torch

from auditor.harden.scores import Validation
from auditor.harden.trainee import Trainee
from benchmarks.hardening.common import THREAT, trained
from benchmarks.networks import load
from benchmarks.networks.data import test_samples

EPOCHS = "epochs=12"
USUAL = ""
RECIPES = ("free", "pgd:steps=7,step_size=0.36")
CHOICES = (USUAL, "average=0.98", "lr=0.001", "lr=0.005", "batch_size=64", "warmup=0.1", "crop")


def main(recipes: list[str], choices: tuple[str, ...] = CHOICES) -> None:
    x, y = test_samples("mnist")
    print("| recipe | changed | clean | 20 steps | training, CPU s |")
    print("| --- | --- | ---: | ---: | ---: |")
    for recipe in recipes or RECIPES:
        for choice in choices:
            words = [word for word in (EPOCHS, *choice.split(",")) if word and word != "crop"]
            module = load("mnist-plain").requires_grad_(True)
            augment = frozenset({"crop"} if "crop" in choice else ())
            done = trained(module, recipe, ",".join(words), augment=augment)
            judge = Trainee(done.module, done.module, dict(done.module.named_parameters()))
            score = Validation(x, y, THREAT, 0).score(judge)
            row = f"{score.clean:.1%} | {score.robust:.1%} | {done.seconds:.0f}"
            print(f"| `{recipe}` | {choice or 'nothing'} | {row} |", *done.remarks, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
