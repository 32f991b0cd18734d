"""What is wrong with a thing that a plugin offers, before anything relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any

from auditor.types import Access, Norm

RECORDS = frozenset({"result.json", "samples.csv", "certified.csv", "state", "evidence"})
"""Names in a run's folder that are not a report's."""


def no_attack(item: Any) -> str:
    """Why it is no usable attack class; empty if it is."""
    from auditor.attack import Attack

    return _no_class(Attack, item, name=_text, paper=_any_text, norms=_norms, access=_access, stage=_stage)


def no_defense(item: Any) -> str:
    """Why it is no usable defense class; empty if it is."""
    from auditor.defense import Defense

    return _no_class(Defense, item, name=_text, paper=_any_text)


def no_extraction(item: Any) -> str:
    """Why it is no usable extraction class; empty if it is."""
    from auditor.extraction import Extraction

    return _no_class(Extraction, item, name=_text, paper=_any_text)


def no_check(item: Any) -> str:
    """Why it is no usable check class; empty if it is."""
    from auditor.check import Check, Stage

    def stage(value: object) -> str:
        return "" if isinstance(value, Stage) else "is an auditor.Stage"

    return _no_class(Check, item, code=_text, title=_text, stage=stage, norms=_norms, settles=_texts)


def no_format(item: Any) -> str:
    """Why it is no usable format; empty if it is."""

    def function(value: object) -> str:
        return "" if callable(value) else "is a function"

    if missing := _lacking(item, ("name", "filename", "help", "render")):
        return missing
    return _odd(item, name=_text, filename=_file, help=_any_text, render=function)


def _no_class(base: type, item: Any, **due: Callable[[object], str]) -> str:
    if not (isinstance(item, type) and issubclass(item, base)):
        return f"{item!r} is no subclass of auditor.{base.__name__}"
    return _lacking(item, due) or _odd(item, **due)


def _lacking(item: Any, names: Iterable[str]) -> str:
    missing = ", ".join(name for name in names if not hasattr(item, name))
    return f"{item!r} lacks {missing}" if missing else ""


def _odd(item: Any, **due: Callable[[object], str]) -> str:
    """The first attribute that is not what is due; each of `due` says what that is, or nothing."""
    for name, wrong in due.items():
        if said := wrong(value := getattr(item, name)):
            return f"{item!r}: {name} {said}, not {value!r}"
    return ""


def _any_text(value: object) -> str:
    return "" if isinstance(value, str) else "is a text"


def _text(value: object) -> str:
    return "" if isinstance(value, str) and value.strip() else "is a text that is not empty"


def _file(value: object) -> str:
    plain = isinstance(value, str) and PurePath(value).name == value and not value.startswith(".")
    return "" if plain and "\\" not in str(value) else "is a plain file name"


def _access(value: object) -> str:
    return "" if isinstance(value, Access) else "is an auditor.Access"


def _stage(value: object) -> str:
    return "" if value in ("stable", "preview") else "is stable or preview"


def _norms(value: object) -> str:
    some = isinstance(value, (frozenset, set)) and all(isinstance(each, Norm) for each in value)
    return "" if some else "is a frozenset of auditor.Norm"


def _texts(value: object) -> str:
    some = isinstance(value, (frozenset, set)) and all(isinstance(each, str) for each in value)
    return "" if some else "is a frozenset of codes"
