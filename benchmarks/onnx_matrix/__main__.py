"""The command line; see the package's docstring."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here or in a process forked from here

from benchmarks.onnx_matrix import speed
from benchmarks.onnx_matrix.facts import facts
from benchmarks.onnx_matrix.isolation import Failed, isolated
from benchmarks.onnx_matrix.judging import WRONG, judge
from benchmarks.onnx_matrix.making import GROUPS, Bundle, bundles, make
from benchmarks.onnx_matrix.page import render
from benchmarks.onnx_matrix.store import Store
from benchmarks.onnx_matrix.tools import TOOLS, install_peers

PAGE = Path(__file__).parents[2] / "docs" / "onnx-matrix.md"


def main() -> None:
    arguments = _parser().parse_args()
    cache: Path = arguments.cache
    if arguments.command == "peers":
        install_peers(cache / "peers")
        return
    store = Store(cache)
    if arguments.command == "render":
        arguments.page.write_text(render(store))
        return
    for part in arguments.again:
        store.forget(part)
    store.add("facts", **facts())
    start = time.monotonic()
    wanted = bundles([group for group in arguments.group if group != "speed"])
    with ThreadPoolExecutor(arguments.jobs) as pool:
        todo = [bundle for bundle in wanted if arguments.only in bundle.key]
        list(pool.map(lambda bundle: _measure(bundle, store, cache, arguments), todo))
    if "speed" in arguments.group:
        _measure_speed(store, cache, arguments)
    print(f"done in {(time.monotonic() - start) / 60:.1f} minutes")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.onnx_matrix", description="Measure the ONNX matrix.")
    commands = parser.add_subparsers(dest="command", required=True)
    peers = commands.add_parser("peers", help="install the other converters into the cache")
    run = commands.add_parser("run", help="measure what the cache does not hold yet")
    page = commands.add_parser("render", help="write the page from the cache")
    for command in (peers, run, page):
        command.add_argument("--cache", type=Path, required=True, help="folder of results and downloads")
    run.add_argument("--group", nargs="+", choices=(*GROUPS, "speed"), default=[*GROUPS, "speed"])
    run.add_argument("--only", default="", metavar="TEXT", help="only what has this in its name")
    run.add_argument("--tool", nargs="+", choices=TOOLS, default=TOOLS)
    run.add_argument("--again", nargs="+", default=[], metavar="TEXT", help="forget results with this in their name")
    run.add_argument("--jobs", type=int, default=1, help="bundles at a time; speed is always measured alone")
    run.add_argument("--timeout", type=float, default=180.0, help="seconds for one cell")
    page.add_argument("--page", type=Path, default=PAGE, help="default: docs/onnx-matrix.md")
    return parser


def _measure(bundle: Bundle, store: Store, cache: Path, arguments: argparse.Namespace) -> None:
    """Make a bundle unless all of its cells are known, and measure those that are not."""
    known = store.records.get(f"bundle/{bundle.key}")
    if known is not None and not _missing(bundle, known["files"], store, arguments.tool):
        return
    start = time.monotonic()
    folder = Path(tempfile.mkdtemp(dir=_made(cache / "work")))
    try:
        try:
            files = isolated(make, bundle, str(folder), str(cache), timeout=4 * arguments.timeout)
        except Failed as error:
            files = [{"variant": "all", "error": f"export: {error}"}]
        made = time.monotonic() - start
        kept = [{k: v for k, v in file.items() if k not in ("path", "reference")} for file in files]
        store.add(f"bundle/{bundle.key}", group=bundle.group, name=bundle.name, exporter=bundle.exporter,
                  batch=bundle.batch, files=kept, seconds=made)  # fmt: skip
        for file, tool in _missing(bundle, files, store, arguments.tool):
            try:
                cell = isolated(
                    judge, tool, file["path"], file["reference"], str(cache / "peers"), timeout=arguments.timeout
                )
            except Failed as error:
                cell = WRONG | {"error": f"process: {error}"}
            store.add(f"cell/{bundle.key}/{file['variant']}/{tool}", **cell)
    finally:
        shutil.rmtree(folder)
    cells = sum("error" not in file for file in files) * len(arguments.tool)
    print(f"{bundle.key}: {cells} cells, {made:.0f} + {time.monotonic() - start - made:.0f} s", flush=True)


def _missing(
    bundle: Bundle, files: list[dict[str, object]], store: Store, tools: list[str]
) -> list[tuple[dict[str, str], str]]:
    return [
        (file, tool)  # type: ignore[misc]
        for file in files
        if "error" not in file
        for tool in tools
        if f"cell/{bundle.key}/{file['variant']}/{tool}" not in store.records
    ]


def _measure_speed(store: Store, cache: Path, arguments: argparse.Namespace) -> None:
    for workload, (size, batch) in speed.workloads().items():
        key, name = f"speed/{workload}", workload.partition("/")[0]
        if key in store.records or arguments.only not in key:
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory(dir=_made(cache / "work")) as folder:
            try:
                result = isolated(
                    speed.measure, name, size, batch, folder, str(cache / "peers"), timeout=8 * arguments.timeout
                )
            except Failed as error:
                result = {"error": str(error)}
        store.add(key, **result)
        print(f"{key}: {time.monotonic() - start:.0f} s", flush=True)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
