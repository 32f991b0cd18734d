"""Running a case: an ordinary scan, and what it said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.selftest.case import REFUSED, Case

if TYPE_CHECKING:
    from auditor.plugins import Plugins
    from auditor.result.record import ModelResult

_DEMO = "demo:"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a scan said of a case.

    Attributes:
        raised: the findings' codes, each with its worst severity.
        mended: codes of the checks that doubted the attacks, and settled their doubt by further ones.
        clean, reported: accuracy as it is and under the last budget; None where none was stated.
        passes: of single samples that the suite made, forth and back.
        further: those that checks made in its course, with the attacks that they asked for.
        checks: of each check that questioned the attacks: whether it doubted them, and the passes that it made.
        seconds: of CPU time.
        detail: code and sentences of the findings.
    """

    case: str
    verdict: str
    raised: dict[str, str] = field(default_factory=dict)
    mended: tuple[str, ...] = ()
    clean: float | None = None
    reported: float | None = None
    passes: int = 0
    further: int = 0
    checks: dict[str, tuple[bool, int]] = field(default_factory=dict)
    seconds: float = 0.0
    detail: tuple[str, ...] = ()


def run_case(
    case: Case,
    folder: Path,
    *,
    suite: str = "standard",
    without: tuple[str, ...] = (),
    model: str = "",
    **settings: Any,
) -> Outcome:
    """Scan the case with its run directory in `folder`; `model` and `settings` replace what the case says."""
    import time

    from auditor.configuration import build_settings
    from auditor.engine.audit import Audit
    from auditor.errors import AuditorError
    from auditor.selftest.data import RECIPES, write

    folder.mkdir(parents=True, exist_ok=True)
    data = str(write(case.data, folder)) if case.data in RECIPES else case.data
    with as_file(files("auditor.demo")) as demo:
        named = model or case.model
        path = str(demo / named.removeprefix(_DEMO)) if named.startswith(_DEMO) else named
        flags = {**case.flags(data, suite=suite), "models": [path], **settings}
        started = time.process_time()
        try:
            result = Audit(build_settings(flags, {}), plugins(without), folder / case.name).execute()
        except AuditorError as error:
            return Outcome(case=case.name, verdict="error", raised={REFUSED: "block"}, detail=(str(error),))
        seconds = time.process_time() - started
    return _outcome(case, result.verdict, result.models[0], seconds)


def run_cases(cases: Sequence[Case], folder: Path, jobs: int, *, without: tuple[str, ...] = ()) -> Iterator[Outcome]:
    """The outcomes as they come; with several jobs the cases run in processes of one thread each."""
    if jobs == 1 or len(cases) < 2:
        yield from (run_case(case, folder, without=without) for case in cases)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from functools import partial
    from multiprocessing import get_context

    one = partial(run_case, folder=folder, without=without)
    with ProcessPoolExecutor(min(jobs, len(cases)), get_context("spawn"), _one_thread) as pool:
        for done in as_completed([pool.submit(one, case) for case in cases]):
            yield done.result()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def plugins(without: tuple[str, ...] = ()) -> Plugins:
    """What is installed, and the attacks that some cases are about."""
    from auditor.entry_points import Plugin
    from auditor.plugins import load_plugins
    from auditor.selftest import attacks

    found = load_plugins(without)
    found.register(attacks, Plugin("selftest", "auditor", "", ()))
    return found


def _outcome(case: Case, verdict: str, model: ModelResult, seconds: float) -> Outcome:
    order = ("info", "warn", "inconclusive", "block")
    raised: dict[str, str] = {}
    for finding in model.findings:
        raised[finding.code] = max(raised.get(finding.code, "info"), finding.severity, key=order.index)
    threats = sorted(model.threats, key=lambda threat: threat.eps)
    suite = [run for threat in threats for run in threat.attacks if not run.because]
    checks = [check for threat in threats for check in threat.checks]
    costs: dict[str, tuple[bool, int]] = {}
    for check in checks:
        doubted, passes = costs.get(check.code, (False, 0))
        costs[check.code] = (doubted or bool(check.doubt), passes + check.forwards + check.backwards)
    return Outcome(
        case=case.name,
        verdict=verdict,
        raised=dict(sorted(raised.items())),
        mended=tuple(sorted({check.code for check in checks if check.outcome == "mended"})),
        clean=model.clean_accuracy,
        reported=threats[-1].robust_accuracy if threats else None,
        passes=sum(run.forwards + run.backwards for run in suite),
        further=sum(passes for _, passes in costs.values()),
        checks=costs,
        seconds=seconds,
        detail=tuple(f"{f.code} {f.severity}: {f.title}. {f.detail}" for f in model.findings),
    )
