"""Our own loaders keep what the kit asks of anyone's: ONNX, `torch.export`, weights beside code, pickles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from auditor import ModelOptions
from auditor.loaders import auditor_load_model
from auditor.testing import Loading, questions
from tests.loaders.torch_archives import Small, export
from tests.target.onnx_files import linear

X = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
FACTORY = f"{Small.__module__}:Small"


def small() -> Small:
    torch.manual_seed(0)
    return Small().eval()


def onnx(folder: Path) -> Loading:
    return Loading(load=auditor_load_model, file=linear(folder / "model.onnx").path)


def archive(folder: Path) -> Loading:
    return Loading(load=auditor_load_model, file=export(small(), folder / "model.pt2", X[:2]))


def tensors(folder: Path) -> Loading:
    save_file(small().state_dict(), folder / "weights.safetensors")
    return Loading(load=auditor_load_model, file=folder / "weights.safetensors", path=FACTORY, x=X)


def checkpoint(folder: Path) -> Loading:
    torch.save(small().state_dict(), folder / "weights.pth")
    return Loading(load=auditor_load_model, file=folder / "weights.pth", path=FACTORY, x=X)


def pickled(folder: Path) -> Loading:
    torch.save(small(), folder / "model.pt")
    return Loading(load=auditor_load_model, file=folder / "model.pt", options=ModelOptions(trust=True), x=X)


@pytest.mark.filterwarnings("ignore")  # of PyTorch, on what the damaged files hold
@pytest.mark.parametrize("kind", [onnx, archive, tensors, checkpoint, pickled])
def test_our_own_loaders_keep_what_the_kit_asks_of_anyones(kind: Callable[[Path], Loading], tmp_path: Path) -> None:
    for question in questions(kind(tmp_path)):
        question.ask()
