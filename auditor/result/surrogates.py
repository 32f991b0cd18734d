"""What stood in for a target whose gradients an attacker does not see, and how like the target it is."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from auditor.result.frozen import Frozen
from auditor.result.statistics import Interval


class SurrogateResult(Frozen):
    """One surrogate: a model that was given, or a substitute that was trained on the target's answers.

    Agreement is on clean samples that the surrogate was not trained on: the share to which it gives the target's label.
    """

    name: str
    source: str
    """What the user named."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Of it alone; of a substitute all hyper-parameters."""
    sha256: str = ""
    """Of its file; of a substitute's weights."""
    format: str = ""
    preprocessing: str = ""
    agreement: float | None = None
    agreement_interval: Interval | None = None
    samples: int = 0
    """On which agreement was measured."""
    clean_accuracy: float | None = None
    """On the same samples, by the labels of the data."""
    left_out: str = ""
    """Why no examples were made on it; empty where they were."""
    queries: int = 0
    """Questions that the target was asked to train it: forward passes of single samples, beside those of attacks."""
    forwards: int = 0
    backwards: int = 0
    """Single samples through the substitute in training."""
    seconds: float = 0.0
