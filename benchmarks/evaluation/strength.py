"""Robust accuracy, passes and time: our suites against AutoAttack, on the networks of `benchmarks.networks`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from auditor.target.base import Network
from benchmarks.evaluation import modules, ours, peers
from benchmarks.evaluation.cells import Cell
from benchmarks.evaluation.counting import Clock, Counted, Log
from benchmarks.evaluation.problems import BATCH, differentiable, judge, problem
from benchmarks.networks import NETWORKS

SAMPLES = {"mnist": 500, "color": 200}
ART_SAMPLES = {"mnist": 100, "color": 40}
OURS, MODULE = "auditor", "auditor, module"
STANDARD = f"{OURS} standard"
PEERS = {
    "torchattacks, 100 steps": partial(peers.autoattack, 100),
    "torchattacks, 10 steps": partial(peers.autoattack, 10),
    "ART": partial(peers.art_autoattack, BATCH),
}
TOOLS = (OURS, MODULE, *PEERS)
REFERENCE = "torchattacks, 100 steps"


def cells(networks: list[str], tools: list[str], samples: int | None, suite: str) -> dict[str, Cell]:
    """By key `strength/<network>/<tool>/<samples>`."""
    found: dict[str, Cell] = {}
    for tool in tools:
        for name in networks:
            data = NETWORKS[name].data
            n = samples or (ART_SAMPLES if tool == "ART" else SAMPLES)[data]
            if tool == OURS:
                found[f"strength/{name}/{OURS} {suite}/{n}"] = partial(_ours, name, n, suite)
            elif tool == MODULE and not NETWORKS[name].quantised:
                found[f"strength/{name}/{OURS} {suite}, module/{n}"] = partial(_ours, name, n, suite, module=True)
            elif tool == MODULE:
                continue
            else:
                found[f"strength/{name}/{tool}/{n}"] = partial(_peer, name, n, tool)
    return found


def count_cells(networks: list[str], samples: int | None, suite: str) -> dict[str, Cell]:
    """Our own count of passes against a counter outside of the engine, by key `count/<network>/<suite>/<samples>`."""
    return {f"count/{name}/{suite}/{samples or 50}": partial(_counted, name, samples or 50, suite) for name in networks}


def _peer(name: str, n: int, tool: str) -> dict[str, Any]:
    attack, task = PEERS[tool](), problem(name, n)
    network = Counted(differentiable(name))
    np.random.seed(0)
    found, cpu, wall = [], 0.0, 0.0
    for x, y in zip(torch.split(task.x, BATCH), torch.split(task.y, BATCH), strict=True):
        with Clock() as clock:
            found.append(attack(network, x, y, task.eps).detach().float())
        cpu, wall = cpu + clock.cpu, wall + clock.wall
    forwards, backwards = network.log.forwards, network.log.backwards
    candidates = torch.cat(found)
    verdict = judge(task, candidates)
    with torch.no_grad():
        believed = int((network(candidates).argmax(1) != task.y).sum())
    return {
        "places": task.places,
        "fell": verdict.fell.int().tolist(),
        "outside": verdict.outside,
        "believed": believed,
        "forwards": forwards,
        "backwards": backwards,
        "cpu": cpu,
        "wall": wall,
        "versions": peers.versions(),
    }


def _ours(name: str, n: int, suite: str, *, module: bool = False) -> dict[str, Any]:
    task = problem(name, n)
    if module:
        task = replace(task, source=modules.source(f"stored_{name.replace('-', '_')}"))
    ours.audit(task.select(torch.arange(8)), suite="quick")  # imports on the way are in nobody's time
    audit = ours.audit(task, suite=suite)
    verdict = judge(task, audit.candidates)
    return {
        "places": task.places,
        "fell": verdict.fell.int().tolist(),
        "outside": verdict.outside,
        "believed": audit.believed,
        **audit.costs(),
    }


def _counted(name: str, n: int, suite: str) -> dict[str, Any]:
    log = Log()
    audit = ours.audit(problem(name, n), suite=suite, wrapper=partial(_wrapped, log), log=log)
    return audit.costs()


def _wrapped(log: Log, network: Network, name: str) -> Network:
    return Counted(network, log, name)
