"""One model's audit: preflight, clean pass, a cascade per threat, the checks afterwards."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auditor.check import Check, Finding, Severity, Stage
from auditor.engine import preflight
from auditor.engine.attempt import Ring
from auditor.engine.batches import Batches
from auditor.engine.cascade import Cascade
from auditor.engine.certificate import Certificate, certify
from auditor.engine.clean import clean_pass
from auditor.engine.corruptions import corruption_facts, corruption_table
from auditor.engine.done import Done
from auditor.engine.examination import bound, examine, settled
from auditor.engine.expectation import fooled_clean, fooled_worst
from auditor.engine.findings import all_wanted, colourless, not_audited, nothing_ran, unanswered, uncertified
from auditor.engine.inheritance import inherit, round_again
from auditor.engine.inquiry import Inquiry
from auditor.engine.memory import Memory
from auditor.engine.nearest import Nearest
from auditor.engine.plan import Part, make_plan
from auditor.engine.scene import Scene
from auditor.engine.sequential import in_blocks
from auditor.engine.sizes import batch_size_for, spread
from auditor.engine.standing import Clean, Standing
from auditor.engine.surrogates.surrogate import Standard
from auditor.engine.threats import check_sizes, corruptions_left_out, read_mask, threats_of
from auditor.engine.timing import timed
from auditor.engine.transfer.contender import Contender
from auditor.engine.wrapping import wrapper_records
from auditor.errors import DataError, ModelError, UsageError
from auditor.events import Event, StageStarted
from auditor.result.certificate import summarised
from auditor.result.evidence import read_evidence, slug
from auditor.result.expectation import expectation, share_interval
from auditor.result.record import Finding as FindingRecord
from auditor.result.record import ModelResult, ThreatResult
from auditor.target.chance import averaged
from auditor.target.search import choose_search, describe, restore
from auditor.target.through import Past
from auditor.types import DRAWS, Access, Norm, Threat

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.engine.plan import Step
    from auditor.engine.store import Store
    from auditor.engine.surrogates.party import Party
    from auditor.result.samples_csv import Row
    from auditor.samples.base import Samples
    from auditor.settings import Settings
    from auditor.target.base import Target
    from auditor.types import Images


@dataclass
class ModelAudit:
    """Everything that happens to one target; `rows` afterwards yields its part of `samples.csv`."""

    settings: Settings
    attacks: Callable[[Threat], tuple[Part, ...]]
    make: Callable[[str, Mapping[str, Any]], Attack]
    checks: tuple[type[Check], ...]
    party: Party
    target: Target
    samples: Samples
    store: Store
    listen: Callable[[Event], None]
    deadline: float
    _asked: list[Threat] = field(default_factory=list)
    _done: list[Done] = field(default_factory=list)
    _seconds: dict[str, float] = field(default_factory=dict)
    certificate: Certificate = field(default_factory=Certificate)
    """What a wrapper proves of the model; its proofs are the model's rows of `certified.csv`."""
    _fooled: np.ndarray | None = None
    """Which draws of a model that answers at random get which samples wrong as they are, `(draws, n)`."""
    contender: Contender | None = None
    """What is kept of the model when it is let go of; None where it could not be audited."""

    def execute(self) -> ModelResult:
        """Audit; a model that cannot be audited gives a result with a finding that blocks."""
        with self.target.frozen():
            try:
                return self._execute()
            except (ModelError, DataError) as error:  # A full disk or a wrong flag is not the model's fault.
                self._done.clear()
                self.contender = None
                return self._result([*self.target.findings, not_audited(error)])

    def _execute(self) -> ModelResult:
        if self.store.remember(f"digest of {self.target.name}", self.target.sha256) != self.target.sha256:
            raise UsageError(f"{self.target.source} is not the file that this run began with; choose another --out.")
        indices = spread(len(self.samples), self.settings.preflight_samples)
        x, y = self.samples.fetch(indices), self.samples.labels[indices]
        scene = Scene(target=self.target, samples=self.samples, x=x, y=y, settings=self.settings)
        findings = [*self.target.findings, *self._preflight(scene)]
        if any(f.severity is Severity.BLOCK for f in findings):
            return self._result(findings)
        margin = preflight.safety_margin(scene)
        batch_size = self.store.remember(
            "batch size", self.settings.batch_size or batch_size_for(self.samples.shape, self.target.device)
        )
        names = self.target.classes or self.samples.classes
        check_sizes(self.settings, self.samples.shape)
        mask = read_mask(self.settings.mask, self.samples.shape)
        channels = self.samples.shape[0] if len(self.samples.shape) == 3 else 3
        self._asked = threats_of(self.settings, self.target.num_classes, names, mask, channels)
        findings += colourless(corruptions_left_out(self.settings, channels))
        with self._timed("search"):
            self._choose_search(x, batch_size)
        with self._timed("clean"):
            identity = (self.target.name, self.target.sha256, self.target.preprocessing.describe(), self.settings.seed)
            clean = clean_pass(self.target, self.samples, self.store, batch_size, self.listen, identity, self._asked[0])
            if self.target.draws > 1:
                self._fooled = fooled_clean(self.target, self.samples, batch_size, self.store, identity)
        with self._timed("certificate"):
            self.certificate = certify(
                self.target, self.samples, self.store, batch_size, identity, self.listen, self.deadline
            )
        with self._timed("surrogates"):
            standard = Standard(self.target, self.samples, clean, np.array(indices))
            self.party.gather(standard, self.store, batch_size, self.deadline, self.listen)
        findings += self.party.findings
        with self._timed("attack"):
            threats = self._threats(clean, batch_size, margin, identity, scene)
        self.contender = Contender.of(self.target, clean, self._done)
        record = self._result(findings, clean, threats)
        findings = settled(findings, self.checks, threats)
        findings += [finding for done in self._done for finding in done.findings]
        findings += preflight.inspect(self.checks, replace(scene, result=record), Stage.AUDIT)
        findings += [*all_wanted(clean), *nothing_ran(threats), *unanswered(threats)]
        findings += uncertified(self.target, self.certificate.proofs)
        return self._result(findings, clean, threats)

    def _preflight(self, scene: Scene) -> list[Finding]:
        self.listen(StageStarted(model=self.target.name, title="preflight", total=0))
        self.target.through = Past.STEPS if self.settings.bpda else Past.NOTHING
        with self._timed("preflight"):
            findings = preflight.inspect(self.checks, scene, Stage.PREFLIGHT)
            preflight.apply(findings, self.target, scene.x, max(DRAWS, self.settings.eot or 0))
            # Chance decides what is found: a resumed run judges as the run began.
            self.target.draws = self.store.remember(f"draws of {self.target.name}", self.target.draws)
        return findings

    def _choose_search(self, x: Images, batch_size: int) -> None:
        """Settle what attacks look for examples with; a resumed run keeps what was settled."""
        target, key = self.target, f"search of {self.target.name}"
        if target.twin is None:
            return
        if (known := self.store.recall(key)) is None:
            target.search = choose_search(target, x, self.settings.precision, self._planned(), batch_size)
            self.store.remember(key, target.search.record() if target.search else {})
        elif known:
            target.search = restore(target, known)
        target.details = {**target.details, "search": describe(target)}

    def _planned(self) -> int:
        """Passes of single samples forth and back that the attacks make at most, over all threats."""
        steps = [step for threat in self._asked for step in self._plan(threat) if not step.skip and not step.broken]
        each = sum(step.forwards for step in steps if step.attack.access is Access.GRADIENTS)
        return each * len(self.samples)

    def _plan(self, threat: Threat) -> tuple[Step, ...]:
        """The attacks against one threat."""
        rank = len(self.samples.shape)
        parts = self.party.join(self.attacks(threat), threat, rank, gradients=self.target.twin is not None)
        return make_plan(parts, self.target, threat, rank)

    def _threats(
        self, clean: Clean, batch_size: int, margin: float, identity: tuple[Any, ...], scene: Scene
    ) -> tuple[ThreatResult, ...]:
        """Budgets of one norm in ascending order, so that what falls early is not attacked again."""
        # The smallest changes first: those within a budget need not be looked for again.
        wanted = sorted(self._asked, key=lambda t: (list(Norm).index(t.norm), not t.minimal, t.eps))
        for number, threat in enumerate(wanted):
            left = len(wanted) - number
            now = time.monotonic()
            ring = Ring(
                target=self.target,
                threat=threat,
                seed=self.settings.seed,
                margin=margin,
                draws=averaged(self.settings.eot, self.target.draws),
                deadline=self.deadline if left == 1 else now + max(0.0, self.deadline - now) / left,
            )
            standing, earlier = Standing(clean, minimal=threat.minimal), self._of(threat.norm)
            runs = [inherit([other.standing for other in earlier], standing, threat)] if earlier else []
            if runs and self.samples.eight_bit:
                shards = read_evidence(self.store.run, self.target.name, threat.norm, threat.eps)
                round_again(standing, shards, self.target, threat)
            done = Done(threat, standing, runs)
            largest = not any(later.norm is threat.norm for later in wanted[number + 1 :])
            self._follow(done, ring, batch_size, identity, scene, largest=largest)
            table = corruption_table(
                ring, self.samples, standing, self.store, batch_size, identity, self.settings.confidence, self.listen
            )
            done.facts |= corruption_facts(table, float(clean.correct[standing.audited].mean()))
            done.facts |= self.certificate.facts(done, self.settings.confidence)
            self._done.append(done)
        for done in self._done:
            if done.threat.minimal and (others := [other for other in self._of(done.threat.norm) if other is not done]):
                done.runs.append(inherit([other.standing for other in others], done.standing, done.threat))
        return tuple(done.result(self.settings, eight_bit=self.samples.eight_bit) for done in self._done)

    def _of(self, norm: Norm) -> list[Done]:
        return [done for done in self._done if done.threat.norm is norm]

    def _follow(
        self, done: Done, ring: Ring, batch_size: int, identity: tuple[Any, ...], scene: Scene, *, largest: bool
    ) -> None:
        """The plan against one threat, within what the settings allow; then the checks ask whether it worked."""
        settings, standing, threat = self.settings, done.standing, done.threat
        place = self._memory_file(threat)
        n = len(self.samples)
        memory = Nearest(place, n) if threat.minimal else Memory(place, standing.clean.margin)
        batches = Batches(
            ring=ring,
            samples=self.samples,
            labels=self.samples.labels,
            store=self.store,
            batch_size=batch_size,
            listen=self.listen,
            memory=memory,
            standing=standing,
            identity=identity,
        )
        budget = settings.max_passes * n - self.party.queries if settings.max_passes else math.inf
        cascade = Cascade(
            batches,
            self.listen,
            budget=budget,
            # Attacks that were asked for by name are run; and nothing tells how much smaller a change may be.
            tolerance=0.0 if settings.attacks or threat.minimal else settings.tolerance,
            confidence=settings.confidence,
        )
        with self.target.under(exact=threat.minimal):
            # Draws have a variance of their own, which no interval knows that holds however often one looks.
            plan, stops = self._plan(threat), settings.sequential and not threat.minimal and self.target.draws == 1
            done.runs += in_blocks(cascade, plan, settings) if stops else cascade.run(plan)
            inquiry = Inquiry(batches, done.runs, self.make, self.listen, budget, settings.escalation)
            inquiry.surrogates = self.party.attacks(threat, len(self.samples.shape))
            bound(inquiry, "" if settings.attacks else settings.suite)
            done.findings, done.facts["checks"] = examine(self.checks, scene, inquiry, largest=largest)
        if self._fooled is not None and not threat.minimal:
            done.facts["expectation"] = expectation(fooled_worst(batches, self._fooled), settings.confidence)
        # A run that was cut goes on from there when it is resumed.
        if not any(run.status in ("timed out", "failed") for run in done.runs):
            memory.forget()

    def _memory_file(self, threat: Threat) -> Path:
        return self.store.run / "state" / f"closest-{slug(self.target.name)}-{slug(str(threat))}"

    def _result(
        self, findings: Sequence[Finding], clean: Clean | None = None, threats: tuple[ThreatResult, ...] = ()
    ) -> ModelResult:
        target = self.target
        right = int(clean.correct.sum()) if clean else 0
        n = len(self.samples)
        expected = expectation(self._fooled, self.settings.confidence) if clean and self._fooled is not None else None
        return ModelResult(
            name=target.name,
            path=target.source,
            sha256=target.sha256,
            format=target.format,
            gradients=target.gradients,
            clean_accuracy=right / n if clean else None,
            clean_interval=share_interval(right, n, expected, self.settings.confidence) if clean else None,
            findings=tuple(FindingRecord.of(finding) for finding in findings),
            threats=threats,
            num_classes=target.num_classes,
            classes=target.classes or self.samples.classes,
            preprocessing=target.preprocessing.describe(),
            batching=target.batching,
            input_shape=target.input_shape,
            details=dict(target.details),
            wrappers=wrapper_records(target),
            certificate=summarised(self.certificate.proofs, self.certificate.alpha, self.settings.confidence),
            draws=target.draws,
            expectation=expected,
            surrogates=self.party.records,
            seconds={name: round(value, 4) for name, value in self._seconds.items()},
        )

    @property
    def rows(self) -> Iterator[Row]:
        """The model's rows of `samples.csv`, a threat after the other, which hold on to nothing of the model."""
        name, names, done = self.target.name, self.samples.names(range(len(self.samples))), self._done
        return (row for each in done for row in each.standing.rows(name, each.threat.norm, each.threat.eps, names))

    def _timed(self, stage: str) -> AbstractContextManager[None]:
        return timed(self._seconds, stage)
