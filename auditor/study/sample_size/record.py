"""What a study of the number of training samples measured: `study.json`."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from auditor.result.frozen import Frozen
from auditor.result.statistics import Interval

SCHEMA = "auditor.study.sample-size/1"


class Share(Frozen):
    """A share of `n` samples."""

    value: float
    interval: Interval
    n: int


class Point(Frozen):
    """A network trained on so many samples: how much of these, and of held-out ones, it has right, as they are and
    after gradient steps within the budget."""

    samples: int
    clean_train: Share
    clean_test: Share
    robust_train: Share
    robust_test: Share

    @property
    def gap(self) -> float:
        """The robust generalisation gap."""
        return self.robust_train.value - self.robust_test.value


class SizeStudy(Frozen):
    """What was asked, and the answers so far, fewest samples first."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    source: str
    sha256: str
    norm: str
    eps: float
    recipe: str
    updates: int
    """Of each network, whatever the number of samples."""
    attacked: int
    seed: int
    confidence: float
    sizes: tuple[int, ...]
    points: tuple[Point, ...] = ()

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    def to_json(self) -> str:
        """The content of `study.json`."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
