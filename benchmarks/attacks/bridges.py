"""Every attack that a bridge offers, run once with few steps on a small network: what works, and what does not."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from auditor.attack import Attack
from auditor.parameters import parameters_of
from auditor.types import Norm
from auditor_attacks._bridges import LIBRARIES, find
from benchmarks.attacks.common import Cell, ours, problem

EPS = {Norm.LINF: 0.15, Norm.L2: 2.0, Norm.L1: 15.0, Norm.L0: 60.0}
# As little of each attack as shows whether it runs.
_FEW = {
    **dict.fromkeys(
        ("steps", "n_iter", "max_iter", "max_iterations", "num_steps", "iter", "nb_iter", "num_iter_set"), 10
    ),
    **dict.fromkeys(("binary_search_steps", "search_iter", "nb_random_init", "nb_restarts", "n_restarts"), 1),
    **dict.fromkeys(("n_queries", "query_limit", "repeats", "directions"), 50),
    **dict.fromkeys(("num_trial", "init_size", "init_eval", "initial_gradient_eval_steps", "nb_parallel"), 10),
    **dict.fromkeys(("max_gradient_eval_steps", "max_eval", "k", "nb_sample"), 20),
}


def cells(network: tuple[str, ...] = ("mnist-plain",), samples: int = 4) -> Iterator[Cell]:
    for name in network:
        for library in LIBRARIES:
            for attack in importlib.import_module(f"auditor_attacks._bridges.{library}").names():
                cls = find(f"{library}:{attack}")
                assert cls is not None
                few = {item.name: _FEW[item.name] for item in parameters_of(cls) if item.name in _FEW}
                made = _as_told(cls(), few)
                for norm in sorted(cls.norms):
                    yield Cell(problem(name, norm, samples, EPS[norm]), library, attack, ours(made), few)


def _as_told(attack: Attack, few: dict[str, Any]) -> Attack:
    return replace(attack, **few)
