"""Attacks that look for the smallest change, in four norms: each of ours and of the peers', and the suites of ours."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.types import Norm
from benchmarks.attacks._minimal_peers import PEERS
from benchmarks.attacks.common import Cell, problem

NETWORKS = ("mnist-plain", "mnist-pgd", "mnist-trades", "color-plain", "color-pgd")


def cells(network: tuple[str, ...] = NETWORKS, samples: int = 50) -> Iterator[Cell]:
    for name in network:
        for norm in (Norm.L2, Norm.LINF, Norm.L1, Norm.L0):
            task = problem(name, norm, samples)
            for peer in PEERS[norm]:
                yield Cell(task, peer.tool, peer.attack, peer.search, peer.parameters)
