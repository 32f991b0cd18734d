"""What a file's cells are held against: ONNX Runtime's answers, and the gradient by a way that no converter shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

Feeds = dict[str, Tensor]
Reference = dict[str, Any]

ROWS = 4
"""Rows of the batch that every tool is asked for."""

STEPS = (2.0**-15, 2.0**-13, 2.0**-11, 2.0**-9, 2.0**-7)
"""Of a central difference, as shares of the input's range, smallest first."""

PROBES = 6
NOISE, NOISY = 1e-6, 8
"""Relative noise of an input, about what a layer's sum loses to rounding, and how often it is drawn."""

_SETTLED = 0.002


class Session:
    """ONNX Runtime on one thread; `output` is a position among the graph's outputs."""

    def __init__(self, path: Path, output: int | None = None, *, optimised: bool = True) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        if not optimised:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {entry.name: entry for entry in self._session.get_inputs()}
        self.outputs = [entry.name for entry in self._session.get_outputs()]
        if output is None:
            kinds = [entry.type for entry in self._session.get_outputs()]
            output = next((i for i, kind in enumerate(kinds) if kind in ("tensor(float)", "tensor(float16)")), 0)
        self.output = output

    def __call__(self, feeds: Feeds) -> Tensor:
        arrays = {name: value.numpy() for name, value in feeds.items()}
        return torch.from_numpy(np.array(self._session.run([self.outputs[self.output]], arrays)[0]))


def score(answer: Tensor, logarithms: bool) -> Tensor:
    """What gradients are taken of: logarithms of probabilities, which float32 resolves where it cannot resolve them."""
    return answer.clamp_min(1e-12).log() if logarithms else answer


def make_reference(
    path: Path,
    feeds: Feeds,
    name: str,
    *,
    rows: Tensor | None,
    span: float = 1.0,
    gradient: Callable[[Tensor], Tensor] | None = None,
    quantised: bool = False,
    output: int | None = None,
) -> Reference:
    """All that judging a tool on one file needs, as tensors and plain values.

    Args:
        feeds: values of all inputs, in the graph's order; `name` is the one that an attack would change.
        rows: `(ROWS, …)` single inputs, or None where the file has no batch.
        span: range of the input, in which steps are measured.
        gradient: from weights of the outputs to the eager module's gradient; without it differences are measured.
    """
    session = Session(path, output)
    expected = session(feeds)
    torch.manual_seed(1)
    logarithms = _are_probabilities(expected)
    weights = torch.randn(expected.shape)
    if logarithms:
        weights = weights * (expected > 1e-6)
    reference: Reference = {
        "feeds": feeds,
        "name": name,
        "output": session.output,
        "output_name": session.outputs[session.output],
        "expected": expected,
        "weights": weights,
        "logarithms": logarithms,
        "quantised": quantised,
        "span": span,
        "rows": rows,
    }
    if rows is not None:
        reference["answers"] = torch.stack([session({**feeds, name: row[None]}).flatten() for row in rows])
    reference["itself"] = _from_itself(path, session, reference)
    if gradient is not None:
        reference["gradient"] = gradient(weights)
    elif not quantised:
        reference |= _slopes(session, reference)
    return reference


def _from_itself(path: Path, session: Session, reference: Reference) -> float:
    """How far ONNX Runtime differs from itself: unoptimised, and where the input moves by what float32 rounds away.

    A quantiser may make of that a whole quantum, and a recurrent network of a quantum anything.
    """
    feeds, name, expected = reference["feeds"], reference["name"], reference["expected"].double()
    answers = [Session(path, session.output, optimised=False)(feeds)]
    x = feeds[name]
    if x.is_floating_point():
        noise = (1 + NOISE * torch.randn(NOISY, *x.shape)).to(x.dtype)
        answers += [session({**feeds, name: x * factor}) for factor in noise]
    return max(float((answer.double() - expected).abs().max()) for answer in answers)


def _are_probabilities(answer: Tensor) -> bool:
    if answer.dim() < 2 or answer.shape[-1] < 2 or answer.min() < 0 or answer.max() > 1:
        return False
    return bool(((answer.sum(-1) - 1).abs() < 1e-3).all())


def _slopes(session: Session, reference: Reference) -> Reference:
    """Slopes of ONNX Runtime's answer along random directions, and how far two steps in a row differ.

    Rounding spoils small steps, kinks and curvature large ones. The step grows by four until two in a row tell the
    same; what they still differ by is how well the slopes are known.
    """
    feeds, name = reference["feeds"], reference["name"]
    x = feeds[name]
    probes = torch.randn(PROBES, *x.shape).sign()
    weights = reference["weights"].double()

    def answer(moved: Tensor) -> float:
        values = score(session({**feeds, name: moved}).double(), reference["logarithms"])
        return float(torch.where(weights == 0, 0.0, values * weights).sum())

    best, doubt, previous = torch.zeros(PROBES, dtype=torch.float64), float("inf"), None
    for step in STEPS:
        h = step * reference["span"]
        rise = [answer((x + h * probe).to(x.dtype)) - answer((x - h * probe).to(x.dtype)) for probe in probes]
        slopes = torch.tensor(rise, dtype=torch.float64) / (2 * h)
        if previous is not None and slopes.norm() > 0:
            apart = float((slopes - previous).norm() / slopes.norm())
            if apart < doubt:
                best, doubt = slopes, apart
            if doubt <= _SETTLED:
                break
        previous = slopes
    return {"probes": probes, "slopes": best, "doubt": doubt}


def uphill(path: Path, reference: Reference, found: Tensor) -> bool:
    """Whether ONNX Runtime's answer rises along the sign of `found` by more than along any of 16 random signs."""
    session = Session(path, reference["output"])
    feeds, name = reference["feeds"], reference["name"]
    x = feeds[name]
    h = reference["span"] * 8 / 255

    def rise(signs: Tensor) -> float:
        up, down = (
            score(session({**feeds, name: x + side * h * signs}).double(), reference["logarithms"]) for side in (1, -1)
        )
        return float(((up - down) * reference["weights"]).sum())

    generator = torch.Generator().manual_seed(2)
    others: Sequence[float] = [rise(torch.randn(x.shape, generator=generator).sign()) for _ in range(16)]
    return rise(found.sign()) > max(map(abs, others))
