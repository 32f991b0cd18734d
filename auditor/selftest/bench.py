"""All cases, and those that are run without asking for all."""

from __future__ import annotations

from auditor.errors import UsageError
from auditor.selftest.broken_audits import AUDITS
from auditor.selftest.broken_models import MODELS
from auditor.selftest.case import Case
from auditor.selftest.honest import HONEST

BROKEN = (*MODELS, *AUDITS)
CASES: dict[str, Case] = {case.name: case for case in (*BROKEN, *HONEST)}


def chosen(names: list[str], *, everything: bool) -> tuple[Case, ...]:
    """The cases named, or all, or the quick ones. Raises UsageError for a name that is none."""
    if unknown := [name for name in names if name not in CASES]:
        raise UsageError(f"The self-test has no case {unknown[0]!r}; its cases are {', '.join(CASES)}.")
    return tuple(case for case in CASES.values() if case.name in names or (not names and (everything or case.quick)))
