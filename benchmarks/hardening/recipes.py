"""Every recipe on the same network, data and epochs: what it costs, what it leaves of clean accuracy, and what stands.

    python -m benchmarks.hardening.recipes [NAME …]

The stored network `mnist-plain` is hardened against linf 0.2 on 3,600 digits, 400 choose the epoch, and 200 that no
training has seen are attacked.
"""

from __future__ import annotations

import sys

import torch

from benchmarks.hardening.common import THREAT, judged, trained
from benchmarks.networks import load

USUAL = "epochs=12"
SAME = "epochs=12,lr=0.002,average=0"
"""As the others, where a recipe has a way to train of its own."""
PLAIN = "plain"
ROWS = {
    "gaussian": ("gaussian", USUAL),
    "fgsm-mix": ("fgsm-mix", USUAL),
    "pool": ("pool:steps=7,step_size=0.36", USUAL),
    "fast": ("fast", USUAL),
    "free": ("free", SAME),
    "pgd": ("pgd:steps=7,step_size=0.36", USUAL),
    "trades": ("trades:steps=7,step_size=0.36", SAME),
    "mart": ("mart:steps=7,step_size=0.36", SAME),
    "trades+awp": ("trades:steps=7,step_size=0.36+awp", SAME),
    "deep-defense": ("deep-defense", f"{USUAL},warmup=0"),
    "bayesian": ("bayesian:steps=7,step_size=0.36", USUAL),
}


def main(names: list[str]) -> None:
    print("| recipe | clean | fgsm | apgd-ce and apgd-t | confidence | training, CPU s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in names or (PLAIN, *ROWS):
        network, seconds, remarks = load("mnist-plain").requires_grad_(True), 0.0, ()
        if name != PLAIN:
            done = trained(network, *ROWS[name])
            network, seconds, remarks = done.module, done.seconds, done.remarks
        found = judged(network, THREAT)
        sure = "" if found.confidence is None else f"{found.confidence:.1%}"
        row = f"{found.clean:.1%} | {found.fgsm:.1%} | {found.robust:.1%} | {sure} | {seconds:.0f}"
        print(f"| {name} | {row} |", *remarks, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
