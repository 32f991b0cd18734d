"""What the page on versions says is so."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from auditor import __version__, hookimpl, hookspecs
from auditor.plugins import Plugin, Plugins
from auditor.scaffold import write_plugin
from tests.project.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "versioning.md").read_text(encoding="utf-8")


def test_every_schema_that_is_written_is_named() -> None:
    written = set()
    for file in (ROOT / "auditor").rglob("*.py"):
        written |= set(re.findall(r'^SCHEMA = "(auditor\.[\w.]+/\d+)"', file.read_text(encoding="utf-8"), re.MULTILINE))
    assert written
    assert set(re.findall(r"`(auditor\.[\w.]+/\d+)`", PAGE)) == written


def test_nothing_is_deprecated_as_long_as_the_page_says_so() -> None:
    assert "Nothing is deprecated at present." in PAGE
    for name, hook in vars(hookspecs).items():
        if name.startswith("auditor_"):
            options = hook.auditor_spec
            assert not options["warn_on_impl"]
            assert not options["warn_on_impl_args"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "### Deprecated" not in changes


@pytest.mark.parametrize(("marker", "loaded"), [(hookimpl(optionalhook=True), True), (hookimpl, False)])
def test_a_hook_of_tomorrow_may_be_answered_today_if_it_says_so(marker: Callable[..., Any], loaded: bool) -> None:
    plugins, module = Plugins(), ModuleType("acme")
    vars(module)["auditor_of_tomorrow"] = marker(lambda mood: mood)
    plugins.register(module, Plugin("acme", "auditor-acme", "1.0"))
    assert bool(plugins.loaded) == loaded
    assert bool(plugins.failures) != loaded


def test_a_new_plugin_asks_for_this_version_or_a_later_one(tmp_path: Path) -> None:
    project = tomllib.loads((write_plugin("mine", "check", tmp_path) / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == [f"auditor>={__version__}"]


def test_the_names_for_tests_are_listed_with_the_public_ones() -> None:
    import auditor.testing

    listed = (ROOT / "docs" / "reference" / "hooks.md").read_text(encoding="utf-8")
    assert not [name for name in auditor.testing.__all__ if f"`{name}`" not in listed]
