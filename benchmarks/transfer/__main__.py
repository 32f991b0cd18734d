"""The command line; see the package's docstring."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch

from benchmarks.transfer import effects, peers, pieces, ten
from benchmarks.transfer.families import networks

PARTS: dict[str, Callable[[Path], Iterator[str]]] = {
    "effects": lambda cache: effects.report(networks(cache)),
    "pieces": pieces.report,
    "peers": peers.report,
    "ten": lambda cache: ten.report(networks(cache)),
}


def main() -> None:
    """Print the parts that are asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--cache", type=Path, default=Path("transfer-networks"), help="where networks are kept")
    arguments = parser.parse_args()
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; choose among {', '.join(PARTS)}")
    torch.set_num_threads(1)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts or PARTS:
        sys.stdout.write(f"## {part}\n\n")
        for line in PARTS[part](arguments.cache):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
