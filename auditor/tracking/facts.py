"""What a tracker keeps of a run: metrics and parameters under names that every one of them takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from auditor.formats import words
from auditor.formats.views.numbers import changed_settings

if TYPE_CHECKING:
    from auditor.result.record import Result


def metrics(result: Result) -> dict[str, float]:
    """Accuracies that are known, as `robust_accuracy/linf-8-255`; with several models as `MODEL/robust_accuracy/…`."""
    found = {"exit_code": float(result.exit_code)}
    for model in result.models:
        front = f"{_plain(model.name)}/" if len(result.models) > 1 else ""
        if model.clean_accuracy is not None:
            found[f"{front}clean_accuracy"] = model.clean_accuracy
        for threat in model.threats:
            under = f"{threat.norm}-{_plain(words.budget(threat.norm, threat.eps))}"
            if threat.smallest is not None:
                if threat.smallest.median is not None:
                    found[f"{front}smallest_change/{threat.norm}"] = threat.smallest.median
            elif threat.robust_accuracy is not None:
                found[f"{front}robust_accuracy/{under}"] = threat.robust_accuracy
            if threat.certified_accuracy is not None:
                found[f"{front}certified_accuracy/{under}"] = threat.certified_accuracy
    return found


def parameters(result: Result) -> dict[str, str]:
    """What was audited with what: data, models, suite, seed, and settings that are not as they are by default."""
    said = {
        "data": result.data.source,
        "data_sha256": result.data.sha256,
        "samples": str(result.data.n),
        "suite": str(result.settings.get("suite", "")),
        "seed": str(result.settings.get("seed", "")),
    }
    for number, model in enumerate(result.models):
        said |= {f"model_{number}": model.path, f"model_{number}_sha256": model.sha256}
    return said | {_plain(name): value for name, value in changed_settings(result)}


def _plain(text: str) -> str:
    """Letters, digits, `.`, `_` and `-`: what every tracker allows in a name."""
    return re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).strip("-") or "model"
