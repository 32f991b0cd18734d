"""The command line; see the package's docstring."""

from __future__ import annotations

import argparse

from benchmarks.forecast.calibration import fit, table
from benchmarks.forecast.searches import make


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description="How well falls are foretold.")
    parser.add_argument(
        "--search", nargs="*", metavar="NAME", help="make the fall times anew; of these networks or searches"
    )
    parser.add_argument("--fit", action="store_true", help="print the constants that fit best")
    arguments = parser.parse_args()
    if arguments.search is not None:
        make(arguments.search)
    elif arguments.fit:
        fit()
    else:
        table()


if __name__ == "__main__":
    main()
