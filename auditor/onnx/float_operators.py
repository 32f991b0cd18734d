"""How each operator on integers of known scale is written with floats."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from onnx import NodeProto

from auditor.onnx.rewriting import Real, Scope

Rewrite = Callable[[Scope, NodeProto], None]


def quantize_linear(scope: Scope, node: NodeProto) -> None:
    x, scale, zero = (*node.input, "")[:3]
    if x in scope.constants:  # weights kept as floats and rounded at run time; in the float form, not rounded
        scope.real[node.output[0]] = Real(x, scale, zero)
        return
    scope.clip(node, x, scale, zero, node.output[0], margin=0.5 if x in scope.inputs else 0.0)


def dequantize_linear(scope: Scope, node: NodeProto) -> None:
    q, scale, zero = (*node.input, "")[:3]
    y = node.output[0]
    if q in scope.real:
        scope.renames[y] = scope.operand(node, 0)
    elif q in scope.constants:
        axis, block = _integer(node, "axis", 1), _integer(node, "block_size", 0)
        scope.store(scope.dequantised(node, q, scale, zero, axis, block), y)
    else:
        scope.nodes.append(node)  # an integer that the caller hands in


def convolution(scope: Scope, node: NodeProto) -> None:
    x, w, bias = scope.operand(node, 0), scope.operand(node, 3, axis=0), _bias(scope, node, 8, 1.0)
    exact = scope.add(node, "Conv", [x, w, *bias], scope.fresh(f"{node.output[0]}_exact"), node.attribute)
    scope.clip(node, exact, node.input[6], node.input[7], node.output[0])


def matrix_product(scope: Scope, node: NodeProto) -> None:
    a, b = scope.operand(node, 0, axis=-2), scope.operand(node, 3, axis=-1)
    exact = scope.add(node, "MatMul", [a, b], scope.fresh(f"{node.output[0]}_exact"))
    scope.clip(node, exact, node.input[6], node.input[7], node.output[0])


def gemm(scope: Scope, node: NodeProto) -> None:
    alpha = next((a.f for a in node.attribute if a.name == "alpha"), 1.0)
    a, b = scope.operand(node, 0), scope.operand(node, 3, axis=0 if _integer(node, "transB", 0) else 1)
    inputs = [a, b, *_bias(scope, node, 6, alpha)]
    y = node.output[0]
    if len(node.input) > 7 and node.input[7]:
        exact = scope.add(node, "Gemm", inputs, scope.fresh(f"{y}_exact"), node.attribute)
        scope.clip(node, exact, node.input[7], (*node.input, "")[8], y)
    else:
        scope.add(node, "Gemm", inputs, y, node.attribute)


def _bias(scope: Scope, node: NodeProto, position: int, factor: float) -> list[str]:
    """The bias in the units of the product of its neighbours, which is how ONNX stores it."""
    if len(node.input) <= position or not node.input[position]:
        return []
    name, x_scale, w_scale = node.input[position], node.input[1], node.input[4]
    unit = scope.constant(node, x_scale) * scope.constant(node, w_scale) * factor
    q = scope.constant(node, name)
    value = q.to(unit.dtype) * (unit if unit.numel() > 1 else unit.reshape(()))
    return [scope.store(value, scope.fresh(f"{name}_float"))]


def _binary(op_type: str) -> Rewrite:
    def rewrite(scope: Scope, node: NodeProto) -> None:
        inputs = [scope.operand(node, 0), scope.operand(node, 3)]
        exact = scope.add(node, op_type, inputs, scope.fresh(f"{node.output[0]}_exact"))
        scope.clip(node, exact, node.input[6], (*node.input, "")[7], node.output[0])

    return rewrite


def _unary(op_type: str, *, without: Iterable[str] = ()) -> Rewrite:
    def rewrite(scope: Scope, node: NodeProto) -> None:
        if _integer(node, "channels_last", 0):
            raise scope.error(node, "has its channels last")
        kept = [attribute for attribute in node.attribute if attribute.name not in (*without, "channels_last")]
        exact = scope.fresh(f"{node.output[0]}_exact")
        scope.add(node, op_type, [scope.operand(node, 0)], exact, kept)
        scope.clip(node, exact, node.input[3], (*node.input, "")[4], node.output[0])

    return rewrite


def softmax(scope: Scope, node: NodeProto) -> None:
    axis, flattens = _integer(node, "axis", -1), _integer(node, "opset", 13) < 13
    if flattens != (scope.opset < 13) and axis != -1:
        raise scope.error(node, "takes its softmax as another opset does")
    _unary("Softmax", without=("opset",))(scope, node)


def concatenation(scope: Scope, node: NodeProto) -> None:
    parts = [scope.operand(node, i) for i in range(2, len(node.input), 3)]
    exact = scope.add(node, "Concat", parts, scope.fresh(f"{node.output[0]}_exact"), node.attribute)
    scope.clip(node, exact, node.input[0], node.input[1], node.output[0])


def choice(scope: Scope, node: NodeProto) -> None:
    inputs = [node.input[0], scope.operand(node, 1), scope.operand(node, 4)]
    exact = scope.add(node, "Where", inputs, scope.fresh(f"{node.output[0]}_exact"))
    scope.clip(node, exact, node.input[7], node.input[8], node.output[0])


STATIC: dict[str, Rewrite] = {
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
    "QLinearConv": convolution,
    "QLinearMatMul": matrix_product,
    "QGemm": gemm,
    "QLinearAdd": _binary("Add"),
    "QLinearMul": _binary("Mul"),
    "QLinearSigmoid": _unary("Sigmoid"),
    "QLinearLeakyRelu": _unary("LeakyRelu"),
    "QLinearSoftmax": softmax,
    "QLinearAveragePool": _unary("AveragePool"),
    "QLinearGlobalAveragePool": _unary("GlobalAveragePool"),
    "QLinearConcat": concatenation,
    "QLinearWhere": choice,
}


def _integer(node: NodeProto, name: str, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)
