"""Lets the tests import the benchmarks of the checkout beside whichever `auditor` is installed."""

from __future__ import annotations

import sys
from pathlib import Path

# Last, so that the package under test stays the installed one.
sys.path.append(str(Path(__file__).resolve().parents[2]))
