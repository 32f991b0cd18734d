"""What each model withstands without what hides it: the `thorough` suite on the model that a case names as opened."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditor.selftest.bench import CASES
from auditor.selftest.case import Case
from auditor.selftest.running import run_case

SUITE = "thorough"
FILE = Path(__file__).parents[2] / "auditor" / "selftest" / "truths.json"


def make(names: list[str]) -> None:
    """Measure the truths that are not stored yet, or those of these cases again; each opened model once."""
    stored = json.loads(FILE.read_text()) if FILE.exists() else {}
    found = {_key(known): known for name, known in stored.items() if name not in names}
    for case in CASES.values():
        if not case.opened or case.exact or (names and case.name not in names):
            continue
        asked = {"model": case.opened, "data": case.data, "norm": case.norm, "eps": case.eps[-1], "suite": SUITE}
        if _key(asked) not in found:
            found[_key(asked)] = {**asked, "robust_accuracy": _measured(case)}
            print(found[_key(asked)], flush=True)
        stored[case.name] = found[_key(asked)]
        FILE.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n")


def _key(asked: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(asked[name] for name in ("model", "data", "norm", "eps", "suite"))


def _measured(case: Case) -> float | None:
    with tempfile.TemporaryDirectory() as folder:
        last = [repr(case.eps[-1])]
        return run_case(case, Path(folder), suite=SUITE, model=case.opened, attack=[], eps=last, tolerance="0").reported
