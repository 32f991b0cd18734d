"""Float files to quantised ones, by ONNX Runtime's own quantiser, in three ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

WAYS = ("QDQ, int8, per channel", "QOperator, uint8", "dynamic")
SAMPLES = 4


class _Samples(CalibrationDataReader):
    def __init__(self, name: str, samples: Tensor) -> None:
        self._feeds = iter([{name: sample[None].numpy()} for sample in samples])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def quantised(path: Path, name: str, samples: Tensor, folder: Path) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Each way's name and a function that writes its file; calibrated on `samples`, whose input is called `name`."""
    prepared = folder / "prepared.onnx"
    try:
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    except Exception:  # its own optimiser refuses some files, which can be quantised all the same
        prepared = path

    def static(format: QuantFormat, activation: QuantType, per_channel: bool, target: Path) -> Path:
        quantize_static(
            str(prepared),
            str(target),
            _Samples(name, samples),
            quant_format=format,
            activation_type=activation,
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
        )
        return target

    def dynamic() -> Path:
        target = folder / "dynamic.onnx"
        # uint8, since ONNX Runtime has no integer convolution with signed weights.
        quantize_dynamic(str(prepared), str(target), weight_type=QuantType.QUInt8)
        return target

    yield WAYS[0], lambda: static(QuantFormat.QDQ, QuantType.QInt8, True, folder / "qdq.onnx")
    yield WAYS[1], lambda: static(QuantFormat.QOperator, QuantType.QUInt8, False, folder / "qoperator.onnx")
    yield WAYS[2], dynamic
