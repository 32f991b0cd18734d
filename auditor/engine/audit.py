"""A whole audit: from settings to a finished run directory. One direction; no later stage reaches back."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.engine.compared import compared, shares_none
from auditor.engine.environment import choose_device, environment, versions
from auditor.engine.findings import blocked
from auditor.engine.model_audit import ModelAudit
from auditor.engine.options import model_options
from auditor.engine.plan import chosen_attacks, configured
from auditor.engine.store import MANIFEST, Store
from auditor.engine.wrapping import chosen_wrappers, wrap
from auditor.errors import AuditorError, DataError, ModelError, RunError, UsageError
from auditor.events import Event, ScanFinished, ScanStarted
from auditor.gate import gates_of, judge
from auditor.result.comparison import compare_runs
from auditor.result.corruptions import normalised
from auditor.result.evidence import atomic_write, slug
from auditor.result.record import Data, ModelResult, Result
from auditor.result.record import Skipped as SkippedRecord
from auditor.result.run import Run
from auditor.result.samples_csv import Row, write_rows
from auditor.samples.base import SampleOptions
from auditor.target.wrapped import Wrapped
from auditor.types import Threat

if TYPE_CHECKING:
    import torch

    from auditor.plugins import Plugins
    from auditor.samples.base import Samples
    from auditor.settings import Settings
    from auditor.target.base import Target

# Settings that may change between an interruption and its resumption: they decide no sample's outcome.
_FREE = frozenset(
    {
        "time_limit",
        "min_robust_accuracy",
        "min_clean_accuracy",
        "max_drop",
        "baseline",
        "confidence",
        "batch_size",
        "device",
        "expected_clean_accuracy",
    }
)


@dataclass
class Audit:
    """One scan. `run` is its directory, `listen` is told of every event."""

    settings: Settings
    plugins: Plugins
    run: Path
    listen: Callable[[Event], None] = lambda event: None
    resume: bool = False
    baseline: Run | None = None
    _rows: list[Iterable[Row]] = field(default_factory=list)
    _wrapped: Wrapped = field(default_factory=lambda: Wrapped(()))

    def execute(self) -> Result:
        """Do it all, and write `result.json`, `samples.csv` and `evidence/`.

        Raises:
            AuditorError: settings, data or run directory cannot be used. A model that cannot be audited does not
                raise: it is in the result, with a finding that blocks.
        """
        started, clock = datetime.now(UTC), time.monotonic()
        device = choose_device(self.settings.device)
        attacks = partial(chosen_attacks, self.settings, self.plugins.attacks(), find=self.plugins.find_attack)
        make = partial(configured, self.plugins.attacks(), find=self.plugins.find_attack)
        for setting in self.settings.threats:
            attacks(Threat(norm=setting.norm, eps=setting.eps))  # Before anything is read: can these be had?
        self._wrapped = chosen_wrappers(self.settings, self.plugins.defenses())
        checks = tuple(self.plugins.checks().values())
        if self.settings.max_drop is not None and self.settings.baseline is None:
            raise UsageError("--max-drop needs a run to compare with: name it with --baseline RUN.")
        self.baseline = Run(Path(self.settings.baseline)) if self.settings.baseline else None
        self._open()
        deadline = clock + self.settings.time_limit if self.settings.time_limit else float("inf")
        store, samples, models = None, None, []
        try:
            for number, source in enumerate(self.settings.models):
                target, samples, problem = self._load(source, device, samples)
                if samples is None:
                    raise problem or DataError("The data could not be read.")
                if store is None:
                    store = self._claim(samples)
                    self.listen(ScanStarted(models=self.settings.models, samples=len(samples), run=str(self.run)))
                if target is None:
                    models.append(blocked(source, problem))
                    continue
                target.name = _unique(target.name, [m.name for m in models])
                left = len(self.settings.models) - number
                share = deadline if left == 1 else time.monotonic() + max(0.0, deadline - time.monotonic()) / left
                audit = ModelAudit(self.settings, attacks, make, checks, target, samples, store, self.listen, share)
                models.append(audit.execute())
                self._rows.append(audit.rows)
        finally:
            if store is not None:
                store.close()
        assert samples is not None
        return self._finish(models, samples, device, started, time.monotonic() - clock)

    def _open(self) -> None:
        occupied = self.run.exists() and (not self.run.is_dir() or any(self.run.iterdir()))
        if occupied and not self.resume:
            begun = " or continue it with --resume" if (self.run / MANIFEST).is_file() else ""
            raise RunError(
                f"{self.run} exists already{'' if self.run.is_file() else ' and is not empty'}. "
                f"Choose another --out{begun}."
            )
        if self.resume and not (self.run / MANIFEST).is_file():
            raise RunError(f"There is nothing to resume: {self.run} holds no run that was begun.")
        try:
            self.run.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"The run directory {self.run} cannot be made: {error.strerror}.") from error

    def _load(
        self, source: str, device: torch.device, samples: Samples | None
    ) -> tuple[Target | None, Samples | None, AuditorError | None]:
        """The target bound to the samples; the samples are read once, in the size that the first model wants."""
        from auditor.target.binding import bind

        try:
            target = self.plugins.load_model(source, model_options(self.settings, trust=self.settings.trust), device)
        except (ModelError, DataError) as error:
            return None, samples or self._samples(None), error
        samples = samples or self._samples(target)
        try:
            with target.frozen():
                bind(target, samples)
            wrap(target, self._wrapped, tuple(samples.shape))
        except (ModelError, DataError) as error:
            return None, samples, error
        return target, samples, None

    def _samples(self, target: Target | None) -> Samples:
        """The data in the size in which it is attacked: its own where that is at most what the model wants.

        Larger images are brought to the model's size first, as pipelines do; smaller ones are scaled inside the
        target, so that budgets stay in pixels of the data.
        """
        s = self.settings
        own = SampleOptions(limit=s.samples, seed=s.seed, classes=s.classes, root=s.root)
        wanted = s.input_size or (target.image_size() if target else None)
        samples = self._fitting(own, wanted) if wanted else self.plugins.load_samples(s.data, own)
        if not len(samples):
            raise DataError(f"{s.data} holds no samples.")
        return samples

    def _fitting(self, own: SampleOptions, wanted: tuple[int, int]) -> Samples:
        """The data in its own size if that is one, and at most `wanted`; a few samples tell the latter cheaply."""
        source = self.settings.data
        try:
            shape = self.plugins.load_samples(source, replace(own, limit=8)).shape
            if len(shape) != 3 or (shape[1] <= wanted[0] and shape[2] <= wanted[1]):
                return self.plugins.load_samples(source, own)
        except DataError:
            pass  # The same data in the wanted size says what is wrong with it, if anything still is.
        return self.plugins.load_samples(source, replace(own, size=wanted))

    def _claim(self, samples: Samples) -> Store:
        if self.baseline is not None and shares_none(self.baseline, samples):
            raise UsageError(
                f"The baseline {self.settings.baseline} audited other samples, so nothing can be compared with it."
            )
        store = Store(self.run, eight_bit=samples.eight_bit)
        settings = {k: v for k, v in self.settings.model_dump(mode="json").items() if k not in _FREE}
        store.claim({**settings, "samples' digest": samples.sha256, **versions()})
        return store

    def _finish(
        self, models: list[ModelResult], samples: Samples, device: torch.device, started: datetime, seconds: float
    ) -> Result:
        result = Result(
            verdict="error",
            exit_code=4,
            data=_data_record(self.settings.data, samples),
            settings=self.settings.model_dump(mode="json"),
            environment=environment(device),
            models=tuple(models),
            plugin_failures=tuple(
                {"plugin": str(f.plugin), "stage": f.stage, "error": f.error} for f in self.plugins.failures
            ),
            started=started.isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
            command=shlex.join(["auditor", *sys.argv[1:]]),
        )
        try:
            partial = self.run / "samples.csv.tmp"
            write_rows(partial, (row for rows in self._rows for row in rows))
            partial.replace(self.run / "samples.csv")
            result = self._decided(result)
            atomic_write(self.run / "result.json", result.to_json().encode())
        except OSError as error:
            raise RunError(
                f"The result cannot be written to {self.run}: {error.strerror}; make room, then --resume."
            ) from error
        self.listen(ScanFinished(result=result))
        return result

    def _decided(self, result: Result) -> Result:
        """The record with its comparison with the baseline, its gates and its verdict."""
        models, s = result.models, self.settings
        if self.baseline is not None and all(model.clean_accuracy is not None for model in models):
            after = Run(self.run, result)
            comparison = compare_runs(self.baseline, after, s.confidence)
            models = tuple(normalised(compared(model, comparison), self.baseline, after) for model in models)
        gates = gates_of(s, models, result.data.n)
        verdict, exit_code, summary = judge(models, gates)
        decided = {"models": models, "gates": gates, "verdict": verdict, "exit_code": exit_code, "summary": summary}
        return result.model_copy(update=decided)


def _data_record(source: str, samples: Samples) -> Data:
    return Data(
        source=source,
        n=len(samples),
        sha256=samples.sha256,
        shape=tuple(samples.shape),
        classes=samples.classes,
        skipped=tuple(SkippedRecord(name=s.name, reason=s.reason) for s in samples.skipped),
        eight_bit=samples.eight_bit,
    )


def _unique(name: str, taken: list[str]) -> str:
    """A name that differs from those taken, also as a file name."""
    used = {slug(other) for other in taken}
    if slug(name) not in used:
        return name
    return next(f"{name}-{i}" for i in range(2, len(taken) + 3) if slug(f"{name}-{i}") not in used)
