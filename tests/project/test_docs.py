"""The documentation is true: its commands run and do what it says, its links lead somewhere, its tables are whole."""

from __future__ import annotations

import re
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor import hookspecs
from tests.project.pages import PAGES, ROOT, Block, anchors, blocks, commands, label, links, pattern

RUNNABLE = [page for page in PAGES if any(block.language == "console" for block in blocks(page))]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("page", RUNNABLE, ids=label)
def test_the_commands_of_a_page_do_what_it_says(
    page: Path, shell: Callable[[str], Any], yours: Path, tmp_path: Path
) -> None:
    """Blocks of a page share a directory; a command must succeed unless `$ echo $?` says how it ends."""
    shutil.copytree(yours, tmp_path, dirs_exist_ok=True)
    for block in blocks(page):
        if block.language == "toml" and block.title and not (ROOT / block.title).exists():
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        if block.language == "console":
            _run(block, shell)


def _run(block: Block, shell: Callable[[str], Any]) -> None:
    steps = list(commands(block))
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step.line == "echo $?":
            continue
        assert step.line.startswith("auditor "), f"{step.line!r} is not run here: fence it as text"
        outcome = shell(step.line)
        told = following is not None and following.line == "echo $?"
        expected = int(following.shown[0]) if told and following is not None else 0
        assert outcome.code == expected, f"{step.line}\n{outcome.out}\n{outcome.err}"
        printed = outcome.out + outcome.err
        for line in step.shown:
            assert pattern(line).search(printed), f"{step.line} does not print {line!r} but\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_a_block_that_shows_a_file_of_the_project_is_that_file(page: Path) -> None:
    for block in blocks(page):
        if block.title and (path := ROOT / block.title).is_file():
            assert block.text == path.read_text(encoding="utf-8"), block.title


def test_every_page_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    reached = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)} | {index}
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} <= reached


def test_the_command_line_reference_is_what_the_program_says() -> None:
    made: str = runpy.run_path(str(ROOT / "docs" / "generate_cli.py"))["cli_reference"]()
    assert (REFERENCE / "cli.md").read_text(encoding="utf-8") == made, "run: python docs/generate_cli.py"


def test_the_reference_of_results_names_every_key_and_column() -> None:
    from auditor.result import record
    from auditor.result.samples_csv import COLUMNS

    kinds = (record.Result, record.GateResult, record.Data, record.ModelResult, record.Finding, record.ThreatResult)
    fields = {f.alias or name for kind in (*kinds, record.AttackRun) for name, f in kind.model_fields.items()}
    text = (REFERENCE / "result.md").read_text(encoding="utf-8")
    assert not {name for name in fields | set(COLUMNS) if f"`{name}`" not in text}


def test_the_reference_of_results_gives_the_exit_codes_of_the_verdicts() -> None:
    from auditor.gate import EXIT_CODES

    rows = re.findall(r"^\| (\d) \| `(\w+)`", (REFERENCE / "result.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {verdict: int(code) for code, verdict in rows} == EXIT_CODES


def test_the_reference_of_hooks_names_each_with_its_arguments() -> None:
    import inspect

    text = (REFERENCE / "hooks.md").read_text(encoding="utf-8")
    for name, hook in vars(hookspecs).items():
        if name.startswith("auditor_"):
            assert f"`{name}({', '.join(inspect.signature(hook).parameters)})`" in text


def test_the_reference_of_hooks_lists_the_public_names() -> None:
    import auditor

    text = (REFERENCE / "hooks.md").read_text(encoding="utf-8")
    assert not {name for name in auditor.__all__ if f"`{name}`" not in text}


def test_the_signatures_are_those_of_the_source() -> None:
    made: str = runpy.run_path(str(ROOT / "docs" / "generate_api.py"))["page"]()
    assert (REFERENCE / "api.md").read_text(encoding="utf-8") == made, "run: python docs/generate_api.py"


def test_the_page_on_configuration_names_every_setting() -> None:
    from auditor.settings import Settings

    keys = {name.replace("_", "-") for name in Settings.model_fields} - {"threats", "attacks", "wrappers"} | {
        "norm",
        "eps",
    }
    text = (ROOT / "docs" / "how-to" / "configure.md").read_text(encoding="utf-8")
    assert not {key for key in keys if f"`{key}`" not in text}


def test_ci_runs_the_readmes_test_command() -> None:
    readme, ci = (ROOT / name for name in ("README.md", ".ci/run"))
    (line,) = re.findall(r"^\s*(python3 -m venv .*tox)$", readme.read_text(encoding="utf-8"), re.MULTILINE)
    assert line in ci.read_text(encoding="utf-8")
