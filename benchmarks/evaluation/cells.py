"""A cell of a table is measured in a process of its own, on one thread, and stored as a line of JSON."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from benchmarks.evaluation import peers
from benchmarks.onnx_matrix.store import Store

Cell = Callable[[], dict[str, Any]]


def measure(store: Store, cells: Mapping[str, Cell], again: str | None = None) -> None:
    """Every cell that the store lacks, one after the other; `again` forgets those with this text in their key first."""
    if again is not None:
        store.records = {key: value for key, value in store.records.items() if key not in cells or again not in key}
    for key, cell in cells.items():
        if key in store.records and not {"error", "absent"} & store.records[key].keys():
            continue
        print(key, flush=True)
        store.add(key, **alone(cell))


def alone(cell: Cell) -> dict[str, Any]:
    """What a picklable function returns in a fresh process, or `{"error": …}` in one line."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_one_thread) as pool:
        try:
            return pool.submit(cell).result()
        except peers.Absent as error:
            return {"absent": str(error)}
        except BrokenProcessPool:
            return {"error": "the process died"}
        except Exception as error:
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {error}"[:300]}


def _one_thread() -> None:
    import warnings

    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
