"""What came of it: before and after, sample by sample, from two ordinary runs on samples that nobody trained with."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from auditor.errors import ModelError
from auditor.formats.views.trust import in_doubt
from auditor.result.comparison import drop_of, without_gradients
from auditor.result.shared import shared_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.result.record import ModelResult, ThreatResult
    from auditor.result.run import Run
    from auditor.result.samples_csv import Row
    from auditor.types import Threat

SCHEMA = "auditor.hardened/1"


def outcome(before: Run, after: Run, trained: Threat, confidence: float) -> dict[str, Any]:
    """Clean accuracy and every threat, before and after, with intervals and a paired comparison; and whether the model
    got better under the threat that it was trained for by more than chance."""
    old, new = before.result.models[0], after.result.models[0]
    if not (old.threats and new.threats):
        failed = after if old.threats else before
        raise ModelError(f"Before and after cannot be compared: {failed.result.summary}")
    shared, first = shared_rows(before, after), new.threats[0]
    threats = []
    for was, now in zip(old.threats, new.threats, strict=True):
        rows = shared.of(old.name, new.name, now.norm, now.eps)
        told = _threat(was, now, rows, confidence, seen=now.norm is trained.norm and now.eps == trained.eps)
        told["before"]["doubt"], told["after"]["doubt"] = in_doubt(old, was), in_doubt(new, now)
        threats.append(told)
    clean = shared.of(old.name, new.name, first.norm, first.eps)
    flattered = {"earlier": "before", "later": "after", None: None}[without_gradients(old, new)]
    rose = next((t["change"]["word"] == "better" for t in threats if t["seen"]), False)
    return {
        "clean": _clean(old, new, clean, confidence),
        "threats": threats,
        "flattered": flattered,
        "helped": rose and flattered != "after",
    }


def _clean(old: ModelResult, new: ModelResult, rows: Sequence[tuple[Row, Row]], confidence: float) -> dict[str, Any]:
    return {
        "before": {"accuracy": old.clean_accuracy, "interval": old.clean_interval},
        "after": {"accuracy": new.clean_accuracy, "interval": new.clean_interval},
        "change": drop_of([(a.clean_correct, b.clean_correct) for a, b in rows], confidence).model_dump(mode="json"),
    }


def _threat(
    was: ThreatResult, now: ThreatResult, rows: Sequence[tuple[Row, Row]], confidence: float, *, seen: bool
) -> dict[str, Any]:
    known = [pair for pair in rows if all(row.outcome != "not_evaluated" for row in pair)]
    flags = [(a.outcome == "robust", b.outcome == "robust") for a, b in known]
    return {
        "norm": now.norm.value,
        "eps": now.eps,
        "seen": seen,
        "before": _side(was, [a for a, _ in rows]),
        "after": _side(now, [b for _, b in rows]),
        "change": drop_of(flags, confidence, len(rows) - len(known)).model_dump(mode="json"),
    }


def _side(threat: ThreatResult, rows: Sequence[Row]) -> dict[str, Any]:
    """`confidence`: the median of what the model gives the wrong class of an adversarial example (Goodfellow et al.,
    arXiv:1412.6572, found it high)."""
    confidences = [
        row.adversarial_confidence for row in rows if row.outcome == "broken" and row.adversarial_confidence is not None
    ]
    return {
        "accuracy": threat.robust_accuracy,
        "interval": threat.robust_interval,
        "confidence": round(statistics.median(confidences), 4) if confidences else None,
    }


def sentence(record: dict[str, Any]) -> str:
    """The result in a sentence or two, the bad news included."""
    change, clean = next(t["change"] for t in record["threats"] if t["seen"]), record["clean"]["change"]
    said = _unlike(change, record["flattered"]) or _alike(change, helped=record["helped"])
    chance = "" if clean["word"] in ("better", "worse", "slightly worse") else ", no more than chance"
    said += f"; clean accuracy changed by {_points(clean):+.1f} points{chance}."
    unseen = [t for t in record["threats"] if not t["seen"] and record["flattered"] != "before"]
    worse = [f"{t['norm']} {t['eps']:g}" for t in unseen if t["change"]["word"] == "worse"]
    return said + (f" It got worse under {', '.join(worse)}, which it never trained for." if worse else "")


def _alike(change: dict[str, Any], *, helped: bool) -> str:
    """Of two models that were attacked alike."""
    gained = _points(change)
    if helped:
        return f"It helped: robust accuracy rose by {gained:.1f} points under the threat that was trained for"
    if "worse" in change["word"]:
        return f"It did not help: robust accuracy fell by {-gained:.1f} points under the threat that was trained for"
    if gained > 0:
        rose_by = f"robust accuracy rose by {gained:.1f} points, no more than chance explains"
        return f"Whether it helped cannot be told: {rose_by}"
    return f"It did not help: robust accuracy changed by {gained:+.1f} points, no more than chance"


def _unlike(change: dict[str, Any], flattered: str | None) -> str:
    """Of two models of which one alone was attacked without its gradients: a difference in its favour is no finding,
    one against it is, all the more. Empty where both were attacked alike."""
    if flattered is None:
        return ""
    other = "after" if flattered == "before" else "before"
    against = "better" if flattered == "before" else "worse"
    how = f"the model {flattered} training was attacked without its gradients, the one {other} with them"
    moved = f"robust accuracy changed by {_points(change):+.1f} points under the threat that was trained for"
    if change["word"] == against:
        return f"{'It helped' if against == 'better' else 'It did not help'}: {moved}, although {how}"
    return f"Whether it helped cannot be told: {moved}, but {how}"


def _points(change: dict[str, Any]) -> float:
    return float(100.0 * (change["after"] - change["before"]))
