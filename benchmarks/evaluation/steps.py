"""The same number of PGD and APGD steps by everyone: time, robust accuracy, and the loss that was reached.

Early stopping is off on both sides by choice of samples, not by a switch: times and losses are of samples that none of
the tools broke, so that nothing falls and nobody can stop early. Robust accuracy is of all samples, and of several
seeds, since with one the luck of the start decides about a sample or two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from auditor.target.base import Network
from benchmarks.evaluation import modules, ours, peers
from benchmarks.evaluation.cells import Cell
from benchmarks.evaluation.counting import Clock, Counted
from benchmarks.evaluation.problems import BATCH, Problem, judge, problem
from benchmarks.networks import load

NETWORKS = ("mnist-pgd", "color-pgd")
STEPS = {"pgd": 40, "apgd": 100}
SAMPLES = 200
ROUNDS = 5
SEEDS = 5
FILE, MODULE = "auditor, ONNX file", "auditor, module"


def cells(only: str, rounds: int = ROUNDS, samples: int = SAMPLES) -> dict[str, Cell]:
    """By key `steps/<network>/<attack>`; a cell holds all tools, since their times are taken in turn."""
    found = {f"steps/{n}/{a}": partial(_measured, n, a, samples, rounds) for n in NETWORKS for a in STEPS}
    return {key: cell for key, cell in found.items() if only in key}


@dataclass(frozen=True)
class Tool:
    """`attack` takes a problem, a seed and what stands around the network, to candidates and CPU and wall seconds."""

    name: str
    attack: Callable[[Problem, int, ours.Wrapper | None], tuple[Tensor, float, float]]


def tools(name: str, attack: str) -> tuple[list[Tool], dict[str, str]]:
    """Everyone who is here and has the attack; and who has not, with the reason."""
    steps = STEPS[attack]
    own = f"pgd:steps={steps}" if attack == "pgd" else f"apgd:loss=ce,steps={steps}"
    found = [Tool(FILE, partial(_own, own, None)), Tool(MODULE, partial(_own, own, name))]
    absent = {}
    for peer in peers.PACKAGES:
        try:
            made = (peers.pgd if attack == "pgd" else peers.apgd)(peer, steps, BATCH)
        except peers.Absent as error:
            absent[peer] = str(error)
            continue
        found.append(Tool(peer, partial(_foreign, made, name)))
    return found, absent


def _own(
    attack: str, module: str | None, task: Problem, seed: int, wrapper: ours.Wrapper | None
) -> tuple[Tensor, float, float]:
    if module:
        task = replace(task, source=modules.source(f"stored_{module.replace('-', '_')}"))
    audited = ours.audit(task, attack=[attack], wrapper=wrapper, seed=seed)
    return audited.candidates, audited.cpu, audited.wall


def _foreign(
    attack: peers.Peer, name: str, task: Problem, seed: int, wrapper: ours.Wrapper | None
) -> tuple[Tensor, float, float]:
    torch.manual_seed(seed)
    np.random.seed(seed)
    network = load(name)
    model = wrapper(network, "twin") if wrapper else network
    with Clock() as clock:
        found = attack(model, task.x, task.y, task.eps).detach().float()  # type: ignore[arg-type]
    if wrapper:
        model(found)  # the last point of some was never shown to the network
    return found, clock.cpu, clock.wall


def _measured(name: str, attack: str, samples: int, rounds: int) -> dict[str, Any]:
    """Robust accuracy on all samples, then times in turn and losses on those that stand."""
    task = problem(name, samples)
    here, absent = tools(name, attack)
    fell = {
        tool.name: torch.stack([judge(task, tool.attack(task, seed, None)[0]).fell for seed in range(SEEDS)])
        for tool in here
    }
    standing = (~torch.cat(list(fell.values())).any(0)).nonzero().squeeze(1)
    left = task.select(standing)
    times: dict[str, list[tuple[float, float]]] = {tool.name: [] for tool in here}
    for _ in range(rounds):
        for tool in here:
            _, cpu, wall = tool.attack(left, 0, None)
            times[tool.name].append((cpu, wall))
    return {
        "steps": STEPS[attack],
        "samples": samples,
        "standing": len(standing),
        "fell": {tool: rows.sum(1).tolist() for tool, rows in fell.items()},
        "cpu": {tool: [cpu for cpu, _ in pairs] for tool, pairs in times.items()},
        "wall": {tool: [wall for _, wall in pairs] for tool, pairs in times.items()},
        "loss": {tool.name: _loss(tool, left) for tool in here},
        "passes": {tool.name: _passes(tool, left) for tool in here},
        "absent": absent,
        "versions": peers.versions(),
    }


def _loss(tool: Tool, task: Problem) -> float:
    """The highest cross-entropy at any point of the ball that the network was shown, mean over samples."""
    best = torch.full((len(task.x),), -torch.inf)
    origin = task.x.flatten(1)

    def note(x: Tensor, logits: Tensor) -> None:
        apart, row = torch.cdist(x.detach().float().flatten(1), origin, p=torch.inf).min(1)
        loss = functional.cross_entropy(logits.detach().float(), task.y[row], reduction="none")
        # Slack for searches in lower precision: what they find is judged elsewhere.
        loss = loss.where(apart <= 1.01 * task.eps, -torch.inf)
        best.scatter_reduce_(0, row, loss, "amax")

    def watched(network: Network, kind: str) -> Network:
        if kind == "deployed":
            return network
        module = Counted(network)
        module.register_forward_hook(lambda _, inputs, answer: note(inputs[0], answer))
        return module

    tool.attack(task, 0, watched)
    return float(best.mean())


def _passes(tool: Tool, task: Problem) -> list[int]:
    """Samples forwards and backwards, by a counter outside of the tool; of ours, the whole audit with its checks."""
    made: list[Counted] = []

    def counted(network: Network, kind: str) -> Network:
        made.append(Counted(network))
        return made[-1]

    tool.attack(task, 0, counted)
    return [sum(one.log.forwards for one in made), sum(one.log.backwards for one in made)]
