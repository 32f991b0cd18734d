"""What breaks a sample counts, wherever it was made: examples of other models that a model's own attacks did not find.

They lie within the threat, so the robust accuracy of the model is lower for them; and where they are many, what its own
attacks followed may have been blind (Carlini et al., arXiv:1902.06705; Athalye et al., arXiv:1802.00420).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from auditor.check import Finding, Severity
from auditor.engine.inheritance import inherit
from auditor.engine.referee import judge
from auditor.engine.standing import Break
from auditor.engine.store import batch_key
from auditor.engine.transfer.examples import images_of
from auditor.engine.transfer.mending import SearchOn
from auditor.formats import words
from auditor.result.evidence import Shard
from auditor.result.record import INHERITED, AttackRun, ModelResult
from auditor.result.record import Finding as FindingRecord
from auditor.types import Access

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.engine.done import Done
    from auditor.engine.store import Store
    from auditor.engine.transfer.contender import Contender
    from auditor.engine.transfer.examples import Examples, Part
    from auditor.engine.transfer.setups import Setup
    from auditor.engine.transfer.tried import Answers, Heard, Jury
    from auditor.settings import Settings
    from auditor.types import Threat

    Make: TypeAlias = Callable[[str, Mapping[str, Any]], Attack]

CODE = "AUD213"
_SHARE = 0.01
"""Of all samples: more than these, and more than one, are no accident (as AUD213 has it)."""

_REMEDY = "Read AUD112 and AUD113 for what hides the gradients; audit with --bpda, or with --suite thorough."


@dataclass
class Counted:
    """The examples that broke what stood. Evidence goes to disk at the end: audits that are made again after an
    interruption must find what they found before."""

    _shards: list[tuple[str, Threat, Shard]] = field(default_factory=list)
    _broken: dict[tuple[str, str], int] = field(default_factory=dict)
    _further: dict[tuple[str, str], list[AttackRun]] = field(default_factory=dict)
    """What was tried where these are many."""

    def count(self, jury: Jury, examples: Examples, answers: Answers, setup: Setup) -> None:
        """Let the referee confirm what fooled samples that stand, and note it under this budget and larger ones."""
        contender, threat = jury.contender, setup.threat
        own = next((done for done in contender.done if str(done.threat) == str(threat)), None)
        if own is None:
            return
        todo = np.intersect1d(own.standing.standing(), answers.index[answers.fooled])
        breaks = [found for part in examples.parts for found in self._confirmed(jury, part, todo, setup)]
        if not breaks:
            return
        source = examples.record.name
        own.standing.note(name := f"{setup.name} on {source}", breaks)
        own.runs.append(_run(name, setup, source, len(answers.index), len(breaks)))
        key = (contender.name, str(threat))
        self._broken[key] = self._broken.get(key, 0) + len(breaks)
        _handed_on(contender, own)

    def search_on(self, jury: Jury, heard: Sequence[tuple[Setup, Heard]], make: Make, settings: Settings) -> None:
        """Where examples of others broke many samples that the model's own attacks left, climb on from them."""
        contender, n = jury.contender, len(jury.contender.clean.labels)
        budget = settings.max_passes * n if settings.max_passes else math.inf
        for own in contender.done if settings.escalation else ():
            if not self._doubted(contender, own):
                continue
            sources = [
                examples
                for setup, known in heard
                if str(setup.threat) == str(own.threat)
                for name, examples in known.examples.items()
                if name != contender.name and (name, contender.name) in known.answers
            ]
            search = SearchOn(jury, own, sources, make, budget, CODE)
            for run, shards in search.rounds(max(1.0, _SHARE * n)):
                self._further.setdefault((contender.name, str(own.threat)), []).append(run)
                self._shards += [(contender.name, own.threat, shard) for shard in shards]
            _handed_on(contender, own)

    def _doubted(self, contender: Contender, done: Done) -> bool:
        """Whether examples of others broke more than a few samples that withstood attacks along gradients."""
        broken = self._broken.get((contender.name, str(done.threat)), 0)
        white = any(run.access == Access.GRADIENTS and run.status == "ran" and run.because != CODE for run in done.runs)
        return white and broken > max(1, _SHARE * len(contender.clean.labels))

    def _confirmed(self, jury: Jury, part: Part, todo: np.ndarray, setup: Setup) -> Iterator[Break]:
        rows = np.flatnonzero(np.isin(part.index, todo))
        if not len(rows):
            return
        index, device, samples = part.index[rows], jury.target.device, jury.bench.samples
        x, points = samples.fetch(index.tolist()), images_of(part, rows)
        aims = jury.contender.clean.aims(index, device)
        verdict = judge(jury.target, x.to(device), points.to(device), aims, setup.threat)
        kept = verdict.counts.nonzero().squeeze(1).cpu()
        sure = verdict.select(kept)
        index, made = index[kept.numpy()], points[kept].numpy()
        if len(index):
            rendered = None if setup.threat.plain else made
            shard = Shard(index, jury.contender.clean.labels[index], x[kept].numpy(), made, rendered)
            self._shards.append((jury.contender.name, setup.threat, shard))
        columns = (torch.from_numpy(index), sure.prediction, sure.confidence, sure.distance, sure.survives_rounding)
        yield from (Break(*row) for row in zip(*(column.tolist() for column in columns), strict=True))

    def keep(self, store: Store) -> None:
        """Bring the evidence to disk, once."""
        for name, threat, shard in self._shards:
            key = batch_key("transfer counted", name, str(threat), shard.index.tolist())
            if store.get(key) is None:
                store.put(key, {}, (name, threat), shard)
        store.flush()

    def told(
        self, model: ModelResult, contenders: Sequence[Contender], settings: Settings, eight_bit: bool
    ) -> ModelResult:
        """The record of a model with what examples of others broke, if they broke anything."""
        own = next((one for one in contenders if one.name == model.name), None)
        if own is None or not self.touched(own):
            return model
        threats = tuple(done.result(settings, eight_bit=eight_bit) for done in own.done)
        findings = tuple(FindingRecord.of(finding) for finding in self.findings(own))
        return model.model_copy(update={"threats": threats, "findings": (*model.findings, *findings)})

    def touched(self, contender: Contender) -> bool:
        """Whether anything of this model was broken."""
        return any(name == contender.name for name, _ in self._broken)

    def findings(self, contender: Contender) -> Iterator[Finding]:
        """A sign of masking for each threat under which many samples fell that the model's own attacks left."""
        n = len(contender.clean.labels)
        for done in (done for done in contender.done if self._doubted(contender, done)):
            key = (contender.name, str(done.threat))
            broken, further = self._broken[key], self._further.get(key, [])
            said = (
                f"Under {words.threat(done.threat.norm, done.threat.eps)} examples made on other models broke {broken} "
                f"of {n} samples that withstood all attacks made on this one. They count."
            )
            title = "Examples of another model broke what white-box attacks missed"
            evidence = {"broken by examples of other models": broken}
            if further:
                evidence["broken by steps from there"] = more = sum(run.broken for run in further)
                cut = f" ({further[-1].reason})" if further[-1].reason else ""
                said += (
                    f" Steps along gradients from there broke {more} more, the last of them {further[-1].broken}{cut}."
                )
            settled = further and not further[-1].reason and further[-1].broken <= max(1.0, _SHARE * n)
            yield Finding(
                code=CODE,
                severity=Severity.INFO if settled else Severity.INCONCLUSIVE,
                title=f"{title}; mended" if settled else title,
                detail=said,
                remedy="" if settled else _REMEDY,
                evidence=evidence,
            )


def _handed_on(contender: Contender, own: Done) -> None:
    """What fell under a budget has fallen under larger ones."""
    for done in contender.done:
        if done.threat.norm is own.threat.norm and done.threat.eps > own.threat.eps and not done.threat.minimal:
            _inherited(done, inherit([own.standing], done.standing, done.threat))


def _run(name: str, setup: Setup, source: str, asked: int, broken: int) -> AttackRun:
    return AttackRun(
        name=name,
        attack=setup.attack.name,
        parameters={**setup.parameters, "source": source},
        access=str(Access.TRANSFER),
        paper=setup.attack.paper,
        stage=setup.attack.stage,
        because=CODE,
        status="ran",
        reason="",
        attacked=asked,
        broken=broken,
        seconds=0.0,
        forwards=asked,
        backwards=0,
    )


def _inherited(done: Done, run: AttackRun) -> None:
    """Into the row of what fell to smaller budgets, which there may be already."""
    if not run.broken:
        return
    for place, known in enumerate(done.runs):
        if known.name == INHERITED:
            done.runs[place] = known.model_copy(update={"broken": known.broken + run.broken})
            return
    done.runs.append(run)
