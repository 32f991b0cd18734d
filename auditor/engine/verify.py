"""Verify a run from nothing but its directory and the model: every counted example, checked from scratch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditor.engine.aims import Aims
from auditor.engine.clean import wanted
from auditor.engine.options import model_options
from auditor.engine.redraw import may_fail
from auditor.engine.referee import judge
from auditor.engine.sequential import order_of
from auditor.engine.threats import read_mask, threats_of
from auditor.engine.transfer.recheck import recounted
from auditor.engine.wrapping import chosen_wrappers, wrap
from auditor.errors import ModelError, RunError
from auditor.gate import gates_of
from auditor.gate import judge as judge_gates
from auditor.result.certificate import FILE as PROOFS
from auditor.result.certificate import certified, reach, read_proofs, summarised
from auditor.settings import Settings
from auditor.target.binding import bind_to
from auditor.target.chance import needed

if TYPE_CHECKING:
    from auditor.plugins import Plugins
    from auditor.result.evidence import Shard
    from auditor.result.record import ModelResult, ThreatResult
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row
    from auditor.target.base import Target
    from auditor.types import Norm, Threat

_BATCH = 128


@dataclass(frozen=True)
class Verification:
    """How one model and threat stand: examples that the run counts, and how many of them hold.

    `unkept` is the number of cells of a transfer matrix whose examples the run directory no longer holds.
    """

    model: str
    norm: str
    eps: float
    counted: int
    held: int
    problem: str = ""
    unkept: int = 0

    @property
    def confirmed(self) -> bool:
        return not self.problem


def verify_run(
    run: Run, plugins: Plugins, device: torch.device, moved: tuple[str, ...] = (), *, trust: bool = False
) -> tuple[Verification, ...]:
    """Check all models and threats of a run.

    Args:
        moved: where the models lie now, in the run's order; by default where they lay.

    Raises:
        ModelError: a model is gone, or is not the one that was audited.
        RunError: the evidence is damaged.
    """
    try:
        settings = Settings.model_validate(run.result.settings)
    except ValueError as error:
        raise RunError(f"The settings stored in {run.path} cannot be read: {error}.") from error
    wrapped = chosen_wrappers(settings, plugins.defenses())
    done: list[Verification] = []
    for number, record in enumerate(run.result.models):
        if record.clean_accuracy is None:
            if not any(finding.severity == "block" for finding in record.findings):
                done.append(Verification(record.name, "", 0.0, 0, 0, "it has no clean accuracy, and nothing says why"))
            continue
        named = number < len(moved)
        source = moved[number] if named else record.path
        if not named and not trust and (not Path(source).is_file() or ":" in Path(source).name):
            raise ModelError(
                f"{source} is not a file here. If it is code that the run names, loading it would run it: say where "
                f"the model lies with --model, or pass --trust if you trust who made {run.path}."
            )
        target = _load(source, record, settings, plugins, device, trust=trust)
        shape = run.result.data.shape
        with target.frozen():
            if originals := _originals(run, record):
                bind_to(target, torch.from_numpy(originals[0]))
            wrap(target, wrapped, shape)
            target.draws = record.draws
            mask = read_mask(settings.mask, shape)
            asked = threats_of(settings, record.num_classes, record.classes, mask)
            by = {(threat.norm, round(threat.eps, 12)): threat for threat in asked}
            for stated in record.threats:
                threat = by.get((stated.norm, round(stated.eps, 12)))
                if threat is None:
                    raise RunError(f"{run.path} states {stated.norm} {stated.eps}, which its settings do not ask for.")
                done.append(_verify(run, target, record, stated, threat))
            done += _travelled_again(run, target, record, by)
    done += [*_proven_again(run, settings), *_judged_again(run, settings)]
    return tuple(done)


def _travelled_again(
    run: Run, target: Target, record: ModelResult, threats: Mapping[tuple[Norm, float], Threat]
) -> Iterator[Verification]:
    """What examples of other models do to this one, against the transfer matrices."""
    for again in recounted(run, target, record.name, threats):
        where, matrix = f"{record.name}, tried on it: {again.matrix.attack}", again.matrix
        counts = (again.counted, again.held, again.problem, again.unkept)
        yield Verification(where, matrix.norm, matrix.eps, *counts)


def _proven_again(run: Run, settings: Settings) -> Iterator[Verification]:
    """What the proofs of single samples give, against what is stated; that they hold is not tried again."""
    for record in run.result.models:
        if record.certificate is None:
            continue
        proofs = [proof for proof in read_proofs(run.path / PROOFS) if proof.model == record.name]
        alpha, confidence, n = record.certificate.alpha, settings.confidence, run.result.data.n
        same = [proof.index for proof in proofs] == list(range(n))
        same &= summarised(proofs, alpha, confidence) == record.certificate
        for stated in record.threats:
            radius = reach(stated.norm, stated.eps, math.prod(run.result.data.shape))
            share = None if radius is None else certified(proofs, radius, alpha, confidence)[0]
            same &= stated.certified_accuracy == share
        if not same:
            problem = f"result.json states another certified accuracy than {PROOFS} gives"
            yield Verification(record.name, "", 0.0, 0, 0, problem)


def _judged_again(run: Run, settings: Settings) -> list[Verification]:
    """Gates and verdict that the stored numbers give, against those that are stored; what was lost since the baseline
    is taken from the record."""
    result = run.result
    gates = gates_of(settings, result.models, result.data.n)
    verdict, exit_code, _ = judge_gates(result.models, gates)
    same = [(g.rule, g.model, g.norm, g.eps, g.value, g.outcome) for g in gates] == [
        (g.rule, g.model, g.norm, g.eps, g.value, g.outcome) for g in result.gates
    ]
    if same and (verdict, exit_code) == (result.verdict, result.exit_code):
        return []
    problem = f"the stored numbers give the verdict {verdict!r}, and gates or verdict in result.json differ"
    return [Verification("all models", "", 0.0, 0, 0, problem)]


def _load(
    source: str,
    record: ModelResult,
    settings: Settings,
    plugins: Plugins,
    device: torch.device,
    *,
    trust: bool,
) -> Target:
    target = plugins.load_model(source, model_options(settings, trust=trust), device)
    if target.sha256 != record.sha256:
        raise ModelError(
            f"{source} is not the model that was audited: its digest is {target.sha256[:12]}…, "
            f"the run's {record.sha256[:12]}…. Say where the audited file lies with --model."
        )
    return target


def _originals(run: Run, record: ModelResult) -> list[np.ndarray]:
    """Some clean samples of the run, for the model to be bound to; empty where nothing was broken."""
    shards = (shard for t in record.threats for shard in run.evidence(record.name, t.norm, t.eps))
    return [shard.original for shard in islice(shards, 1)]


def _verify(run: Run, target: Target, record: ModelResult, stated: ThreatResult, threat: Threat) -> Verification:
    rows = run.rows_of(record.name, stated.norm, stated.eps)
    broken = {row.index: row for row in rows if row.outcome == "broken"}
    held: set[int] = set()
    proven: set[int] = set()
    for shard in run.evidence(record.name, stated.norm, stated.eps):
        for start in range(0, len(shard.index), _BATCH):
            part = shard.select(np.s_[start : start + _BATCH])
            for index, label, size in _holding(target, part, threat):
                proven.add(index)
                row = broken.get(index)
                # Where the smallest change is looked for, its size is what is claimed.
                near = row is not None and (not threat.minimal or size <= (row.distance or 0.0) * (1.0 + 1e-5))
                if row is not None and row.label == label and near:
                    held.add(index)
    missing = broken.keys() - held
    fooled = (row.fooled_draws or 0 for row in broken.values())
    level = target.wrapped.level
    least = needed(target.draws, level)[target.draws] if level < 1.0 else None
    if target.draws > 1 and len(missing) <= may_fail(fooled, target.draws, least):
        missing = set()
    n, seed = run.result.data.n, int(run.result.settings["seed"])
    problem = _problem(rows, n, record, stated, missing, proven) or _miscounted(rows, n, seed, stated)
    return Verification(record.name, stated.norm, stated.eps, len(broken), len(held), problem)


def _holding(target: Target, shard: Shard, threat: Threat) -> Iterator[tuple[int, int, float]]:
    """Index, label and size of the examples that hold: the sample is right, and its example is not."""
    x, points, y = (torch.from_numpy(v).to(target.device) for v in (shard.original, shard.judged, shard.label))
    logits = target.judged(x)
    verdict = judge(target, x, points, Aims(y, wanted(threat, logits)), threat)
    # Where chance decides, samples near the border change sides; that costs the model nothing, broken or wrong.
    good = (verdict.counts & ((logits.argmax(1) == y) | (target.draws > 1))).tolist()
    shown = zip(shard.index.tolist(), shard.label.tolist(), verdict.distance.tolist(), good, strict=True)
    yield from ((index, label, size) for index, label, size, ok in shown if ok)


def _problem(
    rows: Sequence[Row], n: int, record: ModelResult, threat: ThreatResult, missing: set[int], proven: set[int]
) -> str:
    """What contradicts the run, or nothing."""
    if missing:
        return f"{len(missing)} counted examples do not hold (samples {_listed(missing)})"
    if sorted(row.index for row in rows) != list(range(n)):
        return f"samples.csv does not hold one row for each of the {n} samples"
    outcomes = [row.outcome for row in rows]
    if denied := {row.index for row in rows if row.outcome == "robust"} & proven:
        return f"the evidence breaks samples that samples.csv calls robust ({_listed(denied)})"
    standing = n - outcomes.count("broken") - outcomes.count("misclassified")
    stated = {
        "clean accuracy": (record.clean_accuracy, sum(row.clean_correct for row in rows) / n),
        "robust accuracy": (threat.robust_accuracy, outcomes.count("robust") / n),
        "upper bound": (threat.robust_upper_bound, standing / n),
    }
    if (expected := threat.expectation) is not None:
        fooled = [row.fooled_draws for row in rows if row.fooled_draws is not None]
        stated["mean over draws"] = (expected.mean, 1.0 - sum(fooled) / max(1, len(fooled) * expected.draws))
        stated["share that every draw got right"] = (expected.any, fooled.count(0) / max(1, len(fooled)))
    for name, (said, given) in stated.items():
        if said is not None and abs(said - given) > 1e-6:
            return f"result.json states another {name} than samples.csv gives"
    if (threat.robust_accuracy is None) != bool(outcomes.count("not_evaluated")):
        return "result.json and samples.csv differ in whether all samples were evaluated"
    return ""


def _miscounted(rows: Sequence[Row], n: int, seed: int, threat: ThreatResult) -> str:
    """What contradicts a sequential scan: its samples are the first in the order that the seed gives."""
    if (part := threat.sequential) is None:
        return ""
    first = set(order_of(n, seed)[: part.audited].tolist())
    seen = [row.outcome for row in rows if row.index in first]
    counts = (len(seen), seen.count("robust"), seen.count("not_evaluated"), len(seen) - seen.count("misclassified"))
    if counts != (part.audited, part.robust, part.not_evaluated, part.right) or part.of != n:
        return "result.json states other counts of the samples that were audited than samples.csv gives"
    return ""


def _listed(indices: set[int]) -> str:
    return ", ".join(map(str, sorted(indices)[:5])) + (" …" if len(indices) > 5 else "")
