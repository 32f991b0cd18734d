"""The stage after all audits: every model in its turn is attacked, then every model in its turn answers.

One model is loaded at a time, twice in all; only an ensemble needs its members together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from auditor.engine.transfer.cells import agreement, matrix
from auditor.engine.transfer.contender import quick_release
from auditor.engine.transfer.counted import Counted
from auditor.engine.transfer.examples import Bench, Examples, Workshop
from auditor.engine.transfer.groups import Groups
from auditor.engine.transfer.setups import attacks_of, setups_of
from auditor.engine.transfer.tried import Answers, Heard, Jury
from auditor.errors import AuditorError, RunError
from auditor.events import Event, Progress, StageStarted
from auditor.result.transfer import TransferResult, TransferSource

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.engine.store import Store
    from auditor.engine.transfer.contender import Contender
    from auditor.engine.transfer.setups import Setup
    from auditor.samples.base import Samples
    from auditor.settings import Settings
    from auditor.target.base import Target

_CRAFTING = 0.8
"""The share of the time that is left which examples may take; the rest is for trying them."""


@dataclass
class TransferStage:
    """All matrices of a run. `load` brings back a model by its source, bound to the samples."""

    settings: Settings
    make: Callable[[str, Mapping[str, Any]], Attack]
    load: Callable[[str], Target]
    samples: Samples
    store: Store
    listen: Callable[[Event], None]
    deadline: float
    counted: Counted = field(default_factory=Counted)

    def run(self, contenders: Sequence[Contender]) -> TransferResult | None:
        """The matrices of these models; None where there are fewer than two."""
        if len(contenders) < 2:
            return None
        started, begun = time.perf_counter(), time.monotonic()
        attacks = attacks_of(self.settings, self.make)
        setups, left_out = setups_of(self.settings, attacks, contenders[0], self.samples)
        until = begun + _CRAFTING * max(0.0, self.deadline - begun)
        heard = [Heard() for _ in setups]
        with quick_release():
            for contender in contenders:
                self._attack(contender, setups, heard, until)
                self.store.flush()
            for contender in contenders:
                self._ask(contender, contenders, setups, heard)
                self.store.flush()
        if self.settings.ensemble:
            Groups(self._bench(), contenders, self.load, self.deadline).run(setups, heard)
        self.counted.keep(self.store)
        pairs = [(a, b) for number, a in enumerate(contenders) for b in contenders[number + 1 :]]
        return TransferResult(
            models=tuple(contender.name for contender in contenders),
            matrices=tuple(
                matrix(setup, contenders, one, self.settings.confidence)
                for setup, one in zip(setups, heard, strict=True)
            ),
            agreements=tuple(agreement(*pair) for pair in pairs),
            left_out=tuple(left_out),
            seconds=round(time.perf_counter() - started, 4),
        )

    def _bench(self) -> Bench:
        return Bench(
            samples=self.samples,
            store=self.store,
            seed=self.settings.seed,
            batch_size=self.store.recall("batch size"),
            listen=self.listen,
        )

    def _attack(self, contender: Contender, setups: Sequence[Setup], heard: Sequence[Heard], deadline: float) -> None:
        """Make one model's examples."""
        bench = self._bench()
        among = np.flatnonzero(contender.clean.attackable)

        def craft(target: Target) -> None:
            shop = Workshop(
                bench=bench,
                target=target,
                clean=contender.clean,
                members=(contender.name,),
                identity=contender.identity,
            )
            for setup, known in zip(setups, heard, strict=True):
                known.examples[contender.name] = examples = shop.make(setup, among, deadline)
                if examples.done:
                    known.answers[contender.name, contender.name] = Answers.of(examples)

        if trouble := self._visited(contender, craft):
            for known in heard:
                record = TransferSource(name=contender.name, members=(contender.name,), status="failed", reason=trouble)
                known.examples.setdefault(contender.name, Examples(record))

    def _ask(
        self,
        contender: Contender,
        contenders: Sequence[Contender],
        setups: Sequence[Setup],
        heard: Sequence[Heard],
    ) -> None:
        """Let one model answer all examples of the others, and plain noise."""
        bench = self._bench()

        def answer(target: Target) -> None:
            jury = Jury(bench, target, contender, self.deadline)
            for setup, known in zip(setups, heard, strict=True):
                self.listen(StageStarted(model=contender.name, title=setup.title, total=len(contenders)))
                known.noise[contender.name] = jury.noise(setup.threat)
                for number, other in enumerate(contenders):
                    pair, examples = (other.name, contender.name), known.examples[other.name]
                    if why := incomparable(other, contender):
                        known.missing[pair] = why
                    elif other is not contender and examples.done:
                        known.answers[pair] = answers = jury.examples(examples, setup, other.identity)
                        self.counted.count(jury, examples, answers, setup)
                    fell = int(known.answers[pair].fooled.sum()) if pair in known.answers else 0
                    self.listen(Progress(model=contender.name, done=number + 1, total=len(contenders), broken=fell))
            self.counted.search_on(jury, list(zip(setups, heard, strict=True)), self.make, self.settings)

        if trouble := self._visited(contender, answer):
            for known in heard:
                for other in contenders:
                    known.missing.setdefault((other.name, contender.name), trouble)

    def _visited(self, contender: Contender, use: Callable[[Target], None]) -> str:
        """Why a model could not be used; empty where it could."""
        try:
            contender.visit(self.load, use)
        except RunError:
            raise  # A full disk is not the model's fault.
        except AuditorError as error:
            return str(error)
        return ""


def incomparable(source: Contender, target: Contender) -> str:
    """Why the answers of two models cannot be held against each other; empty where they can."""
    if source.num_classes == target.num_classes:
        return ""
    return (
        f"{source.name} has {source.num_classes} classes and {target.name} {target.num_classes}, "
        f"so their answers cannot be compared"
    )
