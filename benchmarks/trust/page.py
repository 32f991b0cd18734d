"""The generated part of docs/explanation/selftest.md, every number of it from the cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from auditor.selftest.case import Case
from auditor.selftest.judging import NEAR, Judged

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "selftest.md"
START, END = "<!-- made by `python -m benchmarks.trust render`: -->", "<!-- :to here -->"


def write(judged: Sequence[Judged], alone: Mapping[str, float | None], origin: str, page: Path = PAGE) -> None:
    """Put the tables between the markers of the page; `alone`: what is reported of a case where no check may attack.
    Raises ValueError where the page lacks its markers."""
    text = page.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} must hold the lines {START} and {END} once each.")
    head, _, rest = text.partition(START)
    tail = rest.partition(END)[2]
    tables = [_confusion(judged), _broken(judged), _mended(judged, alone), _honest(judged), _costs(judged)]
    made = "\n\n".join([origin, *tables])
    page.write_text(f"{head}{START}\n\n{made}\n\n{END}{tail}", encoding="utf-8")


def _rows(header: str, rows: Iterable[Sequence[str]]) -> str:
    rule = "| --- " * (header.count("|") - 1) + "|"
    return "\n".join([header, rule, *(f"| {' | '.join(row)} |" for row in rows)])


def _confusion(judged: Sequence[Judged]) -> str:
    rows = []
    for part in ("calibration", "test", "both"):
        some = [one for one in judged if part in (one.case.part, "both")]
        broken, honest = [[one for one in some if one.case.honest is kind] for kind in (False, True)]
        named, doubted = sum(one.good for one in broken), sum(not one.good for one in honest)
        rows.append([part, *map(str, (len(broken), named, len(broken) - named, len(honest), doubted))])
    flattered = [one.case.name for one in judged if one.flattered and one.outcome.verdict == "pass"]
    said = f"Called more robust than they are, and passed: {', '.join(flattered) or 'none'}."
    table = _rows("| part | broken | named | missed | honest | doubted |", rows)
    return f"### Confusion\n\n{table}\n\n{said}"


def _broken(judged: Sequence[Judged]) -> str:
    rows = [
        [
            one.case.name,
            one.case.part,
            one.case.wrong,
            ", ".join(one.case.codes),
            one.said,
            one.outcome.verdict,
            _share(one.outcome.reported),
            _share(one.truth),
            f"{one.outcome.passes:,}",
            f"{one.outcome.further:,}",
            "yes" if one.good else "**no**",
        ]
        for one in judged
        if not one.case.honest
    ]
    header = (
        "| case | part | what is wrong | expected, any of | raised | verdict | reported | truth | passes of the suite "
        "| further, by checks | named |"
    )
    return f"### Broken\n\n{_rows(header, rows)}"


def _mended(judged: Sequence[Judged], alone: Mapping[str, float | None]) -> str:
    """What was reported before checks attacked any further, and after: of models that hide what they withstand, and of
    a sound one under attacks that do not work."""
    known = [(one, alone.get(one.case.name)) for one in judged if not one.case.honest and one.truth is not None]
    rows = [
        [
            one.case.name,
            _share(before),
            _share(one.outcome.reported),
            _share(one.truth),
            one.outcome.verdict,
            _came(one, before),
        ]
        for one, before in known
    ]
    table = _rows("| case | by the suite alone | with further attacks | truth | verdict | came to the truth |", rows)
    told = []
    for kind, masked in (("masked models", True), ("audits with attacks that do not work", False)):
        some = [(one, before) for one, before in known if (one.case.model != one.case.opened) is masked]
        false = [one for one, before in some if _false(one, before)]
        told.append(
            f"Of {len(some)} {kind}, {len(false)} were called robust by more than two points too much, and "
            f"{sum(one.met for one in false)} of these came to within two points of the truth."
        )
    return f"### What further attacks came to\n\n{table}\n\n{' '.join(told)}"


def _false(one: Judged, before: float | None) -> bool:
    """Whether the suite alone called the model more robust than it is."""
    return before is not None and one.truth is not None and before > one.truth + NEAR


def _came(one: Judged, before: float | None) -> str:
    if not _false(one, before):
        return "" if before is None else "was there"
    return "yes" if one.met else "**no**"


def _honest(judged: Sequence[Judged]) -> str:
    rows = []
    for one in judged:
        if not one.case.honest:
            continue
        cells = [one.case.name, one.case.part, _what(one.case), one.said, one.outcome.verdict]
        cells += [_share(one.outcome.reported), f"{one.outcome.passes:,}", _share(_further(one)), _dearest(one)]
        rows.append([*cells, "no" if one.good else "**yes**"])
    header = (
        "| case | part | threat | raised | verdict | robust | passes of the suite | further, by checks "
        "| most by one check | doubted |"
    )
    shares = [share for one in judged if one.case.honest and (share := _further(one)) is not None]
    mean = f"{sum(shares) / len(shares):.1%} on average, {max(shares):.1%} at most" if shares else "not measured"
    return f"### Honest\n\n{_rows(header, rows)}\n\nPasses that inquiries add to the suite's: {mean}."


def _further(one: Judged) -> float | None:
    """The passes of checks, as a share of the suite's."""
    return one.outcome.further / one.outcome.passes if one.outcome.passes else None


def _dearest(one: Judged) -> str:
    """The check that made the most passes."""
    code, (_, passes) = max(one.outcome.checks.items(), key=lambda item: item[1][1], default=("", (False, 0)))
    return f"{code} {passes:,}" if passes else ""


def _costs(judged: Sequence[Judged]) -> str:
    """Of each check: how often it doubted the attacks, and the passes that it made, on broken and honest cases."""
    rows = []
    for code in sorted({code for one in judged for code in one.outcome.checks}):
        row = [code]
        for kind in (True, False):
            some = [one.outcome.checks for one in judged if one.case.honest is kind]
            asked = [checks[code] for checks in some if code in checks]
            passes = [cost for _, cost in asked] or [0]
            doubts = sum(doubted for doubted, _ in asked)
            row += [f"{doubts} of {len(asked)}", f"{median(passes):,.0f}", f"{max(passes):,}"]
        rows.append(row)
    header = "| check | doubts, honest | passes, median | at most | doubts, broken | passes, median | at most |"
    return f"### What each check costs\n\n{_rows(header, rows)}"


def _what(case: Case) -> str:
    return f"{case.norm} {', '.join(f'{eps:.3g}' for eps in case.eps)}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
