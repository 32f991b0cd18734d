"""What a check looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.result.record import ModelResult
    from auditor.samples.base import Samples
    from auditor.settings import Settings
    from auditor.target.base import Target
    from auditor.types import Images, Labels


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One model, its data, and what is known so far.

    Attributes:
        target: bound to the samples and in eval mode.
        samples: the whole data, read on demand.
        x, y: the first few hundred samples (`settings.preflight_samples`), on the CPU.
        settings: what the user asked for.
        result: the record of the model, once the attacks are done; None before.
        inquiry: one threat's attacks, and more of them for the asking, once its suite has run; None otherwise.
    """

    target: Target
    samples: Samples
    x: Images
    y: Labels
    settings: Settings
    result: ModelResult | None = None
    inquiry: Inquiry | None = None
