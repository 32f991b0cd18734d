"""Our `pgd` and `trades` against ART's trainers: same network to begin with, same digits, same attack, same epochs.

    python -m benchmarks.hardening.peers [EPOCHS]

Who trains holds nothing back from ART (4,000 digits); ours spends a tenth of them, and passes, on choosing the epoch.
CPU seconds are of one thread; what is compared is robust accuracy for each minute of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from art.attacks.evasion import ProjectedGradientDescent
from art.defences.trainer import AdversarialTrainerMadryPGD, AdversarialTrainerTRADESPyTorch
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from benchmarks.hardening.common import THREAT, trained, withstands
from benchmarks.networks import load
from benchmarks.networks.data import training_samples

STEPS, SHARE = 7, 0.36
"""Gradient steps to an example, and their length in units of eps."""
RATE, BATCH = 2e-3, 128


def ours(recipe: str, epochs: int) -> tuple[nn.Module, float]:
    module = load("mnist-plain").requires_grad_(True)
    done = trained(module, f"{recipe}:steps={STEPS},step_size={SHARE}", f"epochs={epochs},lr={RATE},average=0")
    return done.module, done.seconds


class Whole(nn.Module):
    """A module whose layers ART does not see: of nn.Sequential it takes the answers of every layer."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.module(x)
        return answer


def art(trainer: Callable[[PyTorchClassifier, int], object], epochs: int) -> tuple[nn.Module, float]:
    torch.manual_seed(0)
    module = load("mnist-plain").requires_grad_(True)
    classifier = PyTorchClassifier(
        model=Whole(module),
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.AdamW(module.parameters(), lr=RATE),
        input_shape=(1, 28, 28),
        nb_classes=10,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    begun = time.process_time()
    trainer(classifier, epochs)
    seconds = time.process_time() - begun
    return module.eval().requires_grad_(False), seconds


def madry(classifier: PyTorchClassifier, epochs: int) -> None:
    eps, (x, y) = THREAT.eps, training_samples("mnist", torch.Generator())
    trainer = AdversarialTrainerMadryPGD(
        classifier, nb_epochs=epochs, batch_size=BATCH, eps=eps, eps_step=SHARE * eps, max_iter=STEPS, num_random_init=1
    )
    trainer.fit(x.numpy(), y.numpy())


def trades(classifier: PyTorchClassifier, epochs: int) -> None:
    eps, (x, y) = THREAT.eps, training_samples("mnist", torch.Generator())
    attack = ProjectedGradientDescent(
        classifier, eps=eps, eps_step=SHARE * eps, max_iter=STEPS, num_random_init=1, batch_size=BATCH, verbose=False
    )
    trainer = AdversarialTrainerTRADESPyTorch(classifier, attack, beta=6.0)
    trainer.fit(x.numpy(), y.numpy(), nb_epochs=epochs, batch_size=BATCH)


def main(epochs: int) -> None:
    rows = {
        "auditor pgd": lambda: ours("pgd", epochs),
        "ART AdversarialTrainerMadryPGD": lambda: art(madry, epochs),
        "auditor trades": lambda: ours("trades", epochs),
        "ART AdversarialTrainerTRADESPyTorch": lambda: art(trades, epochs),
    }
    print("| trainer | epochs | clean | `standard` | training, CPU s | robust accuracy a CPU minute |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, train in rows.items():
        module, seconds = train()
        clean, robust = withstands(module, THREAT)
        reached = f"{clean:.1%} | {robust:.1%} | {seconds:.0f} | {60.0 * robust / seconds:.2f}"
        print(f"| {name} | {epochs} | {reached} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
