"""A whole study: from labelled samples to its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from auditor.engine.environment import environment
from auditor.errors import DataError
from auditor.result.statistics import wilson
from auditor.study.transfer import measuring, paper
from auditor.study.transfer.networks import ARCHITECTURES, DEPTHS, HALVES, Recipe
from auditor.study.transfer.record import Experiment, Figure, Network, Noise, Study, Travel
from auditor.study.transfer.training import BATCH, steps, trained

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.samples.base import Samples
    from auditor.types import Images, Labels

MAGNIFIED = 0.1
"""Root mean square to which the paper draws its changes out."""
DEVIATIONS = (0.1, 0.3)
"""Standard deviations of the noise in the paper's table 2."""
_HELD_OUT = 3
"""One of so many samples is held out."""
_LEAST = 60
_SEARCHES, _STEPS = 12, 20
"""Of L-BFGS: half as many again change the mean size in the third digit."""
_FEW = 3
"""Steps from which the time is forecast."""

_TITLES = {
    "architectures": "Different architectures",
    "halves": "Disjoint halves of the training data",
    "depths": "Different depths",
}
_PAPER: Mapping[str, tuple[paper.Rates, paper.Rates]] = {
    "architectures": (paper.ARCHITECTURES, {}),
    "halves": (paper.HALVES, paper.HALVES_MAGNIFIED),
    "depths": ({}, {}),
}


@dataclass(frozen=True)
class Data:
    """Labelled samples, split: two thirds to train on, in two halves, and a third held out."""

    samples: Samples
    parts: Mapping[str, tuple[Images, Labels]]
    held: measuring.Held
    """The held-out samples that are attacked."""
    test: tuple[Images, Labels]

    @classmethod
    def split(cls, samples: Samples, attacked: int, seed: int) -> Data:
        """Raises DataError where there are too few samples, or only one class."""
        classes = int(samples.labels.max()) + 1 if len(samples) else 0
        if len(samples) < _LEAST or classes < 2:
            raise DataError(
                f"{samples.source} holds {len(samples)} samples of {classes} classes; a study needs {_LEAST} of two or "
                "more, to train on two halves and to hold a third out."
            )
        where = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed)).tolist()
        x, y = samples.fetch(where), samples.labels[where]
        held = len(where) // _HELD_OUT
        half = held + (len(where) - held) // 2
        parts = {"all": slice(held, None), "P1": slice(held, half), "P2": slice(half, None)}
        return cls(
            samples,
            {name: (x[rows], y[rows]) for name, rows in parts.items()},
            measuring.Held(x[: min(held, attacked)], y[: min(held, attacked)], classes),
            (x[:held], y[:held]),
        )


@dataclass
class Running:
    """The experiments of a study on some data; `make` makes the attack, which looks for the smallest change."""

    data: Data
    make: Callable[..., Attack]
    seed: int = 0
    confidence: float = 0.95
    on_network: Callable[[str], None] = lambda name: None
    on_step: Callable[[], None] = lambda: None
    attack: Attack = field(init=False)
    chosen: Mapping[str, Sequence[Recipe]] = field(init=False)
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.attack = self.make(searches=_SEARCHES, steps=_STEPS)
        self.chosen = {"architectures": ARCHITECTURES, "halves": HALVES, "depths": DEPTHS}
        if len(self.data.samples.shape) != 3:
            self.chosen = {name: recipes for name, recipes in self.chosen.items() if name != "depths"}
            self.left_out = ("Different depths: convolutions need images.",)

    @property
    def total(self) -> int:
        """Steps of training, and questions to networks, there are to come: about."""
        cost = self.attack.passes(self.data.held.classes)
        asked = cost.forwards if cost else 1
        return sum(steps(recipe) + asked for recipes in self.chosen.values() for recipe in recipes)

    @property
    def networks(self) -> int:
        """How many networks are trained and attacked."""
        return sum(map(len, self.chosen.values()))

    def forecast(self) -> float:
        """Seconds that the study will take here, from a few steps of each network: about."""
        cost = self.attack.passes(self.data.held.classes)
        asked, held = cost.forwards if cost else 1, self.data.held
        spent = 0.0
        for recipes in self.chosen.values():
            for recipe in recipes:
                x, y = (part[:BATCH] for part in self.data.parts[recipe.data])
                few = replace(recipe, steps=_FEW)
                if not spent:
                    trained(few, x, y, held.classes, 0, lambda: None)  # What is done once is done here.
                started = time.perf_counter()
                network = trained(few, x, y, held.classes, 0, lambda: None)
                spent += (time.perf_counter() - started) / _FEW * recipe.steps
                started = time.perf_counter()
                measuring.made_on(recipe.name, network, held, self.make(searches=1, steps=_FEW), 0)
                spent += (time.perf_counter() - started) / _FEW * asked
        return spent

    def execute(self) -> Study:
        """Train, attack, try; nothing is written."""
        started = time.monotonic()
        experiments = tuple(self._experiment(name, recipes) for name, recipes in self.chosen.items())
        samples = self.data.samples
        return Study(
            source=samples.source,
            sha256=samples.sha256,
            shape=samples.shape,
            classes=self.data.held.classes,
            trained=len(self.data.parts["all"][1]),
            held_out=len(self.data.test[1]),
            attacked=len(self.data.held.y),
            seed=self.seed,
            confidence=self.confidence,
            experiments=experiments,
            left_out=self.left_out,
            environment=environment(torch.device("cpu")),
            seconds=time.monotonic() - started,
        )

    def _experiment(self, name: str, recipes: Sequence[Recipe]) -> Experiment:
        networks: dict[str, nn.Module] = {}
        made: dict[str, measuring.Made] = {}
        for recipe in recipes:
            self.on_network(f"{_TITLES[name].lower()}: {recipe.name}")
            x, y = self.data.parts[recipe.data]
            network = trained(recipe, x, y, self.data.held.classes, self.seed, self.on_step)
            networks[recipe.name] = network
            made[recipe.name] = measuring.made_on(
                recipe.name, network, self.data.held, self.attack, self.seed, self.on_step
            )
        large = {key: measuring.magnified(each, self.data.held, MAGNIFIED) for key, each in made.items()}
        smallest, larger = _PAPER[name] if self.data.held.classes == 10 else ({}, {})
        return Experiment(
            name=name,  # type: ignore[arg-type]
            title=_TITLES[name],
            networks=tuple(self._network(name, recipe, networks[recipe.name], made[recipe.name]) for recipe in recipes),
            travels=(
                self._travel("The smallest changes", made, networks, smallest),
                self._travel(f"The same changes, magnified to {MAGNIFIED:g}", large, networks, larger),
            ),
            noise=tuple(self._noise(name, networks, deviation) for deviation in DEVIATIONS),
        )

    def _noise(self, experiment: str, networks: Mapping[str, nn.Module], deviation: float) -> Noise:
        known = experiment == "architectures" and self.data.held.classes == 10
        rates = paper.NOISE[deviation] if known else {}
        return measuring.plain_noise(networks, self.data.held, deviation, self.seed, self.confidence, rates)

    def _network(self, experiment: str, recipe: Recipe, network: nn.Module, made: measuring.Made) -> Network:
        known = experiment == "architectures" and self.data.held.classes == 10
        train, test = paper.ERRORS[recipe.name] if known else (None, None)
        return Network(
            name=recipe.name,
            text=recipe.text,
            data=recipe.data,  # type: ignore[arg-type]
            train_error=self._error(network, self.data.parts[recipe.data], train),
            test_error=self._error(network, self.data.test, test),
            distortion=measuring.distortion(
                made, self.data.held, self.confidence, paper.DISTORTIONS[recipe.name] if known else None
            ),
            attacked=int(made.right.sum()),
            found=int(made.found.sum()),
        )

    def _error(self, network: nn.Module, part: tuple[Images, Labels], known: float | None) -> Figure:
        wrong, n = int((measuring.answers(network, part[0]) != part[1]).sum()), len(part[1])
        return Figure(value=wrong / n, interval=wilson(wrong, n, self.confidence), paper=known)

    def _travel(
        self, title: str, made: Mapping[str, measuring.Made], networks: Mapping[str, nn.Module], known: paper.Rates
    ) -> Travel:
        held = self.data.held
        return Travel(
            title=title,
            matrix=measuring.tried(made, networks, held, self.seed, self.confidence),
            distortions={name: measuring.distortion(each, held, self.confidence) for name, each in made.items()},
            paper={source: dict(row) for source, row in known.items()},
        )
