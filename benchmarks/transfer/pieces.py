"""What momentum, random sizes, smoothing and several sources add, in the setting of the papers that report it.

Dong et al., arXiv:1710.06081, section 4.1: undefended networks of several architectures, ten steps from the sample
itself, each of a tenth of the budget, momentum 1. Everything differs from plain steps by one piece, at equal passes,
and is measured on the same digits; the setting was chosen on seed 0, which is not among those that are reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from scipy.stats import t as student  # type: ignore[import-untyped]
from torch import Tensor

from auditor.engine.aims import Aims
from auditor.engine.attempt import Ring
from auditor.engine.transfer.craft import craft
from auditor.engine.transfer.ensemble import together
from auditor.engine.transfer.noise import noisy
from auditor.target.base import Target
from auditor.types import Norm, Threat
from auditor_attacks.transfer import Transfer
from benchmarks.transfer.effects import target_of
from benchmarks.transfer.strangers import ARCHITECTURES, HELD_OUT, Round, trained

EPS, STEPS, SEEDS = 0.1, 10, (1, 2, 3, 4)
PLAIN: dict[str, Any] = {"step_size": 1.0 / STEPS, "momentum": 0.0, "diversity": 0.0, "radius": 0}
ATTACKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "MI": {"momentum": 1.0},
    "DI": {"diversity": 0.5},
    "TI": {"radius": 3},
    "MI-DI": {"momentum": 1.0, "diversity": 0.5},
    "MI-DI-TI": {"momentum": 1.0, "diversity": 0.5, "radius": 3},
    "plain, long steps": {"step_size": 2.5 / STEPS},
    "MI, long steps": {"step_size": 2.5 / STEPS, "momentum": 1.0},
}
SEVERAL = "MI"
"""The attack that several sources are tried with."""

Shares = dict[tuple[str, str], float]
"""Of the digits that all networks have right, how many fall; by source and target."""


def report(cache: Path) -> Iterator[str]:
    """Tables of all seeds."""
    alone: dict[str, list[Shares]] = {name: [] for name in ATTACKS}
    floor: list[Shares] = []
    right: list[Shares] = []
    grouped: list[Shares] = []
    for seed in SEEDS:
        given = trained(seed, cache)
        targets = {name: target_of(network, name) for name, network in given.networks.items()}
        for name, measured in alone.items():
            measured.append(_alone(given, targets, name))
        floor.append(_answers("noise", noisy(_threat(), given.x, torch.arange(len(given.x)), seed), given))
        grouped.append(_grouped(given, targets))
        right.append(_answers("clean", given.x, given, torch.ones_like(given.right)))
    yield f"linf {EPS:g}, {STEPS} steps, {len(SEEDS)} seeds with {HELD_OUT} digits each; 95 % intervals over seeds.\n"
    wrong = {name: fmean(shares["clean", name] for shares in right) for name in ARCHITECTURES}
    yield f"Right without attack: {', '.join(f'{name} {1 - share:.1%}' for name, share in wrong.items())}.\n"
    yield from _by_attack(alone, floor)
    yield from _by_source(alone)
    yield from _by_target(alone, floor)
    yield from _together(alone[SEVERAL], grouped)


def _threat() -> Threat:
    return Threat(norm=Norm.LINF, eps=EPS)


def _made(source: Target, name: str, given: Round) -> Tensor:
    attack = Transfer(steps=STEPS, start="clean", neighbours=0, **(PLAIN | ATTACKS[name]))
    ring = Ring(target=source, threat=_threat(), seed=0, margin=0.0)
    return craft(ring, attack, given.x, Aims(given.y), torch.arange(len(given.x))).images


def _answers(source: str, images: Tensor, given: Round, among: Tensor | None = None) -> Shares:
    among = given.right if among is None else among
    fell = {name: network(images).argmax(1) != given.y for name, network in given.networks.items()}
    return {(source, name): float(wrong[among].float().mean()) for name, wrong in fell.items()}


def _alone(given: Round, targets: Mapping[str, Target], attack: str) -> Shares:
    shares: Shares = {}
    for name, target in targets.items():
        shares |= _answers(name, _made(target, attack, given), given)
    return shares


def _grouped(given: Round, targets: Mapping[str, Target]) -> Shares:
    """Every network attacked by way of all others together, whose logits are averaged."""
    shares: Shares = {}
    for name in targets:
        source = together([other for other in targets.values() if other.name != name], "others")
        shares["others", name] = _answers("others", _made(source, SEVERAL, given), given)["others", name]
    return shares


def _off(shares: Shares) -> float:
    return fmean(share for (source, target), share in shares.items() if source != target)


def _by_attack(alone: Mapping[str, Sequence[Shares]], floor: Sequence[Shares]) -> Iterator[str]:
    yield "| | on others | more than plain | on itself |\n| --- | ---: | ---: | ---: |"
    for name, seeds in alone.items():
        against = "plain, long steps" if name == "MI, long steps" else "plain"
        more = [_off(mine) - _off(plain) for mine, plain in zip(seeds, alone[against], strict=True)]
        itself = fmean(shares[own, own] for shares in seeds for own in ARCHITECTURES)
        said = "" if name == against else points(more)
        yield f"| {name} | {fmean(map(_off, seeds)):.1%} | {said} | {itself:.1%} |"
    yield f"| noise | {fmean(map(_off, floor)):.1%} | | |"


def _by_source(alone: Mapping[str, Sequence[Shares]]) -> Iterator[str]:
    yield f"\n| made on | {' | '.join(name for name in ATTACKS if 'long' not in name)} | MI more than plain |"
    yield f"| --- |{' ---: |' * (len(ATTACKS) - 1)}"
    for source in ARCHITECTURES:
        rows = {
            name: [fmean(share for pair, share in s.items() if pair[0] == source != pair[1]) for s in seeds]
            for name, seeds in alone.items()
            if "long" not in name
        }
        more = [mine - plain for mine, plain in zip(rows["MI"], rows["plain"], strict=True)]
        yield f"| {source} | {' | '.join(f'{fmean(row):.1%}' for row in rows.values())} | {points(more)} |"


def _by_target(alone: Mapping[str, Sequence[Shares]], floor: Sequence[Shares]) -> Iterator[str]:
    yield "\n| to | noise | plain | MI | MI more than plain |\n| --- | ---: | ---: | ---: | ---: |"
    for target in ARCHITECTURES:
        noise = fmean(shares["noise", target] for shares in floor)
        plain, momentum = ([fmean(_onto(shares, target)) for shares in alone[name]] for name in ("plain", "MI"))
        more = points([mine - other for mine, other in zip(momentum, plain, strict=True)])
        yield f"| {target} | {noise:.1%} | {fmean(plain):.1%} | {fmean(momentum):.1%} | {more} |"


def _together(alone: Sequence[Shares], grouped: Sequence[Shares]) -> Iterator[str]:
    yield f"\n| {SEVERAL}, to | mean single source | best single | the other four together | more than the best |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for target in (*ARCHITECTURES, "all"):
        which = list(ARCHITECTURES) if target == "all" else [target]
        singles = [[_onto(shares, one) for one in which] for shares in alone]
        mean = fmean(fmean(single) for seed in singles for single in seed)
        best = [fmean(max(single) for single in seed) for seed in singles]
        group = [fmean(shares["others", one] for one in which) for shares in grouped]
        more = points([a - b for a, b in zip(group, best, strict=True)])
        yield f"| {target} | {mean:.1%} | {fmean(best):.1%} | {fmean(group):.1%} | {more} |"


def _onto(shares: Shares, target: str) -> list[float]:
    return [share for (source, to), share in shares.items() if source != target == to]


def points(differences: Sequence[float]) -> str:
    """The mean of differences of shares with its 95 % interval, in points."""
    mean = 100.0 * fmean(differences)
    reach = 100.0 * stdev(differences) / len(differences) ** 0.5 * float(student.ppf(0.975, len(differences) - 1))
    return f"{mean:+.1f} ({mean - reach:+.1f} to {mean + reach:+.1f})"
