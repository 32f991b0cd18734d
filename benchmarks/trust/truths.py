"""What each model withstands without what hides it: the `thorough` suite on the model that a case names as opened."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from auditor.selftest.bench import CASES
from auditor.selftest.case import Case
from auditor.selftest.running import run_case

SUITE = "thorough"
FILE = Path(__file__).parents[2] / "auditor" / "selftest" / "truths.json"


def make(names: list[str]) -> None:
    """Measure the truths of these cases, or of all, and store them; models that several cases share are run once."""
    stored = json.loads(FILE.read_text()) if FILE.exists() else {}
    found: dict[tuple[str, str, str, float], float | None] = {}
    for case in CASES.values():
        if (names and case.name not in names) or case.exact or not (case.opened or case.honest):
            continue
        key = (case.opened or case.model, case.data, case.norm, case.eps[-1])
        if key not in found:
            found[key] = _measured(case)
            print(f"{key}: {found[key]}", flush=True)
        stored[case.name] = {"model": key[0], "suite": SUITE, "robust_accuracy": found[key]}
        FILE.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n")


def _measured(case: Case) -> float | None:
    with tempfile.TemporaryDirectory() as folder:
        last = [repr(case.eps[-1])]
        model = case.opened or case.model
        return run_case(case, Path(folder), suite=SUITE, model=model, attack=[], eps=last, tolerance="0").reported
