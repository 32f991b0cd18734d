"""Substitutes: trained on what the target answers, once for a model, and kept with the run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditor.border import foreign, said
from auditor.engine.surrogates.answers import Answers
from auditor.engine.surrogates.surrogate import Standard, Surrogate
from auditor.engine.view import OutOfTime
from auditor.errors import RunError
from auditor.events import Progress, StageStarted
from auditor.parameters import parameters_of
from auditor.result.evidence import atomic_write, slug
from auditor.result.record import OVERSPENT
from auditor.result.surrogates import SurrogateResult
from auditor.rng import Rng
from auditor.target.base import ModelOptions, Target
from auditor.target.head import Head

if TYPE_CHECKING:
    from auditor.engine.store import Store
    from auditor.events import Event
    from auditor.extraction import Extraction
    from auditor.samples.base import Samples
    from auditor.types import Images

_SEEDS = "samples that an attacker has"


@dataclass
class Extractor:
    """Trains substitutes for one target, or takes them from the run where they were trained before.

    Attributes:
        standard: the target and its answers to clean samples, of which nothing is shown to an extraction.
        deadline: when training must have ended.
        budget: questions that may be asked of the target.
    """

    standard: Standard
    store: Store
    seed: int
    batch_size: int
    deadline: float
    budget: float = float("inf")
    listen: Callable[[Event], None] = lambda event: None

    @property
    def target(self) -> Target:
        return self.standard.target

    @property
    def samples(self) -> Samples:
        return self.standard.samples

    def extract(self, extraction: Extraction, name: str) -> Surrogate:
        """The substitute, with what it took and how like the target it is; one that cannot be trained is left out."""
        options = {each.name: getattr(extraction, each.name) for each in parameters_of(type(extraction))}
        record = SurrogateResult(name=name, source=extraction.name, options=options, format="substitute")
        if why := self._obstacle(extraction):
            return Surrogate(record.model_copy(update={"left_out": why}))
        own, unseen = self._parted(extraction)
        try:
            with foreign(), _repeatable(self.seed):
                network = extraction.network(self.samples.shape, self.target.num_classes).to(self.target.device)
                known = self._trained(extraction, network, options, own)
        except OutOfTime:
            why = "the time limit was reached before it was trained"
        except RunError:
            raise
        except Exception as error:  # a plugin border
            why = f"its plugin broke: {said(error)}"
        else:
            network.eval().requires_grad_(False)
            record = record.model_copy(update=known)
            return self.standard.held(record, self._target(network, record), unseen)
        return Surrogate(record.model_copy(update={"left_out": why}), broken=True)

    def _obstacle(self, extraction: Extraction) -> str:
        if extraction.queries >= self.budget:
            return f"{OVERSPENT}: {extraction.queries:,} questions are more than it allows"
        if extraction.answers == "scores" and self.target.head is Head.LABELS:
            return "it wants scores, and this model answers with labels alone"
        return ""

    def _parted(self, extraction: Extraction) -> tuple[Images, np.ndarray]:
        """The samples that the attacker has, `(m, …)`, class by class in a random order; positions of the others."""
        n = len(self.samples)
        draws = Rng.keyed(self.seed, _SEEDS, torch.arange(n))
        if extraction.start == "noise":
            stream = Rng.keyed(self.seed, _SEEDS, torch.arange(extraction.seeds))
            return stream.uniform(*self.samples.shape).to(self.target.device), np.arange(n)
        order = np.argsort(draws.integers(2**31).numpy(), kind="stable")
        labels, turn = self.samples.labels.numpy()[order], np.zeros(n, dtype=np.int64)
        for label in np.unique(labels):
            turn[labels == label] = np.arange((labels == label).sum())
        order = order[np.argsort(turn, kind="stable")]
        count = min(extraction.seeds, max(1, n // 2))
        return self.samples.fetch(order[:count].tolist()).to(self.target.device), np.sort(order[count:])

    def _trained(
        self, extraction: Extraction, network: nn.Module, options: dict[str, Any], own: Images
    ) -> dict[str, Any]:
        """Train, or read the weights of a run that was interrupted later; what the record says of the training."""
        from safetensors.torch import load, save

        named = hashlib.sha256(repr((extraction.name, sorted(options.items()))).encode()).hexdigest()[:12]
        key = f"substitute {named} of {self.target.name}"
        path = self.store.run / "state" / f"substitute-{slug(self.target.name)}-{named}.safetensors"
        known: dict[str, Any] | None = self.store.recall(key)
        if known is not None and path.is_file():
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != known["sha256"]:
                raise RunError(f"{path} is not what the run wrote; scan again.")
            network.load_state_dict(load(content))
            return known
        known = self._train(extraction, network, own)
        content = save({name: value.cpu().contiguous() for name, value in network.state_dict().items()})
        _write(path, content)
        known = {**known, "sha256": hashlib.sha256(content).hexdigest()}
        self.store.remember(key, known)
        return known

    def _train(self, extraction: Extraction, network: nn.Module, own: Images) -> dict[str, Any]:
        started, name = time.perf_counter(), self.target.name
        self.listen(StageStarted(model=name, title=f"{extraction.name}: queries", total=extraction.queries))

        def progress(asked: int) -> None:
            self.listen(Progress(model=name, done=asked, total=extraction.queries, broken=0))

        soft = extraction.answers == "scores"
        oracle = Answers(self.target, extraction.queries, soft, self.batch_size, self.deadline, progress)
        with _counted(network) as passes, torch.enable_grad():
            network.train().requires_grad_(True)
            extraction.train(network, oracle, own)
        return {
            "queries": oracle.asked,
            "forwards": passes[0],
            "backwards": passes[1],
            "seconds": round(time.perf_counter() - started, 4),
        }

    def _target(self, network: nn.Module, record: SurrogateResult) -> Target:
        return Target(
            name=record.name,
            source=record.source,
            sha256=record.sha256,
            format=record.format,
            deployed=network,
            twin=network,
            gradients="native",
            input_shape=None,
            options=ModelOptions(),
            device=self.target.device,
            num_classes=self.target.num_classes,
        )


@contextmanager
def _repeatable(seed: int) -> Iterator[None]:
    """Torch draws the same numbers inside whenever the seed is, and those outside are left as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextmanager
def _counted(network: nn.Module) -> Iterator[list[int]]:
    """Single samples through the network, forward and backward, while the context is open."""
    passes = [0, 0]

    def forth(module: nn.Module, inputs: Any, output: Any) -> None:
        passes[0] += len(output)
        if output.requires_grad:
            output.register_hook(lambda gradient: back(len(output)))

    def back(count: int) -> None:
        passes[1] += count

    handle = network.register_forward_hook(forth)
    try:
        yield passes
    finally:
        handle.remove()


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content)
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror}); make room, then --resume.") from error
