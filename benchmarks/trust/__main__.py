"""The command line; see the package's docstring."""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

from auditor.selftest.case import Case
from auditor.selftest.judging import judge, truth_of
from auditor.selftest.running import Outcome, run_case
from benchmarks.onnx_matrix.facts import facts
from benchmarks.onnx_matrix.store import Store
from benchmarks.trust import page, truths
from benchmarks.trust.cases import bench


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.command == "truths":
        truths.make(arguments.cases)
        return
    with tempfile.TemporaryDirectory() as folder:
        cases = bench(Path(folder))
        if unknown := [name for name in arguments.cases if name not in cases]:
            raise SystemExit(f"There is no case {unknown[0]!r}; choose among {', '.join(cases)}.")
        wanted = [case for case in cases.values() if case.name in arguments.cases or not arguments.cases]
        if arguments.command == "show":
            _show(wanted, Path(folder))
            return
        store = Store(arguments.cache)
        if arguments.command == "run":
            _run(wanted, Path(folder), store, arguments.again)
        else:
            _render(wanted, store)


def _show(cases: list[Case], folder: Path) -> None:
    """What the checks say of some cases now, in full."""
    for case in cases:
        outcome = run_case(case, folder)
        one = judge(case, outcome)
        print(f"{case.name} ({case.part}): {case.wrong or 'nothing is wrong'}")
        print(f"  wants {' or '.join(case.codes) or 'nothing above info'}; raised {one.said or 'nothing'}", end="; ")
        print(
            f"{outcome.verdict}; {'good' if one.good else 'NOT GOOD'}; truth {one.truth}, reported {outcome.reported}"
        )
        print(
            f"  clean {outcome.clean}, {outcome.passes:,} passes, {outcome.further:,} further, {outcome.seconds:.1f} s"
        )
        doubts = {code: passes for code, (doubted, passes) in outcome.checks.items() if doubted}
        print(
            f"  doubted by {', '.join(f'{code} ({passes:,} passes)' for code, passes in doubts.items()) or 'no check'}"
        )
        print("".join(f"    {sentence}\n" for sentence in outcome.detail), end="", flush=True)


def _run(cases: list[Case], folder: Path, store: Store, again: str | None) -> None:
    if again is not None:
        store.forget(again)
    for case in cases:
        if f"case/{case.name}" in store.records:
            continue
        outcome = run_case(case, folder)
        store.add(f"case/{case.name}", outcome=asdict(outcome), alone=_alone(case, folder), facts=facts())
        print(f"{case.name}: {judge(case, outcome).said or 'nothing'}; {outcome.seconds:.1f} s", flush=True)


def _alone(case: Case, folder: Path) -> float | None:
    """The robust accuracy that is reported where no check may attack further; None where no truth is known of it."""
    if case.honest or truth_of(case) is None:
        return None
    return run_case(case, folder / "alone", escalation=False).reported


def _render(cases: list[Case], store: Store) -> None:
    judged, lacking, alone = [], [], {}
    for case in cases:
        record = store.records.get(f"case/{case.name}")
        if record is None:
            lacking.append(case.name)
            continue
        fields = {**record["outcome"], "mended": tuple(record["outcome"]["mended"])}
        judged.append(judge(case, Outcome(**{**fields, "detail": tuple(fields["detail"])})))
        alone[case.name] = record.get("alone")
    missing = f" Not run: {', '.join(lacking)}." if lacking else ""
    seconds = sum(one.outcome.seconds for one in judged)
    made = [record["facts"]["packages"]["torch"] for key, record in store.records.items() if key.startswith("case/")]
    origin = (
        f"{len(judged)} cases, {seconds:.0f} seconds of CPU time on one thread; torch {', '.join(sorted({*made}))}."
    )
    page.write(judged, alone, origin + missing)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust", description="Known answers at full length.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in {
        "show": "what the checks say of these cases now",
        "run": "run what the cache does not hold",
        "truths": "measure what masked models withstand without their masks",
        "render": "write the tables of docs/explanation/selftest.md",
    }.items():
        command = commands.add_parser(name, help=words)
        command.add_argument("cases", nargs="*", metavar="CASE")
        if name in ("run", "render"):
            command.add_argument("--cache", type=Path, required=True, help="folder of the results")
        if name == "run":
            command.add_argument(
                "--again", metavar="TEXT", help="run cases with this in their name again ('' means all)"
            )
    return parser


if __name__ == "__main__":
    main()
