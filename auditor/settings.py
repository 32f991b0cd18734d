"""What the user asked for, from flags, `auditor.toml` and `[tool.auditor]`; checked all at once."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from auditor.types import AUTO, Norm

Budget = Annotated[
    float,
    BeforeValidator(lambda value: math.inf if value == AUTO else value),
    PlainSerializer(lambda value: AUTO if math.isinf(value) else value, when_used="json"),
]
"""A radius; infinite, and `"auto"` in JSON, where the smallest change is looked for."""


class AttackSetting(BaseModel):
    """An attack, or another plugin that takes hyper-parameters, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class SurrogateSetting(BaseModel):
    """Another model on which examples are made, or an extraction by name, with options of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    options: dict[str, Any] = Field(default_factory=dict)


class ThreatSetting(BaseModel):
    """A norm and a budget."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    norm: Norm
    eps: Budget


class Settings(BaseModel):
    """Everything that decides what a run does; stored in `result.json`, compared when a run is resumed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...]
    data: str
    threats: tuple[ThreatSetting, ...]
    goal: str = "untargeted"
    mask: str | None = None
    rotation: float = Field(default=30.0, gt=0.0, le=180.0)
    translation: float = Field(default=3.0, ge=0.0)
    corruptions: str = "common"
    eot: int | None = Field(default=None, ge=1)
    bpda: bool = False
    abstain: str | None = None
    suite: str = "standard"
    attacks: tuple[AttackSetting, ...] = ()
    wrappers: tuple[AttackSetting, ...] = ()
    hardened_with: AttackSetting | None = None
    surrogates: tuple[SurrogateSetting, ...] = ()
    samples: int | None = None
    seed: int = 0
    batch_size: int | None = None
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    time_limit: float | None = Field(default=None, gt=0.0)
    max_passes: int | None = Field(default=None, ge=1)
    tolerance: float = Field(default=0.002, ge=0.0, le=1.0)
    escalation: bool = True
    transfer: bool = True
    transfer_attacks: tuple[AttackSetting, ...] = ()
    ensemble: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    input_range: tuple[float, float] | None = None
    layout: Literal["auto", "nchw", "nhwc", "flat"] = "auto"
    channel_order: Literal["rgb", "bgr"] = "rgb"
    input_size: tuple[int, int] | None = None
    classes: tuple[str, ...] | None = None
    root: str | None = None
    weights: str | None = None
    input: str | None = None
    constants: dict[str, float | str] = Field(default_factory=dict)
    output: str | None = None
    providers: tuple[str, ...] = ()
    trust: bool = False
    min_robust_accuracy: float | None = None
    min_clean_accuracy: float | None = None
    expected_clean_accuracy: float | None = None
    max_drop: float | None = None
    baseline: str | None = None
    sequential: bool = False
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    preflight_samples: int = Field(default=256, ge=1)
    without: tuple[str, ...] = ()
    isolate: tuple[str, ...] = ()
    isolate_time: float = Field(default=600.0, gt=0.0)
    isolate_memory: float = Field(default=4.0, gt=0.0)
