"""What is attacked, and the one judge of all that is found: ball, box, and the label in the deployed runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from auditor.norms import distance, tolerance
from auditor.onnx import load_twin
from auditor.types import Norm
from benchmarks.networks import NETWORKS, load, onnx_file, test_samples

BATCH = 200


class Deployed:
    """ONNX Runtime on one thread: images to logits."""

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._input = self.session.get_inputs()[0].name

    def __call__(self, x: Tensor) -> Tensor:
        parts = [np.asarray(self.session.run(None, {self._input: part.numpy()})[0]) for part in torch.split(x, BATCH)]
        return torch.from_numpy(np.concatenate(parts))


@dataclass(frozen=True)
class Problem:
    """A model and samples `x` `(N, …)` in [0, 1] that it gets right, their labels and places in the test set.

    `source` is what auditor is given, `deployed` what judges, `eps` the radius in linf.
    """

    source: str
    x: Tensor
    y: Tensor
    places: list[int]
    eps: float
    deployed: Callable[[Tensor], Tensor]

    def select(self, rows: Tensor) -> Problem:
        """The same with some of the samples."""
        places = [self.places[row] for row in rows.tolist()]
        return replace(self, x=self.x[rows], y=self.y[rows], places=places)


def problem(name: str, samples: int) -> Problem:
    """The first `samples` test images that ONNX Runtime gets right, at the budget of the network."""
    network = NETWORKS[name]
    x, y = test_samples(network.data)
    deployed = Deployed(onnx_file(name))
    places = (deployed(x).argmax(1) == y).nonzero().squeeze(1)[:samples]
    return Problem(str(onnx_file(name)), x[places], y[places], places.tolist(), network.eps, deployed)


def differentiable(name: str) -> Callable[[Tensor], Tensor]:
    """What peers attack: the module; for the int8 file, which no peer can differentiate, our twin of it."""
    if not NETWORKS[name].quantised:
        return load(name)
    return load_twin(onnx_file(name)).requires_grad_(False).eval()


@dataclass(frozen=True)
class Verdict:
    """Which samples fell `(N,)`, and how many candidates fooled the network from outside of the ball or the box."""

    fell: Tensor
    outside: int


def judge(task: Problem, candidates: Tensor) -> Verdict:
    """Every side's examples meet this: within `eps` and [0, 1] up to rounding, and wrong in the deployed runtime."""
    candidates = candidates.detach().to(task.x)
    boxed = ((candidates >= 0.0) & (candidates <= 1.0)).flatten(1).all(1)
    inside = boxed & (distance(candidates, task.x, Norm.LINF) <= task.eps + tolerance(Norm.LINF, task.eps))
    wrong = task.deployed(candidates).argmax(1) != task.y
    return Verdict(wrong & inside, int((wrong & ~inside).sum()))
