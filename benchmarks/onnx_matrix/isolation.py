"""Functions in processes of their own: a crash or a hang of a converter costs one cell."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

PRELOADED = [
    "torchvision",
    "onnxruntime.quantization",
    "auditor.onnx",
    "auditor.target.batching",
    "benchmarks.onnx_matrix.making",
    # What an export imports on its way, which takes longer than the export of a small network.
    "torch._functorch.aot_autograd",
    "torch.onnx._internal.exporter._core",
    "onnxscript.function_libs.torch_lib.ops",
    "onnxscript.version_converter",
    "networkx",
]
"""Imported once, by the server that the processes are forked from; no process inherits anything that has run."""


class Failed(Exception):
    """What a process died of, in one line."""


def isolated(function: Callable[..., Any], *arguments: Any, timeout: float) -> Any:
    """The result of `function(*arguments)` in a new process.

    Raises:
        Failed: it raised, crashed, or took longer than `timeout` seconds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    start = time.monotonic()
    try:
        if not ours.poll(timeout):
            raise Failed(f"took longer than {timeout:.0f} s")
        kind, value = ours.recv()
    except EOFError:
        process.join(5)
        raise Failed(f"the process died with code {process.exitcode} after {time.monotonic() - start:.0f} s") from None
    finally:
        if process.is_alive():
            process.join(1)
            process.kill()
        process.join()
    if kind == "error":
        raise Failed(value)
    return value


def _serve(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    import warnings

    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if not os.environ.get("MATRIX_VERBOSE"):
        quiet = os.open(os.devnull, os.O_WRONLY)  # exporters and converters print, also from C++
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
    try:
        pipe.send(("value", function(*arguments)))
    except BaseException as error:
        if os.environ.get("MATRIX_VERBOSE"):
            traceback.print_exc(file=sys.stderr)
        pipe.send(("error", sentence(error)))


def sentence(error: BaseException) -> str:
    """An exception's class and its first line with words in it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
