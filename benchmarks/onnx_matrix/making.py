"""Bundles: what one process makes, files and references, for others to be judged on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.onnx_matrix import foreign, modules, networks
from benchmarks.onnx_matrix.exporting import BATCHES, EXPORTERS, Export, exports
from benchmarks.onnx_matrix.isolation import sentence
from benchmarks.onnx_matrix.quantising import SAMPLES, quantised
from benchmarks.onnx_matrix.reference import ROWS, Session, make_reference

GROUPS = ("torchvision", "quantised", "other", "foreign")

QUANTISED = {"torch.export": 20, "TorchScript": 17}
"""The opset of the float file that is quantised: what each exporter was made for."""

File = dict[str, Any]
"""`variant`, and either `path` and `reference`, or `error`; for the page `opset`, `asked`, `said`, `why`."""


@dataclass(frozen=True)
class Bundle:
    """What is exported, by which exporter, with which batch; for foreign files the package's name alone."""

    group: str
    name: str
    exporter: str = ""
    batch: str = ""

    @property
    def key(self) -> str:
        return "/".join(part for part in (self.group, self.name, self.exporter, self.batch) if part)


def bundles(groups: list[str]) -> Iterator[Bundle]:
    for group in groups:
        if group == "foreign":
            yield from (Bundle(group, package) for package in foreign.PACKAGES)
            continue
        names = modules.MODULES if group == "other" else networks.SIZES
        batches = ("free",) if group == "quantised" else BATCHES
        yield from (Bundle(group, n, exporter, batch) for n in names for exporter in EXPORTERS for batch in batches)


def make(bundle: Bundle, folder: str, cache: str) -> list[File]:
    """The bundle's files and references in `folder`, in a process of its own."""
    place = Path(folder)
    if bundle.group == "foreign":
        return foreign.make(bundle.name, place, Path(cache))
    if bundle.group == "other":
        module, shape = modules.build(bundle.name), modules.MODULES[bundle.name][1]
    else:
        size = networks.SIZES[bundle.name]
        module, shape = networks.build(bundle.name), (3, size, size)
    module.requires_grad_(False)
    rows = torch.rand(ROWS, *shape)
    if bundle.group == "quantised":
        (export,) = exports(module, rows[:2], place, bundle.exporter, bundle.batch, (QUANTISED[bundle.exporter],))
        return list(_quantised(module, export, rows, place))
    made = exports(module, rows[:2], place, bundle.exporter, bundle.batch)
    return [_file(module, export, rows, place, bundle.batch) for export in made]


def eager(module: nn.Module, x: Tensor) -> Callable[[Tensor], Tensor]:
    """From weights of the outputs to the module's own gradient."""

    def gradient(weights: Tensor) -> Tensor:
        z = x.clone().requires_grad_()
        (found,) = torch.autograd.grad((module(z) * weights).sum(), z)
        return found

    return gradient


def _file(module: nn.Module, export: Export, rows: Tensor, folder: Path, batch: str) -> File:
    fields: File = {"variant": "+".join(map(str, export.asked)), "opset": export.opset, "asked": list(export.asked)}
    fields |= {"said": export.said}
    if export.path is None:
        return fields | {"error": f"export: {export.said}"}
    x = rows[:1] if batch == "1" else rows[:2]
    try:
        name = next(iter(Session(export.path).inputs))
        reference = make_reference(export.path, {name: x}, name, rows=rows, gradient=eager(module, x))
    except Exception as error:
        return fields | {"error": f"ONNX Runtime: {sentence(error)}"}
    return fields | saved(reference, export.path, folder)


def saved(reference: dict[str, Any], path: Path, folder: Path) -> File:
    """The two paths that a judge is given."""
    target = folder / f"{path.stem}.reference"
    torch.save(reference, target)
    return {"path": str(path), "reference": str(target)}


def _quantised(module: nn.Module, chosen: Export, rows: Tensor, folder: Path) -> Iterator[File]:
    if chosen.path is None:
        yield {"variant": "all", "error": f"export: {chosen.said}"}
        return
    name = next(iter(Session(chosen.path).inputs))
    x = rows[:2]
    for way, write in quantised(chosen.path, name, torch.rand(SAMPLES, *rows.shape[1:]), folder):
        fields: File = {"variant": way, "opset": chosen.opset}
        try:
            path = write()
        except Exception as error:
            yield fields | {"error": f"quantiser: {sentence(error)}"}
            continue
        try:
            reference = make_reference(path, {name: x}, name, rows=rows, gradient=eager(module, x), quantised=True)
        except Exception as error:
            yield fields | {"error": f"ONNX Runtime: {sentence(error)}"}
            continue
        yield fields | saved(reference, path, folder)
