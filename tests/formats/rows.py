"""Rows of `samples.csv`, in short."""

from __future__ import annotations

from typing import Any

from auditor.result.samples_csv import Row


def row(index: int, outcome: str = "robust", **other: Any) -> Row:
    """One sample of model `m` under linf 0.1, class 0, broken by `pgd` where it is broken."""
    broken = outcome == "broken"
    known = {
        "model": "m",
        "norm": "linf",
        "eps": 0.1,
        "label": 0,
        "clean_prediction": 0,
        "clean_correct": outcome != "misclassified",
        "broken_by": "pgd" if broken else "",
        "adversarial_prediction": 1 if broken else None,
        "distance": 0.1 if broken else None,
    }
    return Row(index=index, outcome=outcome, **{**known, **other})
