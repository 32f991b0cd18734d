"""The whole of `auditor harden`: train, write, check, audit before and after, say what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor._version import __version__
from auditor.engine.audit import Audit
from auditor.engine.clean import check_labels
from auditor.engine.environment import choose_device, environment
from auditor.engine.options import model_options
from auditor.engine.reading import read_samples
from auditor.engine.store import MANIFEST
from auditor.errors import RunError, UsageError
from auditor.formats.views.numbers import unread
from auditor.harden import checkpoint, writing
from auditor.harden.augmentation import usual
from auditor.harden.batches import Batches
from auditor.harden.crew import Crew, joined, own_device
from auditor.harden.held_out import write_held_out
from auditor.harden.in_float import FLOAT, trainable_form
from auditor.harden.outcome import SCHEMA, outcome, sentence
from auditor.harden.progress import Progress
from auditor.harden.scores import Validation
from auditor.harden.split import Split, split
from auditor.harden.subject import answers, trainee_of
from auditor.harden.trainer import Listener, Plan, Trainer
from auditor.harden.unseen import unseen
from auditor.result.evidence import atomic_write
from auditor.result.run import Run
from auditor.target.binding import bind, bind_to

if TYPE_CHECKING:
    from auditor.events import Event
    from auditor.harden.settings import HardenSettings
    from auditor.harden.trainee import Trainee
    from auditor.plugins import Plugins
    from auditor.samples.base import Samples
    from auditor.settings import Settings
    from auditor.target.base import Target

RECORD, TRAINED, CHECKPOINTS = "hardened.json", "trained.json", "checkpoints"
REPORT_SAMPLES = 500
"""Samples that before and after are audited with, unless the user says otherwise."""

_CHECKED = 64


@dataclass
class Hardening:
    """One hardening. `folder` gets everything; `step` is told how training goes, `listen` what the audits do."""

    settings: HardenSettings
    plugins: Plugins
    folder: Path
    step: Listener = lambda progress, done, total: None
    listen: Callable[[Event], None] = lambda event: None
    resume: bool = False

    def execute(self) -> dict[str, Any] | None:
        """Do it all; the record, which is in `hardened.json` too.

        Where several processes were started together (`torchrun`) they train together; the first does everything else,
        and the others get no record.

        Raises:
            AuditorError: settings, model, data or folder cannot be used, or what was written is not what was trained.
        """
        with joined() as crew:
            if crew.rank == 0:
                self._open()
            crew.wait()
            trained = self._read(TRAINED) if self.resume else None
            trained = trained or self._train(crew)
        if crew.rank:
            return None
        before = self._audit("before", self._before(trained))
        after = self._audit("after", self._after(trained))
        found = outcome(before, after, self.settings.threat, self.settings.audit.confidence)
        record = {
            "schema": SCHEMA,
            "result": sentence(found),
            "exit_code": after.result.exit_code or int(not found["helped"]),
            **found,
            **trained,
            "environment": environment(choose_device(self.settings.audit.device)),
        }
        self._write(RECORD, record)
        return record

    def _open(self) -> None:
        # A float form alone is left where settings did not fit it; it is written anew.
        occupied = self.folder.exists() and (
            not self.folder.is_dir() or any(path.name != FLOAT for path in self.folder.iterdir())
        )
        if occupied and not self.resume:
            raise RunError(f"{self.folder} exists already and is not empty. Choose another --out, or say --resume.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"The directory {self.folder} cannot be made: {error.strerror}.") from error

    def _train(self, crew: Crew) -> dict[str, Any]:
        """Train; what the record says of it. The first process writes the model."""
        s, audit = self.settings, self.settings.audit
        source, target, samples, remarks = self._opened(crew)
        parts = split(samples.labels, audit.seed, hold_out=not s.validation)
        trainee = trainee_of(target, s.freeze, label_smoothing=s.training.label_smoothing)
        trainee.crew = crew
        progress = self._trained(trainee, target, samples, parts)
        if crew.rank:
            return {}
        provenance = {"made by": f"auditor {__version__}", "made of": source.sha256, "recipe": s.text}
        x = samples.fetch(parts.validation[:_CHECKED].tolist())
        written = writing.write(target, trainee, self.folder, x, provenance)
        held_out = s.validation or str(write_held_out(samples, parts.held_out, self.folder))
        record = {
            "model": {"path": audit.models[0], "sha256": source.sha256, "format": source.format},
            "files": {
                "deployed": str(written.deployed) if written.deployed else None,
                "weights": str(written.weights),
                "program": str(written.program) if written.program else None,
                "difference": self._difference(written, trainee, x),
            },
            "recipe": {**_described(s), "augment": sorted(self._augment(samples))},
            "data": {
                "source": audit.data,
                "held_out": held_out,
                "shape": list(samples.shape),
                "training": len(parts.training),
                "validation": len(parts.validation),
            },
            "training": {**progress.record(), "processes": crew.world},
            "remarks": [
                *unread([(one.name, one.reason) for one in samples.skipped]),
                *remarks,
                *progress.remarks,
                *written.remarks,
            ],
        }
        self._write(TRAINED, record)
        checkpoint.forget(self.folder / CHECKPOINTS)
        return record

    def _opened(self, crew: Crew) -> tuple[Target, Target, Samples, tuple[str, ...]]:
        """The model as it came, the form of it that is trained, the samples, and what is to be said of that form."""
        audit = self.settings.audit
        device = own_device(choose_device(audit.device))

        def load(path: str) -> Target:
            return self.plugins.load_model(path, model_options(audit, trust=audit.trust), device)

        source = load(audit.models[0])
        samples = read_samples(audit.model_copy(update={"samples": None}), self.plugins, source, split="train")
        with source.frozen():
            bind(source, samples)
        check_labels(samples.labels.numpy(), source)
        target, remarks = trainable_form(source, samples, self.folder, load, crew)
        return source, target, samples, remarks

    def _trained(self, trainee: Trainee, target: Target, samples: Samples, parts: Split) -> Progress:
        s, seed = self.settings, self.settings.audit.seed
        augment = self._augment(samples)
        chosen = Validation(samples.fetch(parts.validation.tolist()), samples.labels[parts.validation], s.threat, seed)
        described = {**_described(s), "seed": seed, "freeze": s.freeze, "keep_clean": s.keep_clean}
        told = [described, samples.sha256, target.sha256, sorted(augment), target.preprocessing.describe()]
        plan = Plan(
            recipe=s.recipe,
            additions=s.additions,
            training=s.training,
            threat=s.threat,
            seed=seed,
            keep_clean=s.keep_clean,
            time_limit=s.time_limit,
            key=hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest(),
        )
        batches = Batches(samples, parts.training, seed, augment)
        folder = self.folder / CHECKPOINTS
        trainer = Trainer(trainee, plan, batches, chosen, folder, self.step if trainee.crew.rank == 0 else _unheard)
        return trainer.run(resume=self.resume and (folder / checkpoint.LAST).is_file())

    def _augment(self, samples: Samples) -> frozenset[str]:
        augment = usual(samples.shape) if self.settings.augment is None else self.settings.augment
        if augment and len(samples.shape) != 3:
            raise UsageError(f"--augment is for images; samples of the shape {samples.shape} are none. Leave it out.")
        return augment

    def _difference(self, written: writing.Written, trainee: Trainee, x: Any) -> float | None:
        """How far the written files are from the network that was trained."""
        files = {str(path) for path in (written.deployed, written.program) if path}
        trained, differences = answers(trainee, x), []
        audit = self.settings.audit
        options = model_options(audit.model_copy(update={"weights": None}), trust=False)
        for file in sorted(files):
            target = self.plugins.load_model(file, options, choose_device(audit.device))
            bind_to(target, x)
            differences.append(writing.check(target, trained, x, rounds=written.rounds))
        return max(differences, default=None)

    def _before(self, trained: Mapping[str, Any]) -> Settings:
        s = self.settings.audit
        shape = tuple(trained["data"]["shape"])
        return s.model_copy(
            update={
                "data": trained["data"]["held_out"],
                "threats": (*s.threats, *unseen(s.threats[0], shape)),
                "samples": s.samples or REPORT_SAMPLES,
                "time_limit": None,
                "min_robust_accuracy": None,
                "min_clean_accuracy": None,
            }
        )

    def _after(self, trained: Mapping[str, Any]) -> Settings:
        """The same of the hardened file, beside its baseline, and with the gates that were asked for."""
        s, files = self.settings.audit, trained["files"]
        deployed = {"models": (files["deployed"],), "weights": None, "baseline": str(self.folder / "before")}
        module = {"weights": files["weights"], "baseline": str(self.folder / "before")}
        gates = {"min_robust_accuracy": s.min_robust_accuracy, "min_clean_accuracy": s.min_clean_accuracy}
        return self._before(trained).model_copy(update={**(deployed if files["deployed"] else module), **gates})

    def _audit(self, name: str, settings: Settings) -> Run:
        folder = self.folder / name
        if not (folder / "result.json").is_file():
            begun = (folder / MANIFEST).is_file()
            Audit(settings, self.plugins, folder, self.listen, resume=begun).execute()
        return Run(folder)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            record: dict[str, Any] = json.loads((self.folder / name).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RunError(f"{self.folder / name} cannot be read ({error}); begin anew in another --out.") from error
        return record

    def _write(self, name: str, record: Mapping[str, Any]) -> None:
        try:
            atomic_write(self.folder / name, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
        except OSError as error:
            raise RunError(f"{self.folder / name} cannot be written: {error.strerror}; make room.") from error


def _unheard(progress: Progress, done: int, total: int) -> None:
    """The first of several processes is the one that tells."""


def _described(s: HardenSettings) -> dict[str, Any]:
    """What is trained, how, and for which threat."""
    return {
        "text": s.text,
        "name": s.recipe.name,
        "paper": s.recipe.paper,
        "parameters": asdict(s.recipe),
        "additions": [{"name": a.name, "paper": a.paper, "parameters": asdict(a)} for a in s.additions],
        "training": asdict(s.training),
        "norm": s.threat.norm.value,
        "eps": s.threat.eps,
    }
