"""The command line; see the package's docstring."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here or in a process started from here

from benchmarks.evaluation import growth, overhead, peers, queries, steps, strength
from benchmarks.evaluation.cells import Cell, measure
from benchmarks.evaluation.page import render
from benchmarks.networks import NETWORKS
from benchmarks.onnx_matrix.facts import facts
from benchmarks.onnx_matrix.store import Store

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main() -> None:
    arguments = _parser().parse_args()
    store = Store(arguments.cache)
    if arguments.command == "render":
        arguments.page.write_text(render(store.records))
        return
    store.add(f"facts/{arguments.command}", **facts(), peers=peers.versions(), torch_threads=1)
    measure(store, _cells(arguments), arguments.again)


def _cells(arguments: argparse.Namespace) -> dict[str, Cell]:
    match arguments.command:
        case "strength":
            return strength.cells(arguments.network, arguments.tool, arguments.samples, arguments.suite)
        case "count":
            return strength.count_cells(arguments.network, arguments.samples, arguments.suite)
        case "steps":
            return steps.cells(arguments.only, arguments.rounds, arguments.samples)
        case "overhead":
            return overhead.cells(arguments.only, arguments.rounds)
        case "queries":
            return queries.cells(arguments.only, arguments.rounds)
    return growth.cells(arguments.only)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description="Benchmarks of the engine.")
    commands = parser.add_subparsers(dest="command", required=True)
    made = {
        "strength": "robust accuracy, passes and time against AutoAttack",
        "count": "our count of passes against a counter outside of the engine",
        "steps": "the same number of steps by everyone",
        "overhead": "attacks against their bare passes",
        "queries": "queries per second against a bare session",
        "growth": "cost over samples, classes, pixels, parameters",
        "render": "write the page from the cache",
    }
    for name, words in made.items():
        command = commands.add_parser(name, help=words)
        command.add_argument("--cache", type=Path, required=True, help="folder of the results")
        if name == "render":
            command.add_argument("--page", type=Path, default=PAGE, help="default: docs/benchmarks.md")
            continue
        command.add_argument(
            "--again", metavar="TEXT", help="measure cells with this in their key again ('' means all)"
        )
        if name in ("strength", "count"):
            command.add_argument("--network", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
            command.add_argument("--samples", type=int, help="default: 500 for mnist, 200 for color; count: 50")
            command.add_argument("--suite", default="standard")
        else:
            command.add_argument("--only", default="", metavar="TEXT", help="only cells with this in their key")
        if name == "strength":
            command.add_argument("--tool", nargs="+", choices=strength.TOOLS, default=list(strength.TOOLS))
        if name == "steps":
            command.add_argument("--samples", type=int, default=steps.SAMPLES)
        if name in ("steps", "overhead", "queries"):
            command.add_argument("--rounds", type=int, default=overhead.ROUNDS)
    return parser


if __name__ == "__main__":
    main()
