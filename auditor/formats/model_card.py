"""`model-card.md`: what was measured as metadata of a model card, as Hugging Face's hub reads it (`model-index`).

The text below the metadata is the Markdown summary, so the file can be a repository's README as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from auditor.formats import words
from auditor.formats.base import Format

if TYPE_CHECKING:
    from auditor.result.record import ModelResult, Result
    from auditor.result.run import Run


class ModelCard(Format):
    """Clean, robust and certified accuracies; an accuracy that is not known is left out, and never guessed."""

    name = "model-card"
    filename = "model-card.md"
    help = "A model card with Hugging Face's model-index: clean, robust and certified accuracies."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """YAML between `---`, then the summary."""
        from auditor.formats.markdown import Markdown

        result = run.result
        card = {
            "tags": ["adversarial-robustness", "auditor"],
            "model-index": [entry for model in result.models if (entry := _entry(model, result))],
        }
        return "---\n" + "\n".join(_yaml(card)) + "\n---\n\n" + Markdown().render(run)


def _entry(model: ModelResult, result: Result) -> dict[str, Any] | None:
    """One model of the index; None where nothing was measured."""
    metrics = list(_metrics(model, result))
    if not metrics:
        return None
    images = len(result.data.shape) == 3
    task = ("image-classification", "Image classification") if images else ("other", "Classification")
    data = PurePath(result.data.source).name or result.data.source
    measured = {
        "task": {"type": task[0], "name": task[1]},
        "dataset": {"type": words.printable(data), "name": words.printable(result.data.source)},
        "metrics": metrics,
    }
    return {"name": words.printable(model.name), "results": [measured]}


def _metrics(model: ModelResult, result: Result) -> Iterator[dict[str, Any]]:
    if model.clean_accuracy is not None:
        yield _metric("accuracy", "Accuracy", model.clean_accuracy)
    for threat in model.threats:
        under = words.threat(threat.norm, threat.eps, result.settings)
        if threat.robust_accuracy is not None and not threat.minimal:
            doubted = " (inconclusive)" if result.verdict == "inconclusive" else ""
            yield _metric("robust_accuracy", f"Robust accuracy under {under}{doubted}", threat.robust_accuracy)
        if threat.certified_accuracy is not None:
            yield _metric("certified_accuracy", f"Certified accuracy under {under}", threat.certified_accuracy)


def _metric(kind: str, name: str, value: float) -> dict[str, Any]:
    return {"type": kind, "name": name, "value": round(value, 6), "verified": False}


def _yaml(value: Any, indent: str = "") -> Iterator[str]:
    """Tables and lists as block style; scalars as JSON writes them, which YAML reads alike."""
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in items:
        head = f"{indent}{json.dumps(key)}:" if key is not None else f"{indent}-"
        if isinstance(item, dict | list) and item:
            yield head
            yield from _yaml(item, indent + "  ")
        else:
            yield f"{head} {json.dumps(item)}"
