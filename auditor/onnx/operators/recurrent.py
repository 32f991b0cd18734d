"""LSTM, GRU and RNN, unrolled over time.

The products with the input are made for all times at once; only the products with the state are a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.quantisation import dequantise, dynamic_quantize_linear
from auditor.onnx.registry import Kernel, operator

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], State]
Activation = Callable[[Tensor], Tensor]
MakeStep = Callable[[Node, int, "Weights"], Step]

# Alpha and beta where the node has none, as ONNX Runtime takes them: for a ThresholdedRelu, ONNX would have 1.
_DEFAULTS = {
    "leakyrelu": (0.01, 0.0),
    "elu": (1.0, 0.0),
    "hardsigmoid": (0.2, 0.5),
    "thresholdedrelu": (0.0, 0.0),
    "affine": (0.0, 0.0),
    "scaledtanh": (0.0, 0.0),
}
_WITH_BETA = ("hardsigmoid", "affine", "scaledtanh")


@dataclass(frozen=True)
class Weights:
    """One direction's weights: `r` for the state, its bias, and peepholes where the node has them.

    `rounded` is applied to what the weights are multiplied with.
    """

    r: Tensor
    bias: Tensor | None
    peephole: Tensor | None
    rounded: Activation


def _activations(node: Node, direction: int, default: Sequence[str]) -> list[Activation]:
    names: list[str] = [n.decode() if isinstance(n, bytes) else n for n in node.attributes.get("activations", ())]
    names = [name.lower() for name in names or [*default, *default]]  # ONNX Runtime takes them in any case
    alphas, betas = list(node.numbers("activation_alpha") or []), list(node.numbers("activation_beta") or [])
    made = []
    for name in names:
        alpha, beta = _DEFAULTS.get(name, (0.0, 0.0))
        alpha = alphas.pop(0) if alphas and name in _DEFAULTS else alpha
        beta = betas.pop(0) if betas and name in _WITH_BETA else beta
        made.append(_activation(node, name, alpha, beta))
    count = len(default)
    return made[direction * count : (direction + 1) * count]


def _activation(node: Node, name: str, alpha: float, beta: float) -> Activation:
    functions: dict[str, Activation] = {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softsign": F.softsign,
        "softplus": F.softplus,
        "affine": lambda x: alpha * x + beta,
        "scaledtanh": lambda x: alpha * torch.tanh(beta * x),
        "leakyrelu": lambda x: F.leaky_relu(x, alpha),
        "thresholdedrelu": lambda x: torch.where(x > alpha, x, torch.zeros_like(x)),
        "hardsigmoid": lambda x: torch.clamp(alpha * x + beta, 0, 1),
        "elu": lambda x: F.elu(x, alpha),
    }
    if name not in functions:
        raise node.error(f"has the unknown activation {name!r}")
    return functions[name]


def _clipper(node: Node) -> Activation:
    limit = node.attributes.get("clip")
    return (lambda x: x) if limit is None else (lambda x: x.clamp(-limit, limit))


def _lstm_step(node: Node, direction: int, weights: Weights) -> Step:
    f, g, h = _activations(node, direction, ("Sigmoid", "Tanh", "Tanh"))
    clip, coupled = _clipper(node), bool(node.integer("input_forget", 0))
    peep = (0.0, 0.0, 0.0) if weights.peephole is None else weights.peephole.chunk(3)

    def step(projected: Tensor, state: State) -> State:
        hidden, cell = state
        i, o, forget, c = F.linear(weights.rounded(hidden), weights.r).add(projected).chunk(4, -1)
        i = f(clip(i + peep[0] * cell))
        forget = 1 - i if coupled else f(clip(forget + peep[2] * cell))
        cell = forget * cell + i * g(clip(c))
        return f(clip(o + peep[1] * cell)) * h(cell), cell

    return step


def _gru_step(node: Node, direction: int, weights: Weights) -> Step:
    f, g = _activations(node, direction, ("Sigmoid", "Tanh"))
    clip, before_reset = _clipper(node), bool(node.integer("linear_before_reset", 0))
    size = weights.r.shape[-1]
    r_gates, r_hidden = torch.split(weights.r, [2 * size, size])
    b_gates, b_hidden = (None, None) if weights.bias is None else torch.split(weights.bias, [2 * size, size])

    def step(projected: Tensor, state: State) -> State:
        (hidden,) = state
        x_gates, x_hidden = torch.split(projected, [2 * size, size], -1)
        z, r = f(clip(x_gates + F.linear(hidden, r_gates, b_gates))).chunk(2, -1)
        if before_reset:
            new = g(clip(x_hidden + r * F.linear(hidden, r_hidden, b_hidden)))
        else:
            new = g(clip(x_hidden + F.linear(r * hidden, r_hidden, b_hidden)))
        return ((1 - z) * new + z * hidden,)

    return step


def _rnn_step(node: Node, direction: int, weights: Weights) -> Step:
    (f,) = _activations(node, direction, ("Tanh",))
    clip = _clipper(node)
    return lambda projected, state: (f(clip(projected + F.linear(state[0], weights.r))),)


def _scan(step: Step, projected: Tensor, state: State, lengths: Tensor | None, backwards: bool) -> tuple[Tensor, State]:
    """Outputs at all times (time, batch, hidden) and the last state; beyond a sample's length nothing moves.

    Of a sample without any time the last state is zero and not the initial one, as in ONNX Runtime.
    """
    times = range(projected.shape[0])
    outputs: list[Tensor] = []
    for t in reversed(times) if backwards else times:
        new = step(projected[t], state)
        if lengths is None:
            state = new
            outputs.append(new[0])
        else:
            alive = (t < lengths).unsqueeze(-1)
            state = tuple(torch.where(alive, n, old) for n, old in zip(new, state, strict=True))
            outputs.append(torch.where(alive, new[0], torch.zeros_like(new[0])))
    if not outputs:
        return projected.new_zeros(0, *state[0].shape), tuple(map(torch.zeros_like, state))
    if lengths is not None:
        state = tuple(torch.where((lengths > 0).unsqueeze(-1), last, torch.zeros_like(last)) for last in state)
    return torch.stack(outputs[::-1] if backwards else outputs), state


def _recurrent(node: Node, make_step: MakeStep, states: int, rounded: Activation = lambda x: x) -> Kernel:
    hidden_size = node.integer("hidden_size", 0)
    way = node.text("direction", "forward")
    batch_first = bool(node.integer("layout", 0))
    input_bias_only = node.op_type == "GRU"

    def run(
        x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, lengths: Tensor | None = None, *rest: Any
    ) -> tuple[Tensor, ...]:
        x = x.transpose(0, 1) if batch_first else x
        initial = [*rest, *[None] * 3][:states]
        peepholes = rest[2] if len(rest) > 2 else None
        ends: list[State] = []
        outputs: list[Tensor] = []
        for d in range(w.shape[0]):
            w_bias, r_bias = (None, None) if b is None else b[d].chunk(2)
            # GRU applies the state's bias inside its step; the others may add it to the input's at once.
            bias = w_bias if w_bias is None or r_bias is None or input_bias_only else w_bias + r_bias
            weights = Weights(r[d], r_bias, None if peepholes is None else peepholes[d], rounded)
            zero = x.new_zeros(x.shape[1], hidden_size)
            start = tuple(zero if s is None else s[:, d] if batch_first else s[d] for s in initial)
            step = make_step(node, d, weights)
            y, end = _scan(step, F.linear(rounded(x), w[d], bias), start, lengths, way == "reverse" or d == 1)
            outputs.append(y)
            ends.append(end)
        along = 1 if batch_first else 0
        final = [torch.stack(column, along) for column in zip(*ends, strict=True)]
        y = torch.stack(outputs, 1)
        return (y.permute(2, 0, 1, 3) if batch_first else y, *final)

    return run


@operator("LSTM", since=7)
def lstm(node: Node) -> Kernel:
    return _recurrent(node, _lstm_step, 2)


@operator("GRU", since=7)
def gru(node: Node) -> Kernel:
    return _recurrent(node, _gru_step, 1)


@operator("RNN", since=7)
def rnn(node: Node) -> Kernel:
    return _recurrent(node, _rnn_step, 1)


def dynamically_quantised_lstm(node: Node) -> Kernel:
    """An LSTM whose weights are integers and whose inputs and states are rounded as it goes."""
    quantised = dynamic_quantize_linear(node)
    run = _recurrent(node, _lstm_step, 2, lambda x: dequantise(*quantised(x)))

    def unpack(q: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
        # (directions, inputs, gates), with one scale for a direction or one for each of its gates' rows
        rows = (scale.shape[0], 1, -1)
        return dequantise(q, scale.reshape(rows), zero.reshape(rows)).mT

    def kernel(x: Tensor, w: Tensor, r: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        others, (w_scale, w_zero, r_scale, r_zero) = rest[:-4], rest[-4:]
        result: tuple[Tensor, ...] = run(x, unpack(w, w_scale, w_zero), unpack(r, r_scale, r_zero), *others)
        return result

    return kernel
