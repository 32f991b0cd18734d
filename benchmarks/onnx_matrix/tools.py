"""The four ways from an ONNX file to a differentiable function, behind one signature."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from benchmarks.onnx_matrix.reference import Reference

OURS = "auditor"
PEERS = {"onnx2torch": "1.5.15", "onnx2pytorch": "0.6.0", "onnx2fx": "0.0.1"}
TOOLS = (OURS, *PEERS)

Network = Callable[..., Tensor]
"""The attacked input, then the others by keyword in the graph's order, to the chosen output."""


def install_peers(folder: Path) -> None:
    """The other converters into `folder`, without their requirements, which ours cover."""
    wanted = [f"{name}=={version}" for name, version in PEERS.items()]
    subprocess.run([sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(folder), *wanted], check=True)


def load(tool: str, path: Path, reference: Reference, peers: Path) -> Network:
    """`path` as a differentiable function. Raises whatever the tool raises."""
    if tool == OURS:
        from auditor.onnx import load_twin

        return load_twin(path, strip_head=False, output=reference["output_name"])
    sys.path.append(str(peers))
    module = _CONVERTERS[tool](path).eval()
    module.requires_grad_(False)
    order, name, output = list(reference["feeds"]), reference["name"], reference["output"]

    def network(x: Tensor, **others: Tensor) -> Tensor:
        answer = module(*[x if entry == name else others[entry] for entry in order])
        if isinstance(answer, dict):
            answer = list(answer.values())
        return answer[output] if isinstance(answer, (tuple, list)) else answer

    return network


def _onnx2torch(path: Path) -> torch.nn.Module:
    from onnx2torch import convert

    return convert(str(path))


def _onnx2pytorch(path: Path) -> torch.nn.Module:
    from onnx2pytorch import ConvertModel

    # `experimental` is its name for batches of more than one.
    return ConvertModel(onnx.load(path), experimental=True)


def _onnx2fx(path: Path) -> torch.nn.Module:
    from onnx2fx import convert

    return convert(str(path))


_CONVERTERS: dict[str, Callable[[Path], Any]] = {
    "onnx2torch": _onnx2torch,
    "onnx2pytorch": _onnx2pytorch,
    "onnx2fx": _onnx2fx,
}
