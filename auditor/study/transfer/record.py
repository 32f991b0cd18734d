"""What a study of transfer measured: `study.json`."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from auditor.result.frozen import Frozen
from auditor.result.statistics import Interval
from auditor.result.transfer import TransferMatrix

SCHEMA = "auditor.study.transfer/1"


class Figure(Frozen):
    """A share or a mean, with its interval, and what the paper has; None where it has none."""

    value: float
    interval: Interval
    paper: float | None = None


class Network(Frozen):
    """A network that was trained: errors are shares of samples, distortions are root mean squares over pixels."""

    name: str
    text: str
    data: Literal["all", "P1", "P2"]
    train_error: Figure
    """On what it was trained on."""
    test_error: Figure
    """On held-out samples; those that it has right are attacked."""
    distortion: Figure
    """Of the smallest changes that fool it, on the mean over samples."""
    attacked: int
    found: int


class Travel(Frozen):
    """The examples of one experiment, tried on each of its networks."""

    title: str
    matrix: TransferMatrix
    """`noise` is Gaussian, as large on every sample as the change; there is no ceiling beyond the diagonal."""
    distortions: dict[str, Figure]
    """Of the examples made on each network, by its name."""
    paper: dict[str, dict[str, float]]
    """The paper's rates by source and target, where it has them; of all samples, natural mistakes included."""


class Noise(Frozen):
    """Gaussian noise of one standard deviation, clipped to `[0, 1]`, shown to every network of an experiment."""

    deviation: float
    size: Figure
    """Root mean square of what is left of it after clipping, on the mean over samples."""
    rates: dict[str, Figure]
    """Share fooled of the samples that each network has right, by its name."""


class Experiment(Frozen):
    """Networks that differ in one respect, and what travels between them."""

    name: Literal["architectures", "halves", "depths"]
    title: str
    networks: tuple[Network, ...]
    travels: tuple[Travel, ...]
    """The smallest changes, and the same magnified."""
    noise: tuple[Noise, ...] = ()
    """The rows that close the paper's table 2."""


class Study(Frozen):
    """All experiments on one data set."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    source: str
    sha256: str
    shape: tuple[int, ...]
    classes: int
    trained: int
    held_out: int
    attacked: int
    """At most so many of the held-out samples are attacked on each network."""
    seed: int
    confidence: float
    experiments: tuple[Experiment, ...]
    left_out: tuple[str, ...] = ()
    """What was not done, and why."""
    environment: dict[str, str] = Field(default_factory=dict)
    seconds: float = 0.0

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    def to_json(self) -> str:
        """The content of `study.json`."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
