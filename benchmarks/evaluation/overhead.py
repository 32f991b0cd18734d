"""What our attacks cost beyond the passes they make: attack and bare passes in turn, medians of the ratios."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks.evaluation import modules
from benchmarks.evaluation.cells import Cell
from benchmarks.evaluation.problems import Problem, problem
from benchmarks.evaluation.replay import bare, recorded, replay

ATTACKS = ("pgd:steps=100", "apgd:steps=100", "square:queries=200")
NETWORK_SAMPLES = {"mnist-pgd": 256, "color-pgd": 128}
RESNET = "random_resnet18_64_3_10"
RESNET_SAMPLES = 16
RESNET_ATTACKS = ("pgd:steps=20", "apgd:steps=20", "square:queries=20")
ROUNDS = 5


def cells(only: str, rounds: int = ROUNDS) -> dict[str, Cell]:
    """By key `overhead/<network>/<attack>`; `standard` as a whole on the trained networks."""
    found: dict[str, Cell] = {}
    for name, n in NETWORK_SAMPLES.items():
        for attack in (*ATTACKS, ""):
            found[f"overhead/{name}/{attack or 'suite standard'}"] = partial(_trained, name, n, attack, rounds)
    for attack in RESNET_ATTACKS:
        found[f"overhead/resnet18/{attack}"] = partial(_random, RESNET, 32, RESNET_SAMPLES, attack, rounds)
    return {key: cell for key, cell in found.items() if only in key}


def _trained(name: str, samples: int, attack: str, rounds: int) -> dict[str, Any]:
    return compare(problem(name, samples), attack, rounds)


def _random(name: str, side: int, samples: int, attack: str, rounds: int) -> dict[str, Any]:
    return compare(random_problem(name, side, samples), attack, rounds)


def random_problem(name: str, side: int, samples: int, eps: float = 1 / 255) -> Problem:
    """Noise of `side` x `side` pixels for a network of `modules` with random weights, which says class 0 to all."""
    channels = int(name.split("_")[3])
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (samples, channels, side, side), generator=generator, dtype=torch.uint8)
    model = getattr(modules, name)
    y = torch.zeros(samples, dtype=torch.int64)
    return Problem(modules.source(name), pixels / 255.0, y, list(range(samples)), eps, model)


def compare(task: Problem, attack: str, rounds: int) -> dict[str, Any]:
    """CPU and wall seconds of the attacks of an audit, and of its passes alone, in alternating rounds."""
    attacks = [attack] if attack else []
    target = bare(task)
    found: dict[str, Any] = {"attack_cpu": [], "attack_wall": [], "bare_cpu": [], "bare_wall": []}
    for _ in range(rounds):
        # Counted in every round, since each measures anew what form of the network it searches with.
        passes, audited = recorded(task, attacks)
        clock = replay(target, passes, task.x)
        found["attack_cpu"].append(audited.cpu)
        found["attack_wall"].append(audited.wall)
        found["bare_cpu"].append(clock.cpu)
        found["bare_wall"].append(clock.wall)
    costs = audited.costs()
    return found | {
        "samples": len(task.x),
        "calls": len(passes),
        "forwards": costs["forwards"],
        "backwards": costs["backwards"],
        "counted": costs["counted"],
        "precision": sorted({one.network for one in passes}),
        "broken": audited.believed,
    }
