"""The hardened model as files: the ONNX graph that it came from with other weights, and its PyTorch form."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

from auditor.errors import ModelError, UsageError
from auditor.harden.ensemble import Ensemble, merge
from auditor.harden.subject import shown
from auditor.onnx.export import FLOAT_FORM
from auditor.onnx.twin import Twin

if TYPE_CHECKING:
    from auditor.harden.trainee import Trainee
    from auditor.target.base import Target
    from auditor.types import Images

ONNX, PROGRAM, WEIGHTS = "model.onnx", "model.pt2", "model.safetensors"


@dataclass(frozen=True)
class Written:
    """What was written: the file to deploy, that with the weights, the exported program where the model came as one,
    and remarks in sentences."""

    deployed: Path | None
    weights: Path
    program: Path | None = None
    remarks: tuple[str, ...] = ()

    @property
    def rounds(self) -> bool:
        """Whether the network rounds as a quantised graph does, and the file does not."""
        return FLOAT_FORM in self.remarks


def write(target: Target, trainee: Trainee, folder: Path, x: Images, provenance: Mapping[str, str]) -> Written:
    """Write the trained model of `target` into `folder`.

    Args:
        x: a few samples `(N, …)`, which an exporter may run the model on.
        provenance: what the weights were made of and how; it goes into the head of their file.

    Raises:
        ModelError: a weight cannot be written.
        UsageError: the folder cannot be written to.
    """
    module, weights = _at_rest(trainee.module), folder / WEIGHTS
    try:
        if isinstance(module, Twin):
            path, notes = _graph(module, trainee.members, folder)
            parts = trainee.members or [module.state_dict()]
            save_file(dict(_named(module, parts)), weights, dict(provenance))
            return Written(path, weights, remarks=notes)
        module = _at_rest(Ensemble(module, trainee.members)) if trainee.members else module
        save_model(module, str(weights), dict(provenance))
        inputs = target.preprocessing(x[:2].to(trainee.device)).to(target.input_dtype)
        programs = [_exported(_program, module, inputs, folder / PROGRAM)] if target.format == "pt2" else []
        graph = _exported(_onnx, module, inputs, folder / ONNX)
        program = next((path for path, _ in programs), None)
        remarks = tuple(said for _, said in (*programs, graph) if said)
        return Written(graph[0] or program, weights, program, remarks)
    except OSError as error:
        raise UsageError(f"The hardened model cannot be written to {folder}: {error.strerror}.") from error


def _graph(twin: Twin, members: Sequence[Mapping[str, Tensor]], folder: Path) -> tuple[Path, tuple[str, ...]]:
    """The graph with the twin's weights, or those of all members side by side."""
    if not members:
        exported = twin.export(folder / ONNX)
        return exported.path, exported.notes
    with tempfile.TemporaryDirectory(dir=folder) as place:
        files, notes = [], dict[str, None]()
        for number, member in enumerate(members):
            twin.load_state_dict(member)
            exported = twin.export(Path(place) / f"{number}.onnx")
            files.append(exported.path)
            notes |= dict.fromkeys(exported.notes)
        merge(files, folder / ONNX)
    return folder / ONNX, tuple(notes)


def _named(twin: Twin, parts: Sequence[Mapping[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Tensors under the names that the file has for them; several members are numbered as in their common graph."""
    for number, part in enumerate(parts):
        prefix = f"member{number}/" if len(parts) > 1 else ""
        for key, value in part.items():
            yield prefix + shown(twin, key), value.contiguous()


def _at_rest(module: nn.Module) -> nn.Module:
    """In eval mode, which exported programs refuse to be told."""
    for part in module.modules():
        part.training = False
    return module


def _exported(
    how: Callable[[nn.Module, Tensor, Path], None], module: nn.Module, inputs: Tensor, path: Path
) -> tuple[Path | None, str]:
    """The file, or None and why there is none; exporting to ONNX needs the package onnxscript."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            how(module, inputs, path)
    except Exception as error:  # a border: exporters fail in as many ways as there are modules
        path.unlink(missing_ok=True)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return None, f"{path.name} could not be exported ({first}); the weights are in {path.with_name(WEIGHTS)}."
    return path, ""


_DYNAMIC = ({0: torch.export.Dim.AUTO},)


def _program(module: nn.Module, inputs: Tensor, path: Path) -> None:
    torch.export.save(torch.export.export(module, (inputs,), dynamic_shapes=_DYNAMIC), path)


def _onnx(module: nn.Module, inputs: Tensor, path: Path) -> None:
    torch.onnx.export(
        module,
        (inputs,),
        str(path),
        input_names=["input"],
        output_names=["output"],
        dynamic_shapes=_DYNAMIC,
        external_data=False,
        verbose=False,
    )


_ROUNDING = 0.25
"""How far rounding activations to eight bits may carry a probability: ten times what it did in a small network."""


def check(written: Target, trained: torch.Tensor, x: Images, *, rounds: bool = False) -> float:
    """The largest difference of a probability between the file and the trained network on samples `x`.

    Args:
        written: the file, loaded and bound as any model.
        trained: logits of the trained network for `x`.
        rounds: it rounds as a quantised graph does and the file does not, so that they may differ by more.

    Raises:
        ModelError: they are not the same model.
    """
    found = torch.cat([written.answer(part).cpu() for part in torch.split(x, 64)])
    difference = float((found.softmax(1) - trained.softmax(1)).abs().max())
    if not difference <= (_ROUNDING if rounds else 1e-3):
        raise ModelError(
            f"{written.source} answers otherwise than the network that was trained: probabilities differ by up to "
            f"{difference:.3g}. It must not be deployed; please report this."
        )
    return difference
