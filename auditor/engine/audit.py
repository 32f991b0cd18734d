"""A whole audit: from settings to a finished run directory. One direction; no later stage reaches back."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.engine.compared import compared, shares_none
from auditor.engine.environment import choose_device, environment, versions
from auditor.engine.findings import blocked
from auditor.engine.loading import Loader
from auditor.engine.model_audit import ModelAudit
from auditor.engine.plan import chosen_attacks, configured
from auditor.engine.store import MANIFEST, Store
from auditor.engine.surrogates.party import Party
from auditor.engine.transfer.contender import release
from auditor.engine.transfer.setups import attacks_of
from auditor.engine.transfer.stage import TransferStage
from auditor.engine.wrapping import chosen_wrappers
from auditor.errors import DataError, RunError, UsageError
from auditor.events import Event, ScanFinished, ScanStarted
from auditor.gate import gates_of, judge
from auditor.result.certificate import FILE as PROOFS
from auditor.result.certificate import Proof, write_proofs
from auditor.result.comparison import compare_runs
from auditor.result.corruptions import normalised
from auditor.result.data import Data
from auditor.result.data import Skipped as SkippedRecord
from auditor.result.evidence import atomic_write, slug
from auditor.result.record import ModelResult, Result
from auditor.result.run import Run
from auditor.result.samples_csv import Row, write_rows
from auditor.types import Threat

if TYPE_CHECKING:
    import torch

    from auditor.attack import Attack
    from auditor.engine.transfer.contender import Contender
    from auditor.plugins import Plugins
    from auditor.result.transfer import TransferResult
    from auditor.samples.base import Samples
    from auditor.settings import AttackSetting, Settings

# Settings that may change between an interruption and its resumption: they decide no sample's outcome.
_FREE = frozenset(
    {
        "time_limit",
        "isolate",
        "isolate_time",
        "isolate_memory",
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
    _proofs: list[Proof] = field(default_factory=list)

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
        if (hardened := self.settings.hardened_with) is not None:
            _known(make, hardened)
        wrapped = chosen_wrappers(self.settings, self.plugins.defenses())
        several = self.settings.transfer and len(self.settings.models) > 1
        if several:
            attacks_of(self.settings, make)
        checks = tuple(self.plugins.checks().values())
        if self.settings.max_drop is not None and self.settings.baseline is None:
            raise UsageError("--max-drop needs a run to compare with: name it with --baseline RUN.")
        party = self._party(device, make)
        self.baseline = Run(Path(self.settings.baseline)) if self.settings.baseline else None
        self._open()
        deadline = clock + self.settings.time_limit if self.settings.time_limit else float("inf")
        loader = Loader(self.settings, self.plugins, device, wrapped)
        store, samples, transfer = None, None, None
        models: list[ModelResult] = []
        contenders: list[Contender] = []
        try:
            for number, source in enumerate(self.settings.models):
                target, samples, problem = loader.first(source, samples)
                if samples is None:
                    raise problem or DataError("The data could not be read.")
                if store is None:
                    store = self._claim(samples)
                    self.listen(ScanStarted(models=self.settings.models, samples=len(samples), run=str(self.run)))
                if target is None:
                    models.append(blocked(source, problem))
                    continue
                target.name = _unique(target.name, [m.name for m in models])
                left = len(self.settings.models) - number + several
                share = deadline if left == 1 else time.monotonic() + max(0.0, deadline - time.monotonic()) / left
                audit = ModelAudit(
                    self.settings, attacks, make, checks, party, target, samples, store, self.listen, share
                )
                models.append(audit.execute())
                self._rows.append(audit.rows)
                self._proofs += audit.certificate.proofs
                contenders += [audit.contender] if audit.contender is not None else []
                # Before the next one is loaded: two at once may be more than there is room for.
                del audit, target
                party.dismiss()
                release()
            if several and store is not None and samples is not None:
                load = partial(loader.again, samples=samples)
                stage = TransferStage(self.settings, make, load, samples, store, self.listen, deadline)
                transfer = stage.run(contenders)
                models = [stage.counted.told(model, contenders, self.settings, samples.eight_bit) for model in models]
        finally:
            if store is not None:
                store.close()
        assert samples is not None
        return self._finish(models, transfer, samples, device, started, time.monotonic() - clock)

    def _party(self, device: torch.device, make: Callable[[str, Mapping[str, Any]], Attack]) -> Party:
        """The surrogates that are named. Raises UsageError for what cannot be meant of them."""
        party = Party(self.settings, self.plugins.extractions(), partial(self.plugins.load_model, device=device), make)
        party.check()
        return party

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
        self,
        models: list[ModelResult],
        transfer: TransferResult | None,
        samples: Samples,
        device: torch.device,
        started: datetime,
        seconds: float,
    ) -> Result:
        result = Result(
            verdict="error",
            exit_code=4,
            data=_data_record(self.settings.data, samples),
            settings=self.settings.model_dump(mode="json"),
            environment=environment(device),
            models=tuple(models),
            transfer=transfer,
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
            if self._proofs:
                write_proofs(self.run / PROOFS, self._proofs)
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


def _known(make: Callable[[str, Mapping[str, Any]], Attack], hardened: AttackSetting) -> None:
    """Hold what the model is said to be hardened with against what is installed: a slip would go unnoticed, since it is
    compared with the attacks of the audit and run by nobody. Raises UsageError."""
    try:
        make(hardened.name, hardened.parameters)
    except UsageError as error:
        raise UsageError(
            f"--hardened-with: {error} Leave the flag out where the attack is none of those: then the audit attacks "
            f"with something else anyhow."
        ) from error


def _unique(name: str, taken: list[str]) -> str:
    """A name that differs from those taken, also as a file name."""
    used = {slug(other) for other in taken}
    if slug(name) not in used:
        return name
    return next(f"{name}-{i}" for i in range(2, len(taken) + 3) if slug(f"{name}-{i}") not in used)
