"""Questions for defenses: what the trainer relies on of recipes and additions, and the engine of wrappers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.defense import Addition, Defense, Recipe, Wrapper
from auditor.harden.trainee import Trainee
from auditor.rng import Rng
from auditor.target.wrapped import Wrapped
from auditor.testing.kit import Question, demand, demand_documented
from auditor.types import Norm, Threat

EPS = {Norm.LINF: 0.15, Norm.L2: 0.8, Norm.L1: 3.0}
_UPDATES = 4


def defense_questions(defense: Defense) -> Iterator[Question]:
    """Those that fit its kind, and a recipe's norms."""
    ask = partial(Question, defense.name)
    says = partial(demand_documented, defense, "Helps:", "Blind to:", "Cost:")
    yield ask("it says what it helps, what it misses, what it costs, and what each parameter is", says)
    if isinstance(defense, Recipe):
        for norm in (norm for norm in EPS if norm in defense.norms):
            for sentence, behaviour in _OF_RECIPES.items():
                yield ask(f"{norm}: {sentence}", partial(behaviour, defense, norm))
    if isinstance(defense, Addition):
        yield ask("on top of plain training it leaves weights finite, and as many", partial(_goes_on_top, defense))
    if isinstance(defense, Wrapper):
        for sentence, wrapped in _OF_WRAPPERS.items():
            yield ask(sentence, partial(wrapped, defense))


class _Plain(Recipe):
    """Ordinary training, for additions to go on top of."""

    name = "plain"

    def perturb(self, trainee: Trainee, x: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return x

    def loss(self, trainee: Trainee, x: Tensor, adversarial: Tensor, y: Tensor, threat: Threat, rng: Rng) -> Tensor:
        return trainee.cross_entropy(trainee(adversarial), y)


def trainee_of(shape: tuple[int, ...], num_classes: int) -> Trainee:
    """A little network with batch normalisation, always the same."""
    entries, generator = int(torch.tensor(shape).prod()), torch.Generator().manual_seed(0)
    layers = [nn.Linear(entries, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, num_classes)]
    module = nn.Sequential(nn.Flatten(), *layers)
    for weight in module.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.5
    trainee = Trainee(module, module, dict(module.named_parameters()))
    trainee.num_classes = num_classes
    return trainee


def _batch(shape: tuple[int, ...], num_classes: int, n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, *shape, generator=generator), torch.randint(num_classes, (n,), generator=generator)


def _train(
    recipe: Recipe, trainee: Trainee, x: Tensor, y: Tensor, threat: Threat, addition: Addition | None = None
) -> None:
    """A few updates in the order that the contract states."""
    trainee.samples, trainee.lr, trainee.steps = len(x), 0.01, _UPDATES
    trainee.indices = torch.arange(len(x))
    optimiser = torch.optim.SGD(trainee.weights.values(), lr=0.01)
    for _ in range(_UPDATES):
        trainee.generator.manual_seed(trainee.step)
        rng = Rng.keyed(trainee.step, recipe.name, trainee.indices)
        found = recipe.perturb(trainee, x, y, threat, rng)
        loss = partial(_mean_loss, recipe, trainee, x, found, y, threat, rng)
        with addition.around(trainee, loss) if addition else nullcontext():
            optimiser.zero_grad()
            loss().backward()  # type: ignore[no-untyped-call]
        recipe.after_backward(trainee, x, found, y, threat, rng)
        optimiser.step()
        trainee.step += 1


def _mean_loss(
    recipe: Recipe, trainee: Trainee, x: Tensor, found: Tensor, y: Tensor, threat: Threat, rng: Rng
) -> Tensor:
    return recipe.loss(trainee, x, found, y, threat, rng).mean()


def _weights(trainee: Trainee) -> list[Tensor]:
    return [value.detach().clone() for value in trainee.module.state_dict().values()]


def _same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def _any_shape(recipe: Recipe, norm: Norm) -> None:
    for shape, num_classes in (((3, 5, 4), 4), ((7,), 2)):
        trainee, (x, y) = trainee_of(shape, num_classes), _batch(shape, num_classes, 6)
        before = _weights(trainee)
        _train(recipe, trainee, x, y, Threat(norm=norm, eps=EPS[norm]))
        after = _weights(trainee)
        demand(not _same(before, after), f"nothing was learned from samples of shape {shape}")
        demand(
            all(weight.isfinite().all() for weight in after), f"weights that are not finite, on {num_classes} classes"
        )


def _leaves_things_alone(recipe: Recipe, norm: Norm) -> None:
    trainee, (x, y) = trainee_of((6,), 3), _batch((6,), 3, 8)
    before, state, weights = x.clone(), torch.get_rng_state(), _weights(trainee)
    trainee.samples, trainee.lr, trainee.steps, trainee.indices = 8, 0.01, 1, torch.arange(8)
    found = recipe.perturb(trainee, x, y, Threat(norm=norm, eps=EPS[norm]), Rng.keyed(0, "kit", torch.arange(8)))
    demand(found.shape == x.shape, f"examples of shape {tuple(found.shape)} for samples of {tuple(x.shape)}")
    demand(torch.equal(x, before), "it changed the samples in place")
    demand(_same(weights, _weights(trainee)), "looking for examples moved weights or statistics")
    demand(
        all(weight.grad is None for weight in trainee.weights.values()), "looking for examples left gradients behind"
    )
    demand(torch.equal(torch.get_rng_state(), state), "it drew from torch's global random state")


def _same_again(recipe: Recipe, norm: Norm) -> None:
    x, y = _batch((6,), 3, 12)
    trained = []
    for _ in range(2):
        trainee = trainee_of((6,), 3)
        _train(recipe, trainee, x, y, Threat(norm=norm, eps=EPS[norm]))
        trained.append(_weights(trainee))
    demand(_same(*trained), "one seed gave two models: take random numbers from `rng` and `trainee.generator` alone")


def _remembers_tensors(recipe: Recipe, norm: Norm) -> None:
    trainee, (x, y) = trainee_of((6,), 3), _batch((6,), 3, 12)
    _train(recipe, trainee, x, y, Threat(norm=norm, eps=EPS[norm]))
    held = trainee.memory.values()
    demand(
        all(isinstance(value, Tensor) and not value.requires_grad for value in held), "memory holds more than tensors"
    )


def _goes_on_top(addition: Addition) -> None:
    trainee, (x, y) = trainee_of((6,), 3), _batch((6,), 3, 12)
    names = set(trainee.weights)
    _train(_Plain(), trainee, x, y, Threat(norm=Norm.LINF, eps=0.1), addition)
    demand(set(trainee.weights) == names, "it added or removed weights")
    demand(all(weight.isfinite().all() for weight in _weights(trainee)), "weights that are not finite")


def _images(*shape: int) -> Tensor:
    drawn = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    return functional.avg_pool2d(drawn, 3, 1, 1) if len(shape) == 4 else drawn


def _keeps_shape(wrapper: Wrapper) -> None:
    for shape in ((3, 1, 12, 12), (2, 3, 9, 8), (4, 30)):
        if wrapper.unfit(shape[1:]):
            continue
        x = _images(*shape)
        before = x.clone()
        made = Wrapped((wrapper,))(x)
        demand(torch.equal(x, before), "it changed the samples in place")
        demand(made.shape == x.shape, f"shape {tuple(made.shape)} for samples of {tuple(x.shape)}")
        demand(made.dtype == x.dtype, f"{made.dtype} in place of {x.dtype}")
        demand(made.isfinite().all(), "values that are not finite")


def _alone_as_in_company(wrapper: Wrapper) -> None:
    if wrapper.random:
        return
    x = _images(5, 1, 12, 12) if not wrapper.unfit((1, 12, 12)) else _images(5, 30)
    whole = wrapper.apply(x)
    demand(torch.equal(whole, wrapper.apply(x)), "two answers for one sample: say `random = True`")
    demand(torch.allclose(wrapper.apply(x[3:4]), whole[3:4], atol=1e-6), "samples depend on their company")


def _can_be_followed(wrapper: Wrapper) -> None:
    x = (_images(3, 1, 12, 12) if not wrapper.unfit((1, 12, 12)) else _images(3, 30)).requires_grad_()
    (gradient,) = torch.autograd.grad(Wrapped((wrapper,))(x).square().sum(), x)
    demand(gradient.isfinite().all(), "gradients that are not finite")
    flat = gradient.flatten(1).abs().amax(1) == 0
    demand(not flat.any(), "no gradient passes: write `stand_in`, or say `differentiable` only where that is true")


_OF_RECIPES = {
    "samples of any shape are learned from, and two classes": _any_shape,
    "looking for examples changes neither samples, weights nor random state": _leaves_things_alone,
    "the same seed trains the same model": _same_again,
    "what it remembers can be written to a checkpoint": _remembers_tensors,
}
_OF_WRAPPERS = {
    "samples keep shape and type, and stay as they were": _keeps_shape,
    "a sample is treated alike in any batch, unless it is said to be random": _alone_as_in_company,
    "attacks can follow gradients past it": _can_be_followed,
}
