"""How dynamic quantisation, whose scales are computed at run time, is written with floats."""

from __future__ import annotations

from collections.abc import Callable

import torch
from onnx import NodeProto

from auditor.onnx.operators.quantisation import along
from auditor.onnx.rewriting import Factor, Product, Real, Scope

Rewrite = Callable[[Scope, NodeProto], None]


def dynamic_quantisation(scope: Scope, node: NodeProto) -> None:
    q, scale, zero = node.output
    scope.real[q] = Real(node.input[0], scale, zero)
    scope.factors[scale] = Factor((scale,), torch.ones(()))


def integer_product(op_type: str, axes: tuple[int, int]) -> Rewrite:
    """MatMulInteger and ConvInteger: written once the scales of their operands turn up behind them."""

    def rewrite(scope: Scope, node: NodeProto) -> None:
        sides: list[str | torch.Tensor] = []
        scales: list[str] = []
        for i, axis in enumerate(axes):
            name, zero = node.input[i], (*node.input, "", "")[2 + i]
            known = scope.real.get(name)
            if known is None:
                q = scope.constant(node, name).float()
                sides.append(q - along(scope.constant(node, zero), q, axis).float() if zero else q)
            elif not scope.same(known.zero, zero):
                raise scope.error(node, f"reads {name!r} with another zero point than it was quantised with")
            else:
                sides.append(known.name)
                scales.append(known.scale)
        written = NodeProto()
        written.CopyFrom(node)
        written.op_type = op_type
        scope.products[node.output[0]] = Product(written, sides[0], sides[1], tuple(sorted(scales)), torch.ones(()))

    return rewrite


def integer_matmul_to_float(scope: Scope, node: NodeProto) -> None:
    a, b, a_scale, b_scale, a_zero, b_zero, bias = (*node.input, "", "", "")[:7]
    node.input[:] = [a, a_scale, a_zero, b, b_scale, b_zero]
    _biased_matmul(scope, node, scope.operand(node, 0), scope.operand(node, 3, axis=-1), bias)


def dynamic_matmul(scope: Scope, node: NodeProto) -> None:
    a, b, b_scale, b_zero, bias = (*node.input, "", "")[:5]
    _biased_matmul(scope, node, a, scope.weight(node, b, b_scale, b_zero, -1), bias)


def _biased_matmul(scope: Scope, node: NodeProto, a: str, b: str, bias: str) -> None:
    y = node.output[0]
    if bias:
        scope.add(node, "Add", [scope.add(node, "MatMul", [a, b], scope.fresh(f"{y}_exact")), bias], y)
    else:
        scope.add(node, "MatMul", [a, b], y)


def dynamic_lstm(scope: Scope, node: NodeProto) -> None:
    """ONNX Runtime's LSTM holds its weights transposed, with a scale for each direction or each of its columns."""
    x, w, r, *others = (*node.input, *[""] * 12)[:12]
    weights = []
    for name, scale, zero in ((w, *others[5:7]), (r, *others[7:9])):
        q, factor, shift = (scope.constant(node, part) for part in (name, scale, zero))
        wide = (q.shape[0], 1, -1)
        value = (q.to(factor.dtype) - shift.reshape(wide).to(factor.dtype)) * factor.reshape(wide)
        weights.append(scope.store(value.mT.contiguous(), scope.fresh(f"{name}_float")))
    inputs = [x, *weights, *others[:5]]
    while not inputs[-1]:
        inputs.pop()
    scope.add(node, "LSTM", inputs, node.output[0], node.attribute)
    scope.nodes[-1].output[:] = node.output


DYNAMIC: dict[str, Rewrite] = {
    "DynamicQuantizeLinear": dynamic_quantisation,
    "MatMulInteger": integer_product("MatMul", (-2, -1)),
    "ConvInteger": integer_product("Conv", (1, 0)),
    "MatMulIntegerToFloat": integer_matmul_to_float,
    "DynamicQuantizeMatMul": dynamic_matmul,
    "DynamicQuantizeLSTM": dynamic_lstm,
}


def scale_product(scope: Scope, node: NodeProto) -> bool:
    """Follow the product of two integers to its scales; True where the node has become part of it."""
    products = [scope.products[name] for name in node.input if name in scope.products]
    if node.op_type == "Cast" and products:
        scope.products[node.output[0]] = products[0]
        return True
    factors = [_factor(scope, name) for name in node.input]
    known = [factor for factor in factors if factor is not None]
    dynamic = any(name in scope.factors for name in node.input)
    if node.op_type != "Mul" or len(products) > 1 or len(products) + len(known) != 2 or not (products or dynamic):
        return False
    if products:
        _multiply(scope, node, products[0], known[0])
    else:
        constant = known[0].constant * known[1].constant
        scope.factors[node.output[0]] = Factor(tuple(sorted(known[0].scales + known[1].scales)), constant)
    return True


def _factor(scope: Scope, name: str) -> Factor | None:
    if name in scope.constants:
        return Factor((), scope.constants[name])
    return scope.factors.get(name)


def _multiply(scope: Scope, node: NodeProto, product: Product, factor: Factor) -> None:
    constant, y = product.factor * factor.constant, node.output[0]
    if not factor.scales:
        scope.products[y] = Product(product.node, product.left, product.right, product.scales, constant)
        return
    if factor.scales != product.scales:
        raise scope.error(node, "multiplies a product of integers with scales that are not those of its operands")
    sides = []
    for i, side in enumerate((product.left, product.right)):
        if isinstance(side, torch.Tensor):
            inside = _fitting(product.node.op_type, constant, side) if i == 1 or constant.numel() == 1 else None
            if inside is not None:
                side, constant = side * inside, torch.ones(())
            side = scope.store(side, scope.fresh(f"{product.node.input[i]}_float"))
        sides.append(side)
    attributes = product.node.attribute
    if bool((constant == 1).all()):
        scope.add(product.node, product.node.op_type, sides, y, attributes)
        return
    exact = scope.add(product.node, product.node.op_type, sides, scope.fresh(f"{y}_exact"), attributes)
    scope.add(node, "Mul", [exact, scope.store(constant, scope.fresh(f"{y}_scale"))], y)


def _fitting(op_type: str, factor: torch.Tensor, weight: torch.Tensor) -> torch.Tensor | None:
    """A factor of the result, shaped to act on the weight instead; None where it cannot."""
    if factor.numel() == 1:
        return factor.reshape(())
    if op_type == "MatMul" and factor.numel() == factor.shape[-1] == weight.shape[-1]:
        return factor.reshape(-1)
    channels = weight.shape[0]
    if op_type == "Conv" and factor.dim() == weight.dim() and factor.numel() == factor.shape[1] == channels:
        return factor.reshape(channels, *[1] * (weight.dim() - 1))
    return None
