"""`auditor scan --resume` where the smallest changes are looked for beside a budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.engine.store import Store


def told(run: str) -> tuple[Any, str]:
    """What a run recorded, without what the clock decides."""
    models = json.loads((Path(run) / "result.json").read_text())["models"]
    for model in models:
        for timed in [model, *(row for t in model["threats"] for row in (*t["attacks"], *t["checks"]))]:
            timed.pop("seconds")
    return models, (Path(run) / "samples.csv").read_text()


def test_a_run_with_the_smallest_changes_and_a_budget_resumes_to_what_an_uninterrupted_one_gives(
    auditor: Callable, demo: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ["scan", str(demo / "hardened.onnx"), "--data", str(digits), "--samples", "16", "--batch-size", "4"]
    # In which numbers a run searches depends on what its stopwatch said, and its passes depend on that.
    run += ["--eps", "auto", "--eps", "0.2", "--precision", "float32", "--format", "json", "--no-escalation"]
    run += ["--attack", "fab:steps=4", "--attack", "fmn:steps=12,start=nearest", "--attack", "square:queries=9"]
    assert auditor(*run, "--out", "whole").code == 0
    among_the_smallest, within_the_budget = 9, 15
    for groups in (among_the_smallest, within_the_budget):
        out = f"cut-{groups}"
        with monkeypatch.context() as patched:
            patched.setattr("auditor.engine.store._FLUSH_SECONDS", 0.0)
            patched.setattr(Store, "put", _stopping(groups))
            assert auditor(*run, "--out", out).code == 130
        assert auditor(*run, "--out", out, "--resume").code == 0
        assert told(out) == told("whole")


def _stopping(after: int) -> Callable[..., None]:
    """`Store.put` of a run that is interrupted once it has kept so many groups."""
    kept, put = [], Store.put

    def stopping(*arguments: Any, **named: Any) -> None:
        put(*arguments, **named)
        kept.append(arguments)
        if len(kept) == after:
            raise KeyboardInterrupt

    return stopping
