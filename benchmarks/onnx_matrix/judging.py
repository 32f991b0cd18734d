"""One cell: what one tool makes of one file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.onnx_matrix.isolation import sentence
from benchmarks.onnx_matrix.reference import Reference, score, uphill
from benchmarks.onnx_matrix.tools import Network, load

FLOAT = 1e-3
"""Largest difference of a float file, over the largest output: what counts as agreeing for every tool."""

TARGET = 1e-5
"""The same, as our own target."""

QUANTA, SHARE = 2, 0.05
"""A quantised file may differ by two quanta of its output, 5 % of the largest, or `TWICE` what ONNX Runtime does from
itself: twin and runtime are each that far from what the file means."""

TWICE = 2.0

COSINE = 0.999
"""Least cosine with eager PyTorch's gradient: kinks that rounding moves to the other side change single pixels."""

JUDGED, ROUNDING, SAFETY = 0.08, 0.01, 3.0
"""Slopes known less well than `JUDGED` judge nobody; others may differ by `ROUNDING + SAFETY * doubt`."""

WRONG: dict[str, Any] = {"agrees": False, "ranks": False, "gradient": False, "batch": False}
"""A cell of a tool that did not get anywhere."""


def judge(tool: str, path: str, reference_path: str, peers: str) -> dict[str, Any]:
    """The cell's fields; `error` says at which stage the tool failed, and how."""
    file = Path(path)
    reference: Reference = torch.load(reference_path, weights_only=True)
    cell = dict(WRONG)
    if reference["rows"] is None:
        cell["batch"] = None
    if "slopes" in reference and not reference["doubt"] <= JUDGED:
        cell |= {"gradient": None, "doubt": reference["doubt"]}
    stage = "load"
    try:
        start = time.perf_counter()
        network = load(tool, file, reference, Path(peers))
        cell["load_s"] = time.perf_counter() - start
        stage = "run"
        cell |= _agreement(network, reference)
        stage = "gradient"
        if cell["agrees"]:  # the gradient of something else is no gradient
            cell |= _gradient(network, reference, file)
        stage = "batch"
        if cell["agrees"] and reference["rows"] is not None:
            cell |= _batch(network, reference)
    except Exception as error:
        cell["error"] = f"{stage}: {sentence(error)}"
    return cell


def _call(network: Network, reference: Reference, x: Tensor) -> Tensor:
    others = {name: value for name, value in reference["feeds"].items() if name != reference["name"]}
    return network(x, **others)


def _agreement(network: Network, reference: Reference) -> dict[str, Any]:
    expected = reference["expected"].double()
    with torch.no_grad():
        found = _call(network, reference, reference["feeds"][reference["name"]])
    if found.shape != expected.shape:
        return {"agrees": False, "error": f"run: answers {tuple(found.shape)} instead of {tuple(expected.shape)}"}
    found = found.double()
    scale = float(expected.abs().max()) or 1.0
    apart = float((found - expected).abs().nan_to_num(torch.inf).max())
    cell: dict[str, Any] = {"difference": apart / scale}
    itself = reference["itself"]
    cell["itself"] = itself / scale
    tolerance = FLOAT * scale
    if reference["quantised"]:
        quantum = _quantum(expected.flatten())
        if quantum is not None:
            cell |= {"quanta": apart / quantum, "quanta_itself": itself / quantum}
        tolerance = max(SHARE * scale, QUANTA * 1.001 * (quantum or 0.0), TWICE * itself)
    best = expected.flatten(0, -2).topk(2).values if expected.dim() > 1 and expected.shape[-1] > 1 else None
    flips = 0
    if best is not None:
        clear = best[:, 0] - best[:, 1] > 2 * tolerance
        flips = int(((found.argmax(-1) != expected.argmax(-1)).flatten() & clear).sum())
    cell |= {"ranks": None if best is None else flips == 0, "agrees": apart <= tolerance and flips == 0}
    if not cell["agrees"]:
        cell["error"] = f"run: differs by {apart:.3g} at a scale of {scale:.3g}, without an error"
    return cell


def _quantum(values: Tensor) -> float | None:
    """The step between values that all lie on a grid, or None where they do not."""
    ordered = values.sort().values
    gaps = ordered.diff()
    gaps = gaps[gaps > 1e-6 * float(values.abs().max())]
    if len(gaps) < 5:
        return None
    step = float(gaps.min())
    steps = (ordered - ordered[0]) / step
    return step if bool(((steps - steps.round()).abs() < 0.05).all()) else None


def _gradient(network: Network, reference: Reference, path: Path) -> dict[str, Any]:
    x = reference["feeds"][reference["name"]].clone().requires_grad_()
    answer = score(_call(network, reference, x), reference["logarithms"])
    if not answer.requires_grad:
        return {"gradient": False, "error": "gradient: the answer does not depend on the input"}
    (found,) = torch.autograd.grad((answer * reference["weights"]).sum(), x, allow_unused=True)
    if found is None or not found.isfinite().all():
        return {"gradient": False, "error": "gradient: none, or not finite"}
    found = found.double()
    cell: dict[str, Any] = {}
    if "gradient" in reference:
        right = reference["gradient"].double()
        cell["gradient_error"] = float((found - right).norm() / right.norm())
        cell["cosine"] = float((found * right).sum() / (found.norm() * right.norm()).clamp_min(1e-300))
        cell["gradient"] = cell["cosine"] >= COSINE
    if reference["quantised"]:
        # Where not even the float network's gradient leads anywhere, the file has no slope that one could follow.
        anywhere = "gradient" not in reference or uphill(path, reference, right.float())
        if not found.any() or anywhere:
            cell["gradient"] = bool(found.any()) and uphill(path, reference, found.float())
        else:
            cell["gradient"] = None
    elif "slopes" in reference:
        cell |= _against_slopes(found, reference)
    if cell.get("gradient") is False:
        cell.setdefault("error", "gradient: zero" if not found.any() else "gradient: wrong")
    return cell


def _against_slopes(found: Tensor, reference: Reference) -> dict[str, Any]:
    doubt, slopes = reference["doubt"], reference["slopes"]
    if not doubt <= JUDGED:
        return {}
    predicted = (reference["probes"].double() * found).flatten(1).sum(1)
    error = float((predicted - slopes).norm() / slopes.norm())
    return {"gradient": error <= ROUNDING + SAFETY * doubt, "gradient_error": error, "doubt": doubt}


def _batch(network: Network, reference: Reference) -> dict[str, Any]:
    """How a batch runs, natively or by `torch.vmap`, tried for every tool alike, and whether its rows are right."""
    from auditor.target.batching import choose

    def rows(x: Tensor) -> Tensor:
        answer = _call(network, reference, x)
        return answer.flatten(1) if answer.dim() > 1 and len(answer) == len(x) else answer.flatten()[None]

    x, expected = reference["rows"], reference["answers"].double()
    scale = float(expected.abs().max()) or 1.0
    tolerance = SHARE if reference["quantised"] else FLOAT
    batched, way = choose(rows, x, 1, mappable=True, tolerance=tolerance)
    with torch.no_grad():
        apart = float((batched(x).double() - expected).abs().amax()) / scale
    if reference["quantised"]:
        tolerance = max(tolerance, TWICE * reference["itself"] / float(reference["expected"].abs().max()))
    right = way != "loop" and apart <= tolerance
    return {"batch": right, "way": way, "batch_difference": apart} | (
        {} if right else {"error": f"batch: {way}, rows differ by {apart:.2g} of the scale"}
    )
