"""Plugins that do everything a plugin must not, in this process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import torch

from auditor import Access, Attack, Check, Finding, Format, Norm, Severity, Stage, hookimpl
from auditor.attack import Passes


class Odd(BaseException):
    """Of a kind that nobody expects."""


class Mute(Exception):
    """Cannot even say what is wrong."""

    def __str__(self) -> str:
        raise ValueError


def attack(name: str, perturb: Callable[..., Any], **more: Any) -> type[Attack]:
    body = {"name": name, "norms": frozenset({Norm.LINF}), "access": Access.LABELS, "perturb": perturb, **more}
    return type(name, (Attack,), body)


def raises(error: BaseException) -> Callable[..., NoReturn]:
    def act(*arguments: Any) -> NoReturn:
        raise error

    return act


def returns(make: Callable[[torch.Tensor], Any]) -> Callable[..., Any]:
    return lambda self, target, x, y, threat, rng: make(x)


def does(act: Callable[[], Any]) -> Callable[..., Any]:
    return lambda self, target, x, y, threat, rng: (act(), x)[1]


def _leave(*arguments: Any) -> NoReturn:
    sys.exit(0)


def _spoil(self: Any, target: Any, x: torch.Tensor, y: torch.Tensor, threat: Any, rng: Any) -> torch.Tensor:
    clean = x.clone()
    x.fill_(torch.nan), y.zero_(), target.x.zero_(), target.closest.fill_(3.0)
    return clean


FAILING = {
    "raises": (raises(RuntimeError("no")), "RuntimeError: no"),
    "mute": (raises(Mute()), "Mute: it cannot say why"),
    "lengthy": (raises(RuntimeError("x" * 10**6)), "xxx …"),
    "exits": (_leave, "SystemExit: 0"),
    "odd": (raises(Odd("odd")), "Odd: odd"),
    "interrupts": (raises(KeyboardInterrupt()), "KeyboardInterrupt"),
    "recurses": (lambda self, *arguments: self.perturb(*arguments), "RecursionError"),
    "full": (raises(MemoryError("full")), "MemoryError: full"),
    "nothing": (returns(lambda x: None), "returned NoneType"),
    "nan": (returns(lambda x: x * torch.nan), "returned NaN"),
    "part": (returns(lambda x: x[:1]), "returned shape (1, 1, 28, 28)"),
    "whole-numbers": (returns(lambda x: x.long()), "returned torch.int64"),
    "sparse": (returns(lambda x: x.to_sparse()), "NotImplementedError"),
    "wrong-question": (lambda self, target, x, *rest: target.labels(x[:1]), "IndexError"),
    "no-question": (lambda self, target, *rest: target.labels(None), "TypeError"),
}
"""What `perturb` does, and what the record says of it."""

TURNING = {
    "prints": lambda: print("LOOK AT ME"),  # noqa: T201
    "moves": lambda: os.chdir(os.sep),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 2),
    "type": lambda: torch.set_default_dtype(torch.float64),
    "gradients": lambda: torch.set_grad_enabled(False),
    "deaf": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "closes": lambda: (sys.stdout.close(), sys.stderr.close()),
    "takes-away": lambda: setattr(sys, "stderr", None),
}
"""What a plugin turns in the process around it; see `auditor.border`."""

MUDDLED = {
    "no-label": ({"label": property(lambda self: None)}, "None where a text is due"),
    "leaving-label": ({"label": property(_leave)}, "SystemExit: 0"),
    "numb": ({"passes": lambda self, classes: Passes(float("nan"))}, "costs nan passes"),  # type: ignore[arg-type]
    "negative": ({"passes": lambda self, classes: Passes(-5, -5)}, "costs -5 passes"),
    "unfit": ({"unfit": lambda self, classes: 7}, "7 where a text is due"),
}
"""What an attack says of itself."""

UNUSABLE = {
    "norms": {"norms": None},
    "norm-texts": {"norms": frozenset({"linf"})},
    "access": {"access": "everything"},
    "paper": {"paper": object()},
    "stage": {"stage": "dark"},
}
"""Class variables of attacks that cannot be worked with."""


def check(code: str, inspect: Callable[..., Any], **more: Any) -> type[Check]:
    return type(code, (Check,), {"code": code, "title": "t", "stage": Stage.PREFLIGHT, "inspect": inspect, **more})


def finding(code: str, **more: Any) -> Finding:
    return Finding(**{"code": code, "severity": Severity.INFO, "title": "t", "detail": "d", **more})


def _forever(self: Any, scene: Any) -> Any:
    while True:
        yield finding("HOS008")


_ROUND: dict[str, Any] = {}
_ROUND["round"] = _ROUND
CHECKS = {
    "HOS001": (_leave, "SystemExit"),
    "HOS002": (raises(Odd("odd")), "Odd: odd"),
    "HOS003": (lambda self, scene: [finding("HOS003", severity="bad")], "of other types"),
    "HOS004": (lambda self, scene: [finding("HOS004", detail=None)], "of other types"),
    "HOS005": (lambda self, scene: [finding("HOS005", evidence=_ROUND)], "ValueError"),
    "HOS006": (lambda self, scene: None, "no finding"),
    "HOS007": (lambda self, scene: (scene.x.zero_(), scene.y.zero_(), [])[2], "changed the samples"),
    "HOS008": (_forever, "more than 1000"),
}
UNUSABLE_CHECKS = {
    "HOS101": {"norms": None, "stage": Stage.INQUIRY},
    "HOS102": {"settles": None, "stage": Stage.INQUIRY},
    "HOS103": {"stage": "never"},
    "HOS104": {"title": None},
}


def form(name: Any, render: Callable[..., Any], filename: str = "report.txt") -> Format:
    body = {"name": name, "filename": filename, "help": "h", "render": render}
    made: Format = type("Hostile", (Format,), body)()
    return made


FORMATS = {
    "raising": (raises(ZeroDivisionError()), "report.txt", "ZeroDivisionError"),
    "leaving": (_leave, "report.txt", "SystemExit: 0"),
    "bytes": (lambda self, run, templates=(): b"x", "report.txt", "bytes in place of a text"),
    "surrogates": (lambda self, run, templates=(): "\ud800", "report.txt", "UnicodeEncodeError"),
    "clobbering": (lambda self, run, templates=(): "x", "result.json", "the record's own file"),
}


class Plugin:
    """All of them, behind the hooks."""

    @hookimpl
    def auditor_attacks(self) -> list[type[Attack]]:
        failing = [attack(name, perturb) for name, (perturb, _) in FAILING.items()]
        turning = [attack(name, does(act)) for name, act in TURNING.items()]
        muddled = [attack(name, returns(lambda x: x), **more) for name, (more, _) in MUDDLED.items()]
        unusable = [attack(name, returns(lambda x: x), **more) for name, more in UNUSABLE.items()]
        return [*failing, *turning, *muddled, *unusable, attack("spoils", _spoil)]

    @hookimpl
    def auditor_checks(self) -> list[type[Check]]:
        broken = [check(code, inspect) for code, (inspect, _) in CHECKS.items()]
        return [*broken, *(check(code, lambda self, scene: [], **more) for code, more in UNUSABLE_CHECKS.items())]

    @hookimpl
    def auditor_formats(self) -> list[Any]:
        forms: list[Any] = [form(name, render, filename) for name, (render, filename, _) in FORMATS.items()]
        return [*forms, form("climbing", lambda self, run, templates=(): "x", "../up.txt"), form(["x"], _leave)]

    @hookimpl
    def auditor_event(self, event: object) -> None:
        raise Odd("event")
