"""What checks are shown when the kit asks them: little models, good and bad, at each stage of an audit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import torch
from torch import Tensor

from auditor.attack import Attack
from auditor.check import Check, Stage
from auditor.engine.attempt import Ring
from auditor.engine.batches import Batches
from auditor.engine.cascade import Cascade
from auditor.engine.inquiry import Inquiry
from auditor.engine.ledger import margins
from auditor.engine.memory import Memory
from auditor.engine.plan import chosen_attacks, configured, make_plan
from auditor.engine.scene import Scene
from auditor.engine.standing import Clean, Standing
from auditor.engine.store import Store
from auditor.plugins import load_plugins
from auditor.result.record import ModelResult
from auditor.samples.memory import InMemory
from auditor.settings import AttackSetting, Settings, ThreatSetting
from auditor.testing.attacks import EPS, network, samples
from auditor.testing.oracles import target_of
from auditor.testing.records import model_of, not_audited
from auditor.types import Norm, Threat

_N, _CLASSES = 16, 4
_ATTACKS = (
    AttackSetting(name="apgd", parameters={"steps": 10}),
    AttackSetting(name="square", parameters={"queries": 30}),
)


Make: TypeAlias = Callable[[Path], Scene]
"""Makes a scene, with an empty folder for what an audit writes; the same each time."""


def scenes(check: Check) -> dict[str, Make]:
    """What a check of this stage may meet, by what it is."""
    if check.stage is Stage.PREFLIGHT:
        return dict(_BEFORE)
    if check.stage is Stage.AUDIT:
        return {what: partial(_audited, record) for what, record in _AFTER.items()}
    norm = next((norm for norm in EPS if norm in check.norms), None)
    return {
        f"a search in {norm} after which {what} stand": partial(_searched, norm, scale)
        for what, scale in _STANDING.items()
        if norm is not None  # Other threats are no norm balls.
    }


@contextmanager
def opened(make: Make) -> Iterator[Scene]:
    """A scene whose files go away again."""
    with TemporaryDirectory() as folder:
        scene = make(Path(folder))
        yield scene
        if scene.inquiry is not None:
            scene.inquiry.batches.store.close()


def _before(
    folder: Path,
    shape: tuple[int, ...] = (1, 6, 6),
    answer: Callable[[Tensor], Tensor] = lambda logits: logits,
    shift: int = 0,
    **said: Any,
) -> Scene:
    """A little model of a little data, some of whose samples are misclassified."""
    model = network(shape, _CLASSES)
    x, y = samples(model, shape, _N)
    y = torch.cat([y[:-2], (y[-2:] + 1) % _CLASSES]).add(shift).remainder(_CLASSES)
    target = replace(target_of(lambda x: answer(model(x)), _CLASSES), **said)
    threat = ThreatSetting(norm=Norm.LINF, eps=EPS[Norm.LINF])
    settings = Settings(models=("model",), data="samples", threats=(threat,), attacks=_ATTACKS)
    return Scene(target=target, samples=InMemory(x, y), x=x.clone(), y=y.clone(), settings=settings)


def _audited(record: ModelResult, folder: Path) -> Scene:
    # A copy, so that what one check does to it is seen, and not by the next.
    return replace(_before(folder), result=record.model_copy(deep=True))


def _searched(norm: Norm, scale: float, folder: Path) -> Scene:
    """One whose samples were attacked, so that a check of that stage can ask for more."""
    scene, threat = _before(folder), Threat(norm=norm, eps=scale * EPS[norm])
    answer, labels = scene.target.answer(scene.x), scene.y.numpy()
    margin = margins(answer, scene.y).numpy()
    attacks, find = _installed()
    make = partial(configured, attacks, find=find)
    batches = Batches(
        ring=Ring(target=scene.target, threat=threat, seed=0, margin=0.0),
        samples=scene.samples,
        labels=scene.y,
        store=Store(folder),
        batch_size=_N,
        listen=lambda event: None,
        memory=Memory(folder / "closest", margin),
        standing=Standing(Clean(labels, answer.argmax(1).numpy(), answer.softmax(1).amax(1).numpy(), margin)),
    )
    plan = make_plan(chosen_attacks(scene.settings, attacks, threat), scene.target, threat, scene.x.dim() - 1)
    inquiry = Inquiry(batches, list(Cascade(batches, batches.listen).run(plan)), make)
    inquiry.begin("", inquiry.spent)
    return replace(scene, inquiry=inquiry)


@cache
def _installed() -> tuple[dict[str, type[Attack]], Callable[[str], type[Attack] | None]]:
    """Attacks by name, and what makes those that nothing offers: a check asks for whatever is installed."""
    plugins = load_plugins()
    return plugins.attacks(), plugins.find_attack


_BEFORE: dict[str, Make] = {
    "a model that answers as it should": _before,
    "samples that are no images": partial(_before, shape=(13,)),
    "a model without gradients": partial(_before, twin=None, gradients="none"),
    "a model that is always wrong": partial(_before, shift=1),
    "a model that knows one answer": partial(_before, answer=lambda logits: 0.0 * logits),
    "a model that answers NaN": partial(_before, answer=lambda logits: torch.nan * logits),
}
_AFTER = {
    "a record in which some samples stand": model_of("net", 5, 0),
    "a record in which none stands": model_of("net", 0, 0),
    "a record of attacks that ran out of time": model_of("net", 2, 3),
    "a record without attacks": not_audited("net"),
}
_STANDING = {"all samples": 0.01, "some samples": 0.5, "no samples": 40.0}
