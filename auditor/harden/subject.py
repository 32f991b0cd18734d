"""The model that is hardened: from a loaded target to something that can be trained."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from auditor.errors import ModelError, UsageError
from auditor.harden.learning_statistics import LearningStatistics
from auditor.harden.trainee import Trainee
from auditor.onnx.twin import Twin
from auditor.target.batching import Loop, Mapped

if TYPE_CHECKING:
    from auditor.target.base import Network, Target
    from auditor.types import Images, Logits


class _InItsOwnMode(nn.Module):
    """Hides a module from those who bring every module that they see into eval mode."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._inner: Callable[..., Any] = module.__call__
        self.training = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._inner(*args, **kwargs)


def trainee_of(target: Target, freeze: Sequence[str] = (), *, label_smoothing: float = 0.0) -> Trainee:
    """The target's network in training; it keeps being the target's.

    Args:
        target: bound to samples.
        freeze: patterns of the names of weights that stay as they are, as for files: `features.*`.

    Raises:
        ModelError: the model has no differentiable form, or nothing in it can be trained.
        UsageError: a pattern names no weight, or all of them.
    """
    if target.twin is None or target.remade is None or target.format == "torchscript":
        why = next((f.detail for f in target.findings if f.code == "AUD110"), "")
        raise ModelError(f"{target.name} has no differentiable form, so it cannot be trained. {why}".rstrip())
    module, network = _made_again(target)
    batched = target.twin
    if isinstance(batched, Loop | Mapped):
        network = replace(batched, network=network)
    weights = _weights(module, freeze, target)
    # What maps or repeats a graph that was made for one batch size would learn the statistics of every part of it.
    learns = isinstance(module, Twin) and module.normalises and not isinstance(batched, Loop | Mapped)
    forward = partial(_forward, target, network, module if learns else None)
    half = target.device.type == "cuda" and torch.cuda.is_bf16_supported() and target.input_dtype is torch.float32
    trainee = Trainee(
        forward, module, weights, label_smoothing=label_smoothing, autocast=torch.bfloat16 if half else None
    )
    trainee.num_classes = target.num_classes
    return trainee


def _made_again(target: Target) -> tuple[nn.Module, Network]:
    """The module of the target's twin, and the network around it that leaves the module's mode alone."""
    found: list[nn.Module] = []

    def look(module: nn.Module) -> nn.Module:
        found.append(module)
        return _InItsOwnMode(module)

    if target.remade is None:
        raise ModelError(f"{target.name} is made of no module.")
    network = target.remade(look)
    return found[0], network


def whole_twin(target: Target) -> Twin | None:
    """The twin of a quantised graph that multiplies by whole numbers alone; None of any other target.

    Biases and scales may be floats, and to train these alone is not what anybody asks for.
    """
    if target.twin is None or target.remade is None or not target.details.get("quantised"):
        return None
    module, _ = _made_again(target)
    return module if isinstance(module, Twin) and all(weight.dim() < 2 for weight in module.parameters()) else None


def _forward(target: Target, network: Network, learning: nn.Module | None, x: Images) -> Logits:
    with LearningStatistics() if learning is not None and learning.training else nullcontext():
        return target.read(network, x)


def _weights(module: nn.Module, freeze: Sequence[str], target: Target) -> dict[str, nn.Parameter]:
    name = target.name
    known = {shown(module, key): weight for key, weight in module.named_parameters() if weight.is_floating_point()}
    if not known:
        raise ModelError(f"{name} holds no weights, so there is nothing to train.")
    frozen: set[str] = set()
    for pattern in freeze:
        matched = set(fnmatch.filter(known, pattern))
        if not matched:
            raise UsageError(f"--freeze {pattern!r} names no weight; {name} has {', '.join(list(known)[:6])} …")
        frozen |= matched
    if frozen == set(known):
        raise UsageError("--freeze names all weights, so there is nothing to train.")
    for key, weight in known.items():
        weight.requires_grad_(key not in frozen)
    return {key: weight for key, weight in known.items() if key not in frozen}


def shown(module: nn.Module, key: str) -> str:
    """The name of a weight as its file has it."""
    return key.removeprefix("weights.").replace("/", ".") if isinstance(module, Twin) else key


def answers(trainee: Trainee, x: Images, size: int = 64) -> Tensor:
    """Logarithms of the probabilities that the trained network, or its members together, give, `(N, K)` on the CPU."""
    scores = []
    for member in trainee.members or [trainee.module.state_dict()]:
        trainee.module.load_state_dict(member)
        with torch.no_grad():
            parts = [trainee.still(part.to(trainee.device)).log_softmax(1).cpu() for part in torch.split(x, size)]
        scores.append(torch.cat(parts))
    return torch.stack(scores).logsumexp(0) - math.log(len(scores))
