"""`auditor plugins new` and `check`: what is written installs, is listed, and keeps its promises."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.errors import RunError, UsageError
from auditor.scaffold import KINDS, write_plugin
from tests.target.onnx_files import linear

PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]


def run(*command: str, cwd: Path, site: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """One plugin of each kind, installed together into a folder of their own."""
    folder = tmp_path_factory.mktemp("plugins")
    places = [write_plugin(f"my-{kind}", kind, folder) for kind in KINDS]
    site = folder / "site"
    done = run(*PIP, "--target", str(site), *map(str, places), cwd=folder, site=site)
    assert done.returncode == 0, done.stderr
    return site, places


def test_what_is_written_passes_its_own_tests_and_is_in_good_style(written: tuple[Path, list[Path]]) -> None:
    site, places = written
    tests = [str(place / "tests") for place in places]
    tested = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, cwd=site.parent, site=site)
    assert tested.returncode == 0, tested.stdout[-3000:]
    style = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", "E,F,B,UP"]
    checked = run(*style, *map(str, places), cwd=site.parent, site=site)
    assert checked.returncode == 0, checked.stdout


def test_it_is_listed_at_once_and_keeps_its_promises(written: tuple[Path, list[Path]]) -> None:
    site, _ = written
    auditor = (sys.executable, "-m", "auditor", "plugins")
    listed = run(*auditor, cwd=site, site=site).stdout
    assert all(f"my-{kind}" in listed for kind in KINDS)
    assert "broken" not in listed
    for kind in ("attack", "wrapper"):
        checked = run(*auditor, "check", f"my-{kind}", cwd=site, site=site)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", ["My Attack", "-a", "a/../b", "1st", "über", "x", "class"])
def test_a_name_that_python_or_an_index_would_not_take_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name for a plugin"):
        write_plugin(name, "attack", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_kinds_are_named(tmp_path: Path) -> None:
    write_plugin("mine", "check", tmp_path)
    with pytest.raises(RunError, match="there already"):
        write_plugin("mine", "check", tmp_path)
    with pytest.raises(UsageError, match="attack, recipe, wrapper, check, format, loader"):
        write_plugin("mine", "attac", tmp_path)


def test_one_thing_is_asked_by_its_name_and_with_parameters(auditor: Callable[..., Any]) -> None:
    told = auditor("plugins", "check", "fgsm")
    assert told.code == 0
    assert "promises are kept" in told.out
    assert auditor("plugins", "check", "pgd:steps=2").code == 0
    assert auditor("plugins", "check", "nonsense").code == 2
    assert "parameter 'stps'" in auditor("plugins", "check", "pgd:stps=2").err


def test_a_loader_is_asked_about_a_file_that_it_loads(auditor: Callable[..., Any], tmp_path: Path) -> None:
    model = str(linear(tmp_path / "model.onnx").path)
    told = auditor("plugins", "check", "loaders", "--model", model)
    assert (told.code, "12 of 12 promises are kept" in told.out) == (0, True)
    assert "--model FILE" in auditor("plugins", "check", "loaders").out
    assert "is no file" in auditor("plugins", "check", "loaders", "--model", "nowhere.onnx").err
    assert "loads models" in auditor("plugins", "check", "checks", "--model", model).err


@pytest.mark.parametrize(
    ("name", "kind"), [("pgd", "attack"), ("trades", "recipe"), ("jpeg", "wrapper"), ("html", "format")]
)
def test_a_name_that_is_offered_already_is_refused(auditor: Callable[..., Any], name: str, kind: str) -> None:
    told = auditor("plugins", "new", name, "--kind", kind)
    assert told.code == 2
    assert "no two plugins may offer one name" in told.err
    assert list(Path().iterdir()) == []
