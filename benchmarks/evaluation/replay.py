"""Bare passes: the forward and backward passes that an attack made, without the attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import product
from typing import get_args

import torch
from torch import Tensor

from auditor.plugins import load_plugins
from auditor.target.base import ModelOptions, Network, Target
from auditor.target.binding import bind_to
from auditor.target.forms import Form, Numbers
from auditor.target.stems import Stems
from benchmarks.evaluation import ours
from benchmarks.evaluation.counting import Clock, Counted, Log, Pass
from benchmarks.evaluation.problems import Problem

Step = Callable[[], object]


def recorded(task: Problem, attack: Sequence[str], suite: str = "standard") -> tuple[list[Pass], ours.Audited]:
    """The passes of an audit's attacks, with rows, precision and layout, and the audit, slowed down by counting."""
    log = Log()

    def wrapped(network: Network, name: str) -> Network:
        return Counted(network, log, name)

    audited = ours.audit(task, attack=attack, suite=suite, wrapper=wrapped, log=log)
    return log.passes[: audited.marks.passes], audited


def bare(task: Problem) -> Target:
    """The model loaded as an audit loads it, with nothing around it."""
    target = load_plugins().load_model(task.source, ModelOptions(trust=True), torch.device("cpu"))
    bind_to(target, task.x)
    return target


def replay(target: Target, passes: Sequence[Pass], sample: Tensor) -> Clock:
    """The time that the recorded passes take through the bare network; inputs and networks are made before."""
    made: dict[tuple[object, ...], Step] = {}
    steps = []
    for one in passes:
        key = (one.network, one.rows, one.dtype, one.channels_last, one.autocast, one.backward)
        if key not in made:
            made[key] = _step(target, one, sample)
        steps.append(made[key])
    for step in made.values():
        step()
    with target.frozen(), Clock() as clock:
        for step in steps:
            step()
    return clock


def _network(target: Target, name: str) -> Network:
    """What was recorded under this name, made as the engine makes it."""
    found = target.twin if name == "twin" else target.deployed
    if name.startswith(ours.SEARCH) and target.remade is not None:
        for numbers, last, folded in product(get_args(Numbers), (False, True), (False, True)):
            form = Form(numbers=numbers, channels_last=last, folded=folded)
            if name == ours.SEARCH + form.describe():
                return target.remade(form)
    assert found is not None  # it was recorded
    return found


def _step(target: Target, one: Pass, sample: Tensor) -> Step:
    run = _network(target, one.network)
    x = torch.rand(one.rows, *sample.shape[-3:]).to(one.dtype)
    x = x.to(memory_format=torch.channels_last) if one.channels_last else x

    def cast() -> torch.autocast | nullcontext[None]:
        return torch.autocast("cpu", one.autocast) if one.autocast else nullcontext()

    def forward() -> None:
        with torch.no_grad(), cast():
            run(x)

    def backward() -> None:
        leaf = x.detach().requires_grad_(True)
        # As the engine takes them, or its faster gradients would hide what it adds.
        with cast(), Stems():
            answer = run(leaf)
        torch.autograd.grad(answer.sum(), leaf)

    return backward if one.backward else forward
