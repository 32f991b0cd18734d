"""What a known answer is: a model and data, what is wrong with them, and which finding has to say so."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MODELS = "auditor.selftest"
REFUSED = "refused"
"""Among the codes of a case: no finding, since the scan ends before there can be one, with a sentence that says why."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One scan whose outcome is known beforehand.

    Attributes:
        name: unique; it also decides which part of the bench the case belongs to.
        model: what `auditor scan` is given: a file, or `package.module:factory`.
        wrong: what is wrong with model, data or attack, in a few words; empty for an honest case.
        codes: findings any one of which names what is wrong; none for an honest case.
        data: name of a recipe in `auditor.selftest.data`, or of a file.
        eps: budgets, ascending; the last is the one reported.
        settings: further flags of the scan, under the names of the settings.
        opened: a model that decides alike and hides nothing, on which the truth is measured; empty where the model
            itself can be measured by a scan that nobody hinders.
        exact: whether the truth is computed and not measured, so that a scan has to meet it to the sample.
        quick: whether `auditor selftest` runs it without `--all`.
    """

    name: str
    model: str
    wrong: str = ""
    codes: tuple[str, ...] = ()
    data: str = "digits"
    norm: str = "linf"
    eps: tuple[float, ...] = (0.1,)
    settings: Mapping[str, Any] = field(default_factory=dict)
    opened: str = ""
    exact: bool = False
    quick: bool = False

    @property
    def honest(self) -> bool:
        """Whether nothing is wrong, so that no finding above `info` may be raised."""
        return not self.codes

    @property
    def part(self) -> Literal["calibration", "test"]:
        """Thresholds may be chosen by looking at the first; the second says what they are worth. Decided by name."""
        return "test" if hashlib.sha256(self.name.encode()).digest()[0] % 2 else "calibration"

    def flags(self, data: str, *, suite: str = "standard") -> dict[str, Any]:
        """The flags of the scan, with the samples in the file `data`."""
        return {
            "models": [self.model],
            "data": data,
            "norm": [self.norm],
            "eps": [repr(eps) for eps in self.eps],
            "suite": suite,
            # Chosen by measurement, the precision of the search would move a sample or two between two runs.
            "precision": "float32",
            **self.settings,
        }


def ours(module: str, factory: str) -> str:
    """The name of a model of this package, as `auditor scan` takes it."""
    return f"{MODELS}.{module}:{factory}"
