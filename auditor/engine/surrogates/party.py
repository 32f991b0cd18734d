"""The surrogates of one scan: what the settings name, made ready for one model after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.engine.surrogates.extracting import Extractor
from auditor.engine.surrogates.loading import loaded, options_of
from auditor.engine.surrogates.plan import ENSEMBLE, attacks_from, with_surrogates
from auditor.engine.surrogates.surrogate import Standard, Surrogate, left_out
from auditor.parameters import coerced
from auditor.settings import SurrogateSetting

if TYPE_CHECKING:
    from auditor.attack import Attack
    from auditor.check import Finding
    from auditor.engine.plan import Part
    from auditor.engine.store import Store
    from auditor.engine.surrogates.attack import FromSurrogates
    from auditor.events import Event
    from auditor.extraction import Extraction
    from auditor.result.surrogates import SurrogateResult
    from auditor.settings import Settings
    from auditor.target.base import ModelOptions, Target
    from auditor.types import Threat

DISTILL = "distill"


@dataclass
class Party:
    """What stands in for the model that is audited.

    Attributes:
        extractions: classes that train substitutes, by name.
        load: makes an unbound target of what a surrogate is called, with options of its own.
        make: sets an attack up by name and parameters.
        members: those of the model that is audited now.
    """

    settings: Settings
    extractions: Mapping[str, type[Extraction]]
    load: Callable[[str, ModelOptions], Target]
    make: Callable[[str, Mapping[str, Any]], Attack]
    members: tuple[Surrogate, ...] = ()

    def check(self) -> None:
        """Whether what is said of surrogates can be meant, before anything is read. Raises UsageError."""
        for setting in self.settings.surrogates:
            if setting.source in self.extractions:
                self._extraction(setting)
            else:
                options_of(setting, trust=self.settings.trust)

    def gather(
        self,
        standard: Standard,
        store: Store,
        batch_size: int,
        deadline: float,
        listen: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """Load them, or train them in at most half of the time that is left, for the model that is audited now.

        Raises:
            UsageError: one cannot be loaded, or does not fit the samples.
        """
        self.dismiss()
        now, s = time.monotonic(), self.settings
        extractor = Extractor(
            standard=standard,
            store=store,
            seed=s.seed,
            batch_size=batch_size,
            deadline=now + max(0.0, deadline - now) / 2.0,
            budget=(s.max_passes or math.inf) * len(standard.samples),
            listen=listen,
        )
        for setting in s.surrogates or self._unasked(standard.target):
            name = self._name(setting)
            if setting.source in self.extractions:
                member = extractor.extract(self._extraction(setting), name)
            else:
                member = loaded(setting, name, s, self.load, standard)
            self.members += (member,)

    def dismiss(self) -> None:
        """Let go of the models."""
        self.members = ()

    def join(self, parts: Sequence[Part], threat: Threat, rank: int, *, gradients: bool) -> tuple[Part, ...]:
        """The plan `parts` against samples of `rank` dimensions, with what is made on surrogates."""
        return with_surrogates(parts, self.attacks(threat, rank), gradients=gradients)

    def attacks(self, threat: Threat, rank: int) -> tuple[FromSurrogates, ...]:
        """What makes examples on surrogates under this threat."""
        return tuple(attacks_from(self.members, threat, rank, self.make))

    @property
    def records(self) -> tuple[SurrogateResult, ...]:
        return tuple(member.record for member in self.members)

    @property
    def queries(self) -> int:
        """Questions that the model was asked to train substitutes of it."""
        return sum(record.queries for record in self.records)

    @property
    def findings(self) -> Iterator[Finding]:
        """What was not tried, and why."""
        return left_out(self.members if self.settings.surrogates else ())

    def _unasked(self, target: Target) -> tuple[SurrogateSetting, ...]:
        """What the longest suite tries where nothing follows gradients: it asks more than that of every sample."""
        thorough = self.settings.suite == "thorough" and not self.settings.attacks
        wanted = thorough and target.twin is None and DISTILL in self.extractions
        return (SurrogateSetting(source=DISTILL),) if wanted else ()

    def _extraction(self, setting: SurrogateSetting) -> Extraction:
        cls = self.extractions[setting.source]
        return cls(**coerced(cls, setting.options))

    def _name(self, setting: SurrogateSetting) -> str:
        """Short, and another one for each."""
        name = setting.source.replace("\\", "/").rpartition("/")[2].rpartition(":")[2]
        stem, _, suffix = name.rpartition(".")
        return self._free(stem if stem and suffix.isalnum() else name)

    def _free(self, name: str) -> str:
        taken = {ENSEMBLE, *(record.name for record in self.records)}
        names = (name if i == 1 else f"{name}-{i}" for i in range(1, len(taken) + 2))
        return next(each for each in names if each not in taken)
