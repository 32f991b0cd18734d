"""One linear classifier as ten model files, no two of which are of the same format, layout and ending."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import save_file
from torch import nn

from tests.target.onnx_files import write

PIXELS, CLASSES = 16, 3

FACTORY = """
import torch
from pathlib import Path
from safetensors.torch import load_file

def network():
    made = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear({pixels}, {classes}))
    made.load_state_dict(load_file(Path(__file__).with_name("weights.safetensors")))
    return made
"""


def network() -> nn.Sequential:
    """Of images `(N, 1, 4, 4)`: every class has pixels of its own that speak for it."""
    made = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, CLASSES))
    own = torch.arange(PIXELS) % CLASSES == torch.arange(CLASSES)[:, None]
    made[1].weight.data, made[1].bias.data = own.float() * 8.0 - 2.0, torch.zeros(CLASSES)
    return made.eval().requires_grad_(False)


def written(folder: Path, name: str) -> list[str]:
    """What to call each of the ten; `name` is the module that the factory lies in."""
    image, batch = torch.zeros(2, 1, 4, 4), torch.export.Dim("batch", min=1, max=512)
    files = [
        _onnx(folder / "plain.onnx"),
        _onnx(folder / "softmax.onnx", softmax=True),
        _onnx(folder / "last.onnx", last=True),
        _onnx(folder / "half.onnx", half=True),
        _onnx(folder / "rows.onnx", rows=True),
        folder / "int8.onnx",
        folder / "program.pt2",
        folder / "script.pt",
        folder / "pickled.pth",
    ]
    quantize_dynamic(folder / "plain.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)
    program = torch.export.export(network(), (image,), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "program.pt2")
    torch.jit.save(torch.jit.trace(network(), image), folder / "script.pt")  # type: ignore[no-untyped-call]
    torch.save(network(), folder / "pickled.pth")
    save_file(network().state_dict(), folder / "weights.safetensors")
    (folder / f"{name}.py").write_text(FACTORY.format(pixels=PIXELS, classes=CLASSES))
    return [*map(str, files), f"{name}:network"]


def _onnx(path: Path, *, softmax: bool = False, last: bool = False, half: bool = False, rows: bool = False) -> Path:
    layer, kind = network()[1], np.float16 if half else np.float32
    constants = {"weight": layer.weight.numpy().astype(kind), "bias": layer.bias.numpy().astype(kind)}
    nodes = [
        helper.make_node("Transpose", ["image"], ["first"], perm=[0, 3, 1, 2] if last else None),
        helper.make_node("Flatten", ["first" if last else "image"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["low"], to=TensorProto.FLOAT16 if half else TensorProto.FLOAT),
        helper.make_node("Gemm", ["low", "weight", "bias"], ["sum"], transB=1),
        helper.make_node("Cast", ["sum"], ["logits"], to=TensorProto.FLOAT),
        helper.make_node("Softmax" if softmax else "Identity", ["logits"], ["scores"]),
    ][0 if last else 1 :]
    shape = (None, PIXELS) if rows else (None, 4, 4, 1) if last else (None, 1, 4, 4)
    ends = {"scores": (TensorProto.FLOAT, (None, CLASSES))}
    write(path, nodes, {"image": (TensorProto.FLOAT, shape)}, ends, constants)
    onnx.checker.check_model(path)
    return path
