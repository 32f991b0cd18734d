"""The wheel holds what it should, and the suite runs against it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import auditor

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = {"auditor", "auditor_attacks", "auditor_checks", "auditor_defenses", "auditor_templates"}
PLATFORMS = {
    "linux on x86": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "linux on arm": {"sys_platform": "linux", "platform_machine": "aarch64"},
    "macos": {"sys_platform": "darwin", "platform_machine": "arm64"},
    "old macos": {"sys_platform": "darwin", "platform_machine": "x86_64"},
    "windows": {"sys_platform": "win32", "platform_machine": "AMD64"},
    "windows on arm": {"sys_platform": "win32", "platform_machine": "ARM64"},
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_installs_five_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == TOP_LEVEL


@pytest.mark.parametrize(
    "name",
    [
        "auditor/py.typed",
        "auditor/demo/digits.npz",
        "auditor/demo/plain.onnx",
        "auditor/demo/hardened.onnx",
        "auditor_templates/__init__.py",
    ],
)
def test_the_wheel_holds_what_is_no_python(wheel: zipfile.ZipFile, name: str) -> None:
    assert wheel.getinfo(name).file_size > 0 or name.endswith(("py.typed", "__init__.py"))


def test_every_file_of_the_packages_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    homes = {"auditor": ROOT, "auditor_templates": ROOT / "reports" / "templates"}
    for package in TOP_LEVEL:
        root = homes.get(package, ROOT / "plugins")
        files = [path for path in (root / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files
        assert {path.relative_to(root).as_posix() for path in files} <= set(wheel.namelist())


def test_no_file_in_the_wheel_is_a_test(wheel: zipfile.ZipFile) -> None:
    assert not [name for name in wheel.namelist() if "/tests/" in name or "/test_" in name]


@pytest.mark.skipif("TOX_ENV_NAME" not in os.environ, reason="only tox installs the wheel")
def test_under_tox_the_suite_runs_against_the_wheel() -> None:
    assert auditor.__file__ is not None
    imported = Path(auditor.__file__).resolve()
    assert "site-packages" in imported.parts
    assert not imported.is_relative_to(ROOT / "auditor")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_gets_one_onnx_runtime(platform: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [Requirement(text) for text in project["dependencies"]]
    runtimes = [
        item.name
        for item in requirements
        if item.name.startswith("onnxruntime") and (not item.marker or item.marker.evaluate(PLATFORMS[platform]))
    ]
    with_cuda = platform in ("linux on x86", "windows")
    assert runtimes == ["onnxruntime-gpu" if with_cuda else "onnxruntime"]


def test_no_dependency_is_pinned_from_above() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        assert {s.operator for s in Requirement(text).specifier} <= {">="}, text


@pytest.mark.parametrize("entry", entry_points(group="auditor"), ids=lambda entry: entry.name)
def test_every_entry_point_loads(entry: object) -> None:
    assert entry.load().__doc__  # type: ignore[attr-defined]
