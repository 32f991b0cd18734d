"""Where the networks are stored, and the way there and back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks.make_demo import without_traces
from benchmarks.networks.data import training_samples
from benchmarks.networks.table import NETWORKS

STORED = Path(__file__).resolve().parent / "stored"
CALIBRATION = 256
AGREEMENT = 1e-3


def onnx_file(name: str) -> Path:
    """float32 `image` (batch, channels, height, width) in [0, 1] to float32 `logits` (batch, 10)."""
    return STORED / f"{name}.onnx"


def load(name: str) -> nn.Module:
    """The module with its stored weights, in eval mode and frozen. Raises ValueError for a quantised network."""
    network = NETWORKS[name]
    if network.quantised:
        raise ValueError(f"{name} exists as an ONNX file only; attack {onnx_file(name)}.")
    model = network.build()
    model.load_state_dict(load_file(STORED / f"{name}.safetensors"))
    return model.eval().requires_grad_(False)


def store(name: str, model: nn.Module) -> None:
    """Write the weights and the ONNX file of a trained network."""
    STORED.mkdir(exist_ok=True)
    save_file(model.state_dict(), STORED / f"{name}.safetensors")
    x, _ = training_samples(NETWORKS[name].data, torch.Generator().manual_seed(0))
    torch.onnx.export(
        model,
        (x[:2],),
        onnx_file(name),
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    without_traces(onnx_file(name))
    _check(name, x[:CALIBRATION])


def quantise(name: str) -> None:
    """Write the int8 form of a stored network: QDQ, weights per channel, activations calibrated on training images."""
    network = NETWORKS[name]
    if network.quantised is None:
        raise ValueError(f"{name} is no quantised network.")
    x, _ = training_samples(network.data, torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(onnx_file(network.quantised), prepared)
        quantize_static(
            prepared,
            onnx_file(name),
            _Calibration(x[:CALIBRATION]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
    onnx.checker.check_model(str(onnx_file(name)))


def _check(name: str, x: Tensor) -> None:
    """Attacks on the module and on the file must meet the same network, or comparing them means nothing."""
    session = onnxruntime.InferenceSession(onnx_file(name), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": x.numpy()})
    apart = float((load(name)(x) - torch.from_numpy(np.asarray(logits))).abs().max())
    if apart > AGREEMENT:
        raise RuntimeError(f"The logits of {onnx_file(name)} lie {apart:.2g} from those of the module.")


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, x: Tensor) -> None:
        self._images: Iterator[Tensor] = iter(x)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image[None].numpy()}
