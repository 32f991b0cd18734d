"""Modules to files, by both exporters, and what each exporter says where it cannot write an opset."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from benchmarks.onnx_matrix.isolation import sentence

EXPORTERS = ("torch.export", "TorchScript")
OPSETS = (13, 17, 20)
BATCHES = ("1", "free")
TRANSLATED = 18
"""The oldest opset that the newer exporter knows."""


@dataclass(frozen=True)
class Export:
    """A file, or why there is none. `opset` is read from the file; `asked` are the ones that it answers for."""

    asked: tuple[int, ...]
    opset: int = 0
    path: Path | None = None
    said: str = ""


def exports(
    module: nn.Module, x: Tensor, folder: Path, exporter: str, batch: str, opsets: tuple[int, ...] = OPSETS
) -> list[Export]:
    """One file for each opset that the exporter really writes; opsets that end in the same file share it."""
    module.requires_grad_(True)  # else attention takes a path that the older exporter cannot export
    x = x if batch == "free" else x[:1]
    write = _by_torch_export if exporter == "torch.export" else _by_torchscript
    found: dict[int, Export] = {}
    failed = []
    for export in write(module, x, folder, batch == "free", opsets):
        if export.path is None:
            failed.append(export)
        elif export.opset in found:
            before = found[export.opset]
            said = before.said or export.said
            found[export.opset] = replace(before, asked=(*before.asked, *export.asked), said=said)
            if export.path != before.path:
                export.path.unlink()
        else:
            found[export.opset] = export
    module.requires_grad_(False)
    return [*found.values(), *failed]


def _by_torchscript(
    module: nn.Module, x: Tensor, folder: Path, free: bool, opsets: tuple[int, ...]
) -> Iterator[Export]:
    axes = {"x": {0: "batch"}} if free else None
    for opset in opsets:
        path = folder / f"{opset}.onnx"
        try:
            torch.onnx.export(
                module, (x,), path, dynamo=False, opset_version=opset, input_names=["x"], dynamic_axes=axes
            )
        except Exception as error:
            yield Export((opset,), said=sentence(error))
            continue
        yield Export((opset,), _opset(path), path)


def _by_torch_export(
    module: nn.Module, x: Tensor, folder: Path, free: bool, opsets: tuple[int, ...]
) -> Iterator[Export]:
    """As `torch.onnx.export(dynamo=True)` does it, but with one trace for all opsets and one translation for old ones.

    It translates to opset 18 or newer and hands what is asked for below that to converters of versions.
    """
    try:
        shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if free else None
        trace = torch.export.export(module, (x,), dynamic_shapes=shapes)
    except Exception as error:
        yield from (Export((opset,), said=sentence(error)) for opset in opsets)
        return
    new = [opset for opset in opsets if opset > TRANSLATED]
    old = [opset for opset in reversed(opsets) if opset <= TRANSLATED]
    for opset in new:
        yield from _translated(trace, x, folder, [opset], opset)
    if old:
        yield from _translated(trace, x, folder, old, TRANSLATED)


def _translated(
    trace: torch.export.ExportedProgram, x: Tensor, folder: Path, opsets: list[int], written: int
) -> Iterator[Export]:
    from onnxscript.version_converter import convert_version

    try:
        program = torch.onnx.export(trace, (x,), dynamo=True, opset_version=written, optimize=False, verbose=False)
    except Exception as error:
        yield from (Export((opset,), said=sentence(error)) for opset in opsets)
        return
    original = program.model
    for opset in opsets:
        path = folder / f"{opset}.onnx"
        try:
            with _Listening() as said:
                program.model = original.clone()
                convert_version(program.model, opset, fallback=True)
                program.optimize()
                program.save(path, external_data=False)
        except Exception as error:
            yield Export((opset,), said=sentence(error))
            continue
        real = _opset(path)
        yield Export((opset,), real, path, said="" if real == opset else f"opset {real} stays: {said}")


class _Listening(logging.Handler):
    """What the converters of versions log instead of raising."""

    def __enter__(self) -> _Listening:
        self._texts: list[str] = []
        logging.getLogger("onnxscript").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("onnxscript").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._texts.append(str(error).splitlines()[0] if error else record.getMessage())

    def __str__(self) -> str:
        # What the C++ converter says starts with a place in its source.
        return self._texts[-1].rpartition("failed: ")[2][:200] if self._texts else "no reason given"


def _opset(path: Path) -> int:
    model = onnx.load(path, load_external_data=False)
    return next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
