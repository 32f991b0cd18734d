"""Questions for checks: what a reader of findings relies on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from auditor.check import Check, Stage
from auditor.testing.kit import Question, demand, demand_documented

_CODE = re.compile(r"[A-Z]{2,8}\d{3}")


def check_questions(check: Check) -> Iterator[Question]:
    """What holds of any check, without a model to look at."""
    ask = partial(Question, getattr(check, "code", type(check).__name__))
    yield ask("it has a code of its own, a title and a stage", partial(_named, check))
    yield ask(
        "`auditor explain` says what was seen, what it means and what to do",
        partial(demand_documented, check, "Seen:", "Means:", "Measured:", "Threshold:", "Do:"),
    )


def _named(check: Check) -> None:
    code = str(getattr(check, "code", ""))
    demand(_CODE.fullmatch(code), f"{code!r} is no code: letters and three digits, such as ACME001")
    ours = type(check).__module__.startswith("auditor_checks.")
    demand(ours or not code.startswith("AUD"), f"{code}: codes that begin with AUD are auditor's own")
    demand(str(getattr(check, "title", "")).strip(), "it has no title")
    demand(isinstance(getattr(check, "stage", None), Stage), "its stage is no auditor.Stage")
