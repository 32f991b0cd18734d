"""Files as ONNX Runtime's own optimisers and quantisers save them: outputs, and gradients that still lead somewhere."""

from __future__ import annotations

import logging
import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import Tensor, nn

from auditor.onnx import load_twin
from auditor.onnx.overflow import overflows


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.third, self.norm = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.head = nn.Sequential(nn.Linear(8, 8), nn.LeakyReLU(0.2), nn.Linear(8, 5))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.first(x))
        h = torch.relu(self.norm(self.second(h)) + h)
        h = nn.functional.leaky_relu(self.third(h), 0.1)
        return self.head(h.mean((2, 3)))


class Block(nn.Module):
    """Self-attention and a feed-forward part, spelt out as most transformers spell them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        size = width // self.heads  # a number: the optimiser does not recognise a shape with -1
        q, k, v = (f(x).view(n, t, self.heads, size).permute(0, 2, 1, 3) for f in (self.q, self.k, self.v))
        weights = torch.softmax(torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(size), -1)
        mixed = torch.matmul(weights, v).permute(0, 2, 1, 3).contiguous().view(n, t, width)
        x = self.before(self.o(mixed) + x)
        return self.after(self.down(nn.functional.gelu(self.up(x))) + x)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 5)
        self.blocks = nn.Sequential(Block(32, 4), Block(32, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.norm(x)).mean(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells, self.head = nn.LSTM(32, 16, batch_first=True, bidirectional=True), nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x)[0].mean(1))


MODULES = {"convolutions": (Residual, (2, 3, 8, 8)), "encoder": (Encoder, (2, 6, 32)), "lstm": (Recurrent, (2, 6, 32))}


@pytest.fixture(scope="module", params=MODULES)
def exported(request, tmp_path_factory) -> tuple[str, Path, Tensor]:
    """Name, file and input of a network, exported at an opset that has no LayerNormalization yet."""
    make, shape = MODULES[request.param]
    torch.manual_seed(0)
    path, x = tmp_path_factory.mktemp("exported") / "net.onnx", torch.rand(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about itself
        torch.onnx.export(make().eval(), (x,), path, dynamo=False, opset_version=14, input_names=["x"])
    return request.param, path, x


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.WARNING)  # optimiser and quantisers advise through the root logger
    yield
    logging.disable(logging.NOTSET)


def gradient(twin, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    y = twin(x).float()
    (found,) = torch.autograd.grad((y * torch.arange(y.numel()).reshape(y.shape)).sum(), x)
    return found.float().flatten()


def agree(model: onnx.ModelProto | str, reference: Path, x: Tensor, onnx_runtime, limit: float, cosine: float) -> None:
    """The twin answers as ONNX Runtime does, and its gradient points where the original file's does."""
    twin, given = load_twin(model), x
    expected = onnx_runtime(model, given, optimise=False).astype(np.float32)
    difference = np.abs(twin(given).float().numpy() - expected).max()
    assert difference <= limit * np.abs(expected).max()
    found = gradient(twin, given)
    assert torch.cosine_similarity(found, gradient(load_twin(reference), x.float()), dim=0) > cosine


LEVELS = {"basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED"}
FUSED = {"convolutions": "FusedConv", "encoder": "LayerNormalization", "lstm": "LSTM"}


@pytest.mark.parametrize("level", LEVELS)
def test_a_graph_that_onnx_runtime_optimised_and_saved(exported, level, tmp_path, onnx_runtime) -> None:
    name, path, x = exported
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, LEVELS[level])
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "optimised.onnx"), 4
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(tmp_path / "optimised.onnx")
    assert level == "basic" or FUSED[name] in {node.op_type for node in optimised.graph.node}
    agree(optimised, path, x, onnx_runtime, 1e-5, 0.9999)


@pytest.mark.parametrize(("apart", "fused"), [(False, "Attention"), (True, "MultiHeadAttention")])
def test_a_transformer_that_the_optimiser_for_transformers_fused(tmp_path, onnx_runtime, apart, fused) -> None:
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    torch.manual_seed(0)
    path, x = tmp_path / "net.onnx", torch.rand(2, 6, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"x": {0: "batch", 1: "time"}}
        torch.onnx.export(
            Encoder().eval(), (x,), path, dynamo=False, opset_version=17, input_names=["x"], dynamic_axes=axes
        )
    options = FusionOptions("bert")
    options.use_multi_head_attention = apart
    model = optimizer.optimize_model(
        str(path), "bert", num_heads=4, hidden_size=32, optimization_options=options, opt_level=0
    ).model
    assert {fused, "BiasGelu", "SkipLayerNormalization"} <= {node.op_type for node in model.graph.node}
    agree(model, path, x, onnx_runtime, 1e-5, 0.9999)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("form", [QuantFormat.QOperator, QuantFormat.QDQ], ids=["MatMulNBits", "QDQ"])
def test_weights_of_four_bits_in_blocks(tmp_path, onnx_runtime, symmetric, form) -> None:
    rng = np.random.default_rng(0)
    weight = (rng.normal(size=(40, 24)) / 6).astype(np.float32)  # 40 is no multiple of the block
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 40))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 24))],
        [numpy_helper.from_array(weight, "w")],
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    quantiser = MatMulNBitsQuantizer(
        onnx.load(path), block_size=16, is_symmetric=symmetric, accuracy_level=0, quant_format=form
    )
    quantiser.process()
    model = quantiser.model.model
    assert {node.op_type for node in model.graph.node} & {"MatMulNBits", "DequantizeLinear"}
    agree(model, path, torch.rand(3, 40), onnx_runtime, 1e-5, 0.98)


class Calibration(CalibrationDataReader):
    """Wider than the data that is judged: a logit at the very end of its range is clipped and has no gradient."""

    def __init__(self, x: Tensor) -> None:
        self.batches = iter([{"x": (factor * x).numpy()} for factor in (1, 3, -2)])

    def get_next(self):
        return next(self.batches, None)


STATIC = {
    # Types of activations and weights, the largest error of the output, the least cosine of the gradients.
    "activations of 16 bits": (QuantType.QUInt16, QuantType.QInt8, 1e-3, 0.95),
    "signed activations of 16 bits": (QuantType.QInt16, QuantType.QInt8, 1e-3, 0.95),
    "weights of four bits": (QuantType.QUInt8, QuantType.QInt4, 0.05, 0.6),
}


@pytest.mark.parametrize("name", STATIC)
def test_static_quantisation_of_unusual_width(exported, name, tmp_path, onnx_runtime) -> None:
    _, path, x = exported
    activations, weights, limit, cosine = STATIC[name]
    quantised = tmp_path / "quantised.onnx"
    quantize_static(
        path,
        quantised,
        Calibration(x),
        quant_format=QuantFormat.QDQ,
        activation_type=activations,
        weight_type=weights,
        extra_options={"UseQDQContribOps": True},
    )
    agree(onnx.load(quantised), path, x, onnx_runtime, limit, cosine)


def test_dynamic_quantisation(exported, tmp_path, onnx_runtime) -> None:
    name, path, x = exported
    quantize_dynamic(path, tmp_path / "quantised.onnx", weight_type=QuantType.QInt8, reduce_range=overflows())
    model = onnx.load(tmp_path / "quantised.onnx")
    assert name != "lstm" or "DynamicQuantizeLSTM" in {node.op_type for node in model.graph.node}
    agree(model, path, x, onnx_runtime, 0.01, 0.95)


def test_half_precision(exported, onnx_runtime) -> None:
    _, path, x = exported
    model = convert_float_to_float16(onnx.load(path))
    agree(model, path, x.half(), onnx_runtime, 5e-3, 0.999)


def test_brain_floats(exported) -> None:
    """ONNX Runtime has few such kernels on CPUs; the original file is the oracle, within eight bits of mantissa."""
    _, path, x = exported
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).ravel().tolist()
            tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.BFLOAT16, tensor.dims, values))
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                values = numpy_helper.to_array(attribute.t).ravel().tolist()
                attribute.t.CopyFrom(helper.make_tensor("", TensorProto.BFLOAT16, attribute.t.dims, values))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.BFLOAT16
    y, expected = load_twin(model)(x.bfloat16()), load_twin(path)(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.05 * float(expected.abs().max()))
    found = gradient(load_twin(model), x.bfloat16())
    assert torch.cosine_similarity(found, gradient(load_twin(path), x), dim=0) > 0.98
