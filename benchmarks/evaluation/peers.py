"""torchattacks, Foolbox, ART and adversarial-library behind one signature: `(network, x, y, eps)` to candidates.

pip install torchattacks==3.5.1 foolbox==3.3.4 adversarial-robustness-toolbox==1.20.1
pip install --no-deps adv-lib==0.2.8
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

Peer: TypeAlias = Callable[[nn.Module, Tensor, Tensor, float], Tensor]

PACKAGES = {
    "torchattacks": "torchattacks",
    "foolbox": "foolbox",
    "ART": "adversarial-robustness-toolbox",
    "adv-lib": "adv-lib",
}
"""What the tables call them, and what the package index does."""

QUERIES = 5000
CLASSES = 10


class Absent(Exception):
    """A peer that is not installed here; it is named and left out."""


def versions() -> dict[str, str]:
    found = {}
    for name, package in PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found


def autoattack(steps: int, seed: int = 0) -> Peer:
    """torchattacks' AutoAttack "standard": apgd-ce, apgd-t, fab-t, square. It leaves the first three at 10 steps where
    AutoAttack's authors take 100; `steps` are what they get here.
    """
    ta = _module("torchattacks")

    def attack(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
        whole = ta.AutoAttack(model, norm="Linf", eps=eps, version="standard", n_classes=CLASSES, seed=seed)
        for part in whole._autoattack.attacks[:3]:
            part.steps = steps
        return whole(x, y)  # type: ignore[no-any-return]

    return attack


def art_autoattack(batch: int) -> Peer:
    """ART's AutoAttack as it comes: apgd-ce and apgd-dlr with 5 restarts, DeepFool, Square with 5 restarts."""
    evasion = _module("art.attacks.evasion")

    def attack(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
        classifier = _art_classifier(model, x)
        # Twice eps is the first step of APGD's authors.
        whole = evasion.AutoAttack(classifier, norm=np.inf, eps=eps, eps_step=2.0 * eps, batch_size=batch)
        for part in whole.attacks:
            part.set_params(batch_size=batch)
            if "verbose" in part.attack_params:
                part.set_params(verbose=False)
        return torch.from_numpy(whole.generate(x.numpy(), y.numpy()))

    return attack


def pgd(tool: str, steps: int, batch: int) -> Peer:
    """PGD in linf from a random start, cross-entropy, steps of `2.5 / steps` of eps."""
    size = 2.5 / steps
    match tool:
        case "torchattacks":
            ta = _module("torchattacks")
            return lambda model, x, y, eps: ta.PGD(model, eps=eps, alpha=size * eps, steps=steps)(x, y)
        case "foolbox":
            foolbox = _module("foolbox")

            def attack(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
                made = foolbox.attacks.LinfPGD(rel_stepsize=size, steps=steps)
                return made.run(foolbox.PyTorchModel(model, bounds=(0, 1)), x, y, epsilon=eps)  # type: ignore[no-any-return]

            return attack
        case "ART":
            evasion = _module("art.attacks.evasion")

            def generated(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
                options = {"eps_step": size * eps, "max_iter": steps, "num_random_init": 1, "batch_size": batch}
                made = evasion.ProjectedGradientDescentPyTorch(
                    _art_classifier(model, x), norm=np.inf, eps=eps, verbose=False, **options
                )
                return torch.from_numpy(made.generate(x.numpy(), y.numpy()))

            return generated
    lib = _adv_lib("projected_gradient_descent")
    return lambda model, x, y, eps: lib.pgd_linf(model, x, y, eps, steps=steps, relative_step_size=size)


def apgd(tool: str, steps: int, batch: int) -> Peer:
    """APGD in linf on cross-entropy, one restart; Foolbox has none."""
    match tool:
        case "torchattacks":
            ta = _module("torchattacks")
            return lambda model, x, y, eps: ta.APGD(model, norm="Linf", eps=eps, steps=steps, loss="ce")(x, y)
        case "foolbox":
            raise Absent("Foolbox has no APGD")
        case "ART":
            evasion = _module("art.attacks.evasion")

            def generated(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
                options = {"eps_step": 2.0 * eps, "max_iter": steps, "nb_random_init": 1, "batch_size": batch}
                made = evasion.AutoProjectedGradientDescent(
                    _art_classifier(model, x), norm=np.inf, eps=eps, loss_type="cross_entropy", verbose=False, **options
                )
                return torch.from_numpy(made.generate(x.numpy(), y.numpy()))

            return generated
    lib = _adv_lib("auto_pgd")
    return lambda model, x, y, eps: lib.apgd(model, x, y, eps, float("inf"), n_iter=steps, loss_function="ce")


def _art_classifier(model: nn.Module, x: Tensor) -> Any:
    estimators = _module("art.estimators.classification")
    return estimators.PyTorchClassifier(
        model=model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(x.shape[1:]),
        nb_classes=CLASSES,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


def _adv_lib(name: str) -> types.ModuleType:
    # adv-lib imports visdom for plots that are never drawn here.
    sys.modules.setdefault("visdom", types.ModuleType("visdom")).__dict__.setdefault("Visdom", object)
    return _module(f"adv_lib.attacks.{name}")


def _module(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Absent(f"{name.partition('.')[0]} cannot be imported: {error}") from error
