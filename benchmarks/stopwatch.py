"""How long the documented way takes from an empty folder to a first gate, and from an idea to a listed plugin.

    python -m hatchling build -t wheel -d dist && python -m benchmarks.stopwatch dist/auditor-*.whl
    python -m benchmarks.stopwatch dist/auditor-*.whl --packages .venv/lib/python3.11/site-packages

The commands are those of the pages, run in a fresh environment that knows nothing but the wheel. The second line takes
auditor's dependencies from a folder, so that no download is timed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(r"^```(?:sh|text|console)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_GATE = 1  # how the tutorial's gate ends: one of the two models fails it


def documented(page: str, pattern: str) -> list[str]:
    """The commands of a page that match, as somebody would type them, each once."""
    lines = []
    for block in _BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        lines += [re.sub(r"^\$ |\s+#.*$", "", line) for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    return list(dict.fromkeys(line for line in lines if re.search(pattern, line)))


def ways(wheel: Path, packages: Path | None) -> Iterator[tuple[str, list[str]]]:
    """Each way with its commands, in order."""
    beside = f"echo {packages} > $(echo .venv/lib/python*/site-packages)/beside.pth" if packages else "true"
    install = f"pip install {'--no-deps ' if packages else ''}{wheel}"
    gate = documented("tutorial/first-audit.md", "shutil.copytree|^mv plain.onnx|--min-robust-accuracy")
    yield "from an empty folder to the first gate", [f"python3 -m venv .venv && {beside}", install, *gate]
    shown = r"^auditor plugins( new my-attack --kind attack| check my-attack)?$|^pip .*my-attack$"
    plugin = documented("how-to/write-a-plugin.md", shown)
    yield "from an idea to a listed plugin", plugin


def timed(command: str, folder: Path) -> float:
    """Seconds of the wall clock that a command takes in the folder. Raises CalledProcessError where it fails."""
    path = os.pathsep.join([str(folder / ".venv" / "bin"), os.environ["PATH"]])
    environ = {**{key: value for key, value in os.environ.items() if key != "PYTHONPATH"}, "PATH": path}
    begun = time.perf_counter()
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != (_GATE if "--min-robust-accuracy" in command else 0):
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--packages", type=Path, help="site-packages that hold auditor's dependencies")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        for way, commands in ways(given.wheel.resolve(), given.packages and given.packages.resolve()):
            print(f"\n{way}")
            spent = 0.0
            for command in commands:
                seconds = timed(command, Path(folder))
                spent += seconds
                print(f"{seconds:7.1f} s  {command}")
            print(f"{spent:7.1f} s  in all")


if __name__ == "__main__":
    main()
