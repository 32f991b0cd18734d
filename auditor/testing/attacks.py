"""Questions for attacks: what the engine relies on, whatever the model."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import OutOfTime, View
from auditor.norms import distance, tolerance
from auditor.rng import Rng
from auditor.target.base import Target
from auditor.testing.kit import Question, demand, demand_documented, demand_untouched, global_state
from auditor.testing.oracles import Linear, Outcome, run, target_of
from auditor.types import Access, Norm, Threat
from auditor.universal import UniversalAttack

EPS = {Norm.LINF: 0.1, Norm.L2: 0.6, Norm.L1: 2.0, Norm.L0: 4.0}
"""Budgets within which the little networks below are fooled; other threats are not norm balls, and not asked about."""

# How many times the smallest change that fools a linear model an attack may need, by what it sees of the model.
_REACH = {Access.GRADIENTS: 1.5, Access.SCORES: 4.0, Access.LABELS: 4.0}
_SHAPES = ((1, 6, 6), (3, 4, 7), (1, 1, 1))
_FLAT = ((13,), (2, 9))


def attack_questions(attack: Attack) -> Iterator[Question]:
    """Those that fit its norms and its access."""
    ask = partial(Question, attack.label)
    yield ask("it says what it does, what each parameter is for, and where it was published", partial(_said, attack))
    for norm in (norm for norm in EPS if norm in attack.norms):
        for sentence, behaviour in _BEHAVIOURS.items():
            yield ask(f"{norm}: {sentence}", partial(behaviour, attack, norm))
        # What serves samples of all classes at once does not exist on a linear model.
        if not attack.minimal and attack.access in _REACH and not isinstance(attack, UniversalAttack):
            yield ask(f"{norm}: it fools a linear model not far beyond its border", partial(_linear, attack, norm))
        if torch.accelerator.is_available():
            yield ask(
                f"{norm}: it works where the model is, not on the CPU alone", partial(_on_accelerator, attack, norm)
            )
        if attack.minimal:
            yield ask(f"{norm}: it finds a change of every sample of a linear model", partial(_smallest, attack, norm))


def network(shape: tuple[int, ...], num_classes: int, seed: int = 0) -> nn.Module:
    """A smooth little network that is easy to fool."""
    generator = torch.Generator().manual_seed(seed)
    entries = int(torch.tensor(shape).prod())
    model = nn.Sequential(nn.Flatten(), nn.Linear(entries, 16), nn.Tanh(), nn.Linear(16, num_classes)).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.7
    return model.requires_grad_(False)


def samples(model: nn.Module, shape: tuple[int, ...], n: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Samples, many of them at corners of the box, where clipping matters; with the labels that the model gives."""
    x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))
    x = torch.where(x < 0.2, 0.0, torch.where(x > 0.8, 1.0, x))
    return x, model(x).argmax(1)


def _said(attack: Attack) -> None:
    demand_documented(attack, "Finds:", "Blind to:", "Cost:")
    demand(attack.norms, "it names no norm")


def _keeps_to_threat(attack: Attack, norm: Norm) -> None:
    for shape in (*_SHAPES, *(() if attack.images_only else _FLAT)):
        for scale in (0.05, 1.0, 5.0):
            model = network(shape, 3)
            x, y = samples(model, shape, 3)
            threat = Threat(norm=norm, eps=EPS[norm] * scale)
            for points in _points(run(attack, target_of(model, 3), x, y, threat)):
                demand(points.shape == x.shape, f"shape {tuple(points.shape)} for samples of {tuple(x.shape)}")
                demand(points.dtype == torch.float32, f"{points.dtype} in place of float32")
                demand(points.min() >= 0.0 and points.max() <= 1.0, "pixels outside of [0, 1]")
                far = float(distance(points, x, norm).max())
                demand(
                    far <= threat.eps + tolerance(norm, threat.eps), f"distance {far:.4g} within eps {threat.eps:.4g}"
                )


def _points(outcome: Outcome) -> Iterator[Tensor]:
    yield outcome.best
    if outcome.candidates is not None:
        yield outcome.candidates


def _alone_as_in_company(attack: Attack, norm: Norm) -> None:
    # Sums in float64 leave rounding no room to tell batch sizes apart.
    model, exact = network((1, 6, 6), 5), network((1, 6, 6), 5).double()
    target = target_of(lambda x: exact(x.double()), 5)
    x, y = samples(model, (1, 6, 6), 9)
    threat = Threat(norm=norm, eps=EPS[norm] / 2)
    attack = _taught(attack, target, x, y, threat)
    whole = run(attack, target, x, y, threat)
    for rows in (torch.arange(9).flip(0), torch.tensor([4]), torch.tensor([7, 0, 3])):
        part = run(attack, target, x[rows], y[rows], threat, indices=rows)
        demand(torch.equal(part.found, whole.found[rows]), f"among samples {rows.tolist()} others fall than among all")
        kept = part.found
        demand(torch.allclose(part.best[kept], whole.best[rows][kept], atol=1e-6), "examples depend on the company")


def _taught(attack: Attack, target: Target, x: Tensor, y: Tensor, threat: Threat) -> Attack:
    """With the pattern that it learns from these samples, as the engine sets it, where it is one that learns."""
    if not isinstance(attack, UniversalAttack):
        return attack
    ledger = Ledger.open(x, y, threat, target.num_classes, margin=0.0, deadline=math.inf)
    view, rng = View(target, ledger, attack.access).unending(), Rng.keyed(0, attack.label, torch.arange(len(x)))
    return dataclasses.replace(attack, pattern=attack.learn(view, x, y, threat, rng))


def _same_again(attack: Attack, norm: Norm) -> None:
    model = network((1, 6, 6), 4)
    x, y = samples(model, (1, 6, 6), 5)
    threat = Threat(norm=norm, eps=EPS[norm] / 2)
    first, second = (run(attack, target_of(model, 4), x, y, threat, seed=3) for _ in range(2))
    same = torch.equal(first.best, second.best)
    if first.candidates is not None and second.candidates is not None:
        same = same and torch.equal(first.candidates, second.candidates)
    demand(same, "one seed gave two results: take random numbers from `rng` alone")


def _leaves_things_alone(attack: Attack, norm: Norm) -> None:
    model = network((3, 5, 5), 4)
    x, y = samples(model, (3, 5, 5), 4)
    before = x.clone(), y.clone(), [p.clone() for p in model.parameters()]
    state = global_state()
    run(attack, target_of(model, 4), x, y, Threat(norm=norm, eps=EPS[norm]))
    demand(torch.equal(x, before[0]) and torch.equal(y, before[1]), "it changed the samples or labels in place")
    same = all(torch.equal(p, q) for p, q in zip(model.parameters(), before[2], strict=True))
    demand(same and all(p.grad is None for p in model.parameters()), "it changed the model, or left gradients in it")
    demand_untouched(state)


def _on_accelerator(attack: Attack, norm: Norm) -> None:
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    model = network((1, 6, 6), 4)
    x, y = samples(model, (1, 6, 6), 4)
    target = target_of(model.to(device), 4, str(device))
    # Within nothing all stand, so that an attack comes to its end; within much they fall.
    for scale in (1e-6, 4.0):
        threat = Threat(norm=norm, eps=scale * EPS[norm])
        outcome = run(attack, target, x.to(device), y.to(device), threat, indices=torch.arange(4, device=device))
        for points in _points(outcome):
            demand(points.device.type == device.type, f"on {device} it returns points on {points.device}")
        wrong = model(outcome.best).argmax(1).cpu() != y
        demand(torch.equal(wrong, outcome.found.cpu()), f"on {device}, what was found fools nobody")


def _any_number_of_classes(attack: Attack, norm: Norm) -> None:
    shape = (1, 3, 4) if attack.images_only else (12,)
    for num_classes, n in ((2, 6), (3, 6), (1000, 1)):
        if attack.unfit(num_classes):
            continue
        model = network(shape, num_classes)
        x, y = samples(model, shape, n)
        outcome = run(attack, target_of(model, num_classes), x, y, Threat(norm=norm, eps=4.0 * EPS[norm]))
        wrong = model(outcome.best).argmax(1) != y
        demand(torch.equal(wrong, outcome.found), f"with {num_classes} classes, what was found fools nobody")


def _nan_is_nothing_found(attack: Attack, norm: Norm) -> None:
    target = target_of(lambda x: x.flatten(1)[:, :5] * torch.nan, 5)
    x, y = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2])
    found = run(attack, target, x, y, Threat(norm=norm, eps=EPS[norm])).found
    demand(not found.any(), "answers of NaN were taken for success")


def _truthful_cost(attack: Attack, norm: Norm) -> None:
    forecast = attack.passes(5)
    if forecast is None:
        return  # An attack need not know.
    model = network((1, 6, 6), 5)
    x, y = samples(model, (1, 6, 6), 4)
    target, threat = target_of(model, 5), Threat(norm=norm, eps=1e-6)
    spent = run(_taught(attack, target, x, y, threat), target, x, y, threat)
    for name, used, said in (
        ("forward", spent.forwards, forecast.forwards),
        ("backward", spent.backwards, forecast.backwards),
    ):
        demand(used <= 4 * said, f"{used / 4:g} {name} passes a sample, and `passes` says {said}")


def _stops_in_time(attack: Attack, norm: Norm) -> None:
    model = network((1, 6, 6), 4)
    x, y = samples(model, (1, 6, 6), 3)
    threat = Threat(norm=norm, eps=1e-6)
    ledger = Ledger.open(x, y, threat, 4, margin=0.0, deadline=time.monotonic() - 1.0)
    view = View(target_of(model, 4), ledger, attack.access)
    try:
        attack.perturb(view, x, y, threat, Rng.keyed(0, attack.label, torch.arange(3)))
    except OutOfTime:
        return
    demand(ledger.forwards == 0, "time was up and it went on: let auditor.engine.view.OutOfTime pass")


def _blind_where_it_says(attack: Attack, norm: Norm) -> None:
    """An attack without gradients works on a model that has none."""
    if attack.access is Access.GRADIENTS:
        return
    model = network((1, 6, 6), 4)
    x, y = samples(model, (1, 6, 6), 3)
    run(attack, _without_gradients(target_of(model, 4)), x, y, Threat(norm=norm, eps=EPS[norm]))


def _without_gradients(target: Target) -> Target:
    return dataclasses.replace(target, twin=None, gradients="none")


def _linear(attack: Attack, norm: Norm) -> None:
    shape, reach = ((1, 4, 4) if attack.images_only else (16,)), _REACH[attack.access]
    model = Linear.draw(shape, 2, 8, norm)
    found = run(attack, model.target, model.x, model.y, Threat(norm=norm, eps=reach * model.eps)).found
    demand(found.any(), f"at {reach} times the distance to the border it fools none of 8 samples")
    short = run(attack, model.target, model.x, model.y, Threat(norm=norm, eps=0.95 * model.eps)).found
    demand(not short.any(), "it reports success nearer than the border lies")


def _smallest(attack: Attack, norm: Norm) -> None:
    shape = (1, 4, 4) if attack.images_only else (16,)
    model = Linear.draw(shape, 2, 3, norm)
    outcome = _without_budget(attack, model, norm)
    if norm is Norm.L0:
        # One that by its parameters tries so many pixels and no more is asked where one is enough.
        _demand_all(_without_budget(attack, Linear.draw(shape, 2, 3, norm, away=0.0), norm))
    else:
        _demand_all(outcome)
    nearest = distance(outcome.best, model.x, norm).where(outcome.found, torch.inf).min()
    demand(nearest > 0.999 * model.eps, f"a change of {nearest:.4g}, where none below {model.eps:.4g} is enough")


def _without_budget(attack: Attack, model: Linear, norm: Norm) -> Outcome:
    return run(attack, model.target, model.x, model.y, Threat(norm=norm, eps=math.inf))


def _demand_all(outcome: Outcome) -> None:
    demand(outcome.found.all(), f"without a budget it fools {int(outcome.found.sum())} of {len(outcome.found)} samples")


_BEHAVIOURS: dict[str, Callable[[Attack, Norm], None]] = {
    "what it returns keeps to the budget, the pixels' range and the samples' shape": _keeps_to_threat,
    "neither batch size nor order changes what it finds": _alone_as_in_company,
    "the same seed gives the same result": _same_again,
    "samples, model, random state and threads stay as they were": _leaves_things_alone,
    "two, three and a thousand classes are attacked alike": _any_number_of_classes,
    "answers of NaN are no success": _nan_is_nothing_found,
    "its forecast of passes is not exceeded": _truthful_cost,
    "it ends when time is up": _stops_in_time,
    "it needs no gradients if it says so": _blind_where_it_says,
}
