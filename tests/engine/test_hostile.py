"""Whatever a plugin does, the audit goes on, says what broke, and counts nothing of it as robust."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch

from auditor.border import foreign
from auditor.configuration import build_settings
from auditor.engine.audit import Audit
from auditor.entry_points import Plugin as Provenance
from auditor.errors import PluginError, RunError
from auditor.plugins import Plugins, load_plugins
from auditor.result.record import Result
from auditor.result.run import Run
from auditor.writing import write_report
from tests.engine import hostile

DEMO = Path(str(files("auditor.demo")))
ATTACKS = (*hostile.FAILING, *hostile.TURNING, *hostile.MUDDLED, "spoils")


def plugins() -> Plugins:
    found = load_plugins((), {})
    found.register(hostile.Plugin(), Provenance("hostile", "acme-hostile", "1.0"))
    return found


def scan(out: Path, found: Plugins, *attacks: str, **settings: object) -> Result:
    flags = {"models": [str(DEMO / "plain.onnx")], "data": str(DEMO / "digits.npz"), "samples": 12}
    made = build_settings({**flags, "attack": [*attacks], "escalation": False, **settings}, {})
    return Audit(made, found, out, listen=found.notify).execute()


@pytest.fixture(scope="module")
def found() -> Plugins:
    return plugins()


@pytest.fixture(scope="module")
def state() -> dict[str, object]:
    return {}


def around() -> dict[str, object]:
    """What plugins may turn."""
    return {
        "directory": os.getcwd(),
        "threads": torch.get_num_threads(),
        "type": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "signals": signal.getsignal(signal.SIGINT),
        "streams": (sys.stdout, sys.stderr),
    }


@pytest.fixture(scope="module")
def audited(found: Plugins, state: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """One audit with all of them, and an honest attack at the end."""
    out, state["before"] = tmp_path_factory.mktemp("hostile") / "run", around()
    result = scan(out, found, *ATTACKS, "fgsm")
    state["after"] = around()
    return out, result


@pytest.mark.parametrize("name", [*hostile.FAILING, *hostile.MUDDLED])
def test_an_attack_that_breaks_failed_and_says_how(audited: tuple[Path, Result], name: str) -> None:
    (run,) = [run for run in audited[1].models[0].threats[0].attacks if run.name == name]
    text = {**hostile.FAILING, **hostile.MUDDLED}[name][1]
    assert (run.status, text in run.reason) == ("failed", True), run.reason
    assert len(run.reason) < 1100


def test_after_them_an_honest_attack_finds_what_it_finds_alone(audited: tuple[Path, Result], tmp_path: Path) -> None:
    def of(result: Result) -> tuple[object, ...]:
        (run,) = [run for run in result.models[0].threats[0].attacks if run.name == "fgsm"]
        return run.status, run.attacked, run.broken, run.forwards, run.backwards

    assert of(audited[1]) == of(scan(tmp_path / "alone", load_plugins((), {}), "fgsm"))


def test_what_a_failed_attack_did_not_see_is_not_evaluated(audited: tuple[Path, Result]) -> None:
    threat = audited[1].models[0].threats[0]
    assert threat.robust_accuracy is None
    assert audited[1].exit_code == 3


def test_the_process_is_as_it_was(audited: tuple[Path, Result], state: dict[str, object]) -> None:
    assert state["after"] == state["before"]


@pytest.mark.parametrize("name", hostile.UNUSABLE)
def test_a_class_that_cannot_be_worked_with_is_listed_and_not_offered(found: Plugins, name: str) -> None:
    assert name not in found.attacks()
    assert [failure for failure in found.failures if f"abc.{name}" in failure.error or f".{name}'" in failure.error]


@pytest.mark.parametrize("code", hostile.CHECKS)
def test_a_check_that_breaks_is_a_finding(audited: tuple[Path, Result], code: str) -> None:
    said = [f.detail for f in audited[1].models[0].findings if f.code == "AUD002" and code in f.title]
    assert len(said) == 1
    assert hostile.CHECKS[code][1] in said[0]


@pytest.mark.parametrize("code", hostile.UNUSABLE_CHECKS)
def test_a_check_that_cannot_be_worked_with_is_listed_and_not_asked(found: Plugins, code: str) -> None:
    assert code not in found.checks()
    assert [failure for failure in found.failures if code in failure.error]


def test_a_listener_that_breaks_is_listed(audited: tuple[Path, Result], found: Plugins) -> None:
    assert [f.error for f in found.failures if f.stage == "auditor_event"] == ["Odd: event"]


@pytest.mark.parametrize("name", hostile.FORMATS)
def test_a_format_that_breaks_is_a_sentence_and_leaves_the_run_alone(
    audited: tuple[Path, Result], found: Plugins, name: str
) -> None:
    before = (audited[0] / "result.json").read_bytes()
    with pytest.raises(RunError, match=f"The format '{name}' broke: .*{hostile.FORMATS[name][2]}"):
        write_report(name, Run(audited[0]), found)
    assert (audited[0] / "result.json").read_bytes() == before


def test_a_format_that_would_write_elsewhere_is_not_offered(found: Plugins) -> None:
    assert "climbing" not in found.formats()
    assert [failure for failure in found.failures if "plain file name, not '../up.txt'" in failure.error]


def test_what_a_plugin_prints_keeps_out_of_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    with foreign():
        hostile.TURNING["prints"]()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "LOOK AT ME\n")


def test_an_attack_that_takes_the_end_of_time_for_an_error_ends_where_it_next_asks(tmp_path: Path) -> None:
    def stubborn(self: object, target: object, x: torch.Tensor, *rest: object) -> torch.Tensor:
        while True:
            try:
                target.labels(x)  # type: ignore[attr-defined]
            except Exception:
                continue

    class Stubborn:
        @staticmethod
        def offered() -> list[object]:
            return [hostile.attack("stubborn", stubborn)]

    class Plugin:
        @hostile.hookimpl
        def auditor_attacks(self) -> list[object]:
            return Stubborn.offered()

    found = load_plugins((), {})
    found.register(Plugin(), Provenance("stubborn", "acme", "1.0"))
    result = scan(tmp_path / "run", found, "stubborn", time_limit="1s")
    (run,) = [run for run in result.models[0].threats[0].attacks if run.name == "stubborn"]
    assert run.status == "timed out"
    assert result.exit_code == 3


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, though the tests may run where it is ignored, as in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_ctrl_c_counts_though_a_plugin_swallows_it(heard: None) -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with foreign():
            try:
                os.kill(os.getpid(), signal.SIGINT)
                while True:
                    pass
            except KeyboardInterrupt:
                reached.append("swallowed")
        reached.append("went on")
    assert reached == ["swallowed"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN, signal.SIG_DFL])
def test_a_plugin_that_only_acts_as_if_ctrl_c_was_pressed_broke(heard: None, handler: Any) -> None:
    signal.signal(signal.SIGINT, handler)
    with pytest.raises(PluginError, match="KeyboardInterrupt"), foreign():
        raise KeyboardInterrupt
