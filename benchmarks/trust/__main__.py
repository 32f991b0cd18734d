"""The command line; see the package's docstring."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from auditor.selftest.bench import CASES
from auditor.selftest.running import Outcome, run_case
from benchmarks.trust import truths


def show(names: list[str]) -> None:
    """What the checks say of some cases now, in full."""
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            outcome = run_case(CASES[name], Path(folder))
        print(f"{name} ({CASES[name].part}): {CASES[name].wrong or 'nothing is wrong'}")
        print(f"  wants {' or '.join(CASES[name].codes) or 'nothing above info'}; {_said(outcome)}")
        print("".join(f"    {sentence}\n" for sentence in outcome.detail), end="", flush=True)


def _said(outcome: Outcome) -> str:
    raised = ", ".join(f"{code} {severity}" for code, severity in outcome.raised.items())
    figures = f"clean {outcome.clean}, reported {outcome.reported}, {outcome.passes:,} passes, {outcome.seconds:.1f} s"
    return f"raised {raised or 'nothing'}; {outcome.verdict}; {figures}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust", description="Known answers at full length.")
    parser.add_argument("command", choices=["show", "truths"])
    parser.add_argument("cases", nargs="*", metavar="CASE")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.cases if name not in CASES]:
        parser.error(f"there is no case {unknown[0]!r}; choose among {', '.join(CASES)}")
    {"show": show, "truths": truths.make}[arguments.command](arguments.cases)


if __name__ == "__main__":
    main()
