"""The command line; see the package's docstring."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import pkgutil
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import benchmarks.attacks
from benchmarks.attacks import common

_OTHERS = {"__main__", "common"}


def main() -> None:
    names = [module.name for module in pkgutil.iter_modules(benchmarks.attacks.__path__)]
    families = [name for name in names if name not in _OTHERS and not name.startswith("_")]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=common.__doc__)
    parser.add_argument("family", choices=[*families, "render"])
    parser.add_argument("--cache", type=Path, required=True, help="folder of attacks.jsonl")
    parser.add_argument("--network", nargs="+", metavar="NAME", help="default: the family's own choice")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cells with this in norm/network/tool/attack")
    parser.add_argument("--samples", type=int, help="default: the family's own choice")
    arguments = parser.parse_args()
    if arguments.family == "render":
        from benchmarks.attacks._render import render

        render(arguments.cache)
        return
    family = importlib.import_module(f"benchmarks.attacks.{arguments.family}")
    wanted = {key: getattr(arguments, key) for key in ("network", "samples") if getattr(arguments, key)}
    store = common.Store(arguments.cache)
    if hasattr(family, "records"):
        if "folder" in inspect.signature(family.records).parameters:
            wanted["folder"] = arguments.cache
        for record in family.records(**wanted):
            store.add(record)
        return
    for cell in family.cells(**wanted):
        if arguments.only in cell.key:
            store.add(common.measured(arguments.family, cell))


if __name__ == "__main__":
    main()
