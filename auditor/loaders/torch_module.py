"""PyTorch modules as networks under audit: which output is judged, and their modes while they are audited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, fx, nn

from auditor.errors import ModelError
from auditor.target.base import Network

_TRAINING_ARGUMENTS = ("train", "training")


def network(module: nn.Module, name: str, dtype: torch.dtype, output: str | None = None) -> Network:
    """The module as a function of `(N, …)` to one tensor, its inputs cast to `dtype`; at rest in every call.

    Inside `frozen` that costs nothing. Outside, a call in training mode would change the statistics of BatchNorm.
    """

    def run(x: Tensor) -> Tensor:
        resting = not any(part.training for part in module.modules())
        with nullcontext() if resting else frozen(module):
            return select(module(x.to(dtype)), name, output)

    return run


def select(answer: Any, name: str, output: str | None = None) -> Tensor:
    """The tensor to judge in what a module answers: `output` by name or position, else `logits`, else the first.

    Raises:
        ModelError: there is no such output, or no tensor in the answer.
    """
    if isinstance(answer, Tensor):
        return answer
    named = answer if isinstance(answer, Mapping) else getattr(answer, "__dict__", {})
    if output is not None:
        found = named.get(output)
        if isinstance(answer, Sequence) and output.isdecimal() and int(output) < len(answer):
            found = answer[int(output)]
    else:
        values = list(named.values()) if named else answer if isinstance(answer, Sequence) else []
        found = named.get("logits", next((value for value in values if isinstance(value, Tensor)), None))
    if not isinstance(found, Tensor):
        outputs = (
            ", ".join(map(str, named)) if named else f"{len(answer)} values" if isinstance(answer, Sequence) else "no"
        )
        raise ModelError(
            f"{name} answers with a {type(answer).__name__} ({outputs}) in which there is no tensor "
            f"{output or 'to judge'}; name one with --output, or let the model return its logits."
        )
    return found


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Eval mode in every submodule and parameters without gradients; afterwards each is as it was, errors or not.

    Graphs of `torch.export` have no modes: what their training operators were told is set to eval instead.
    """
    modes = [(part, part.training) for part in module.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    graphs = [part for part in module.modules() if isinstance(part, fx.GraphModule)]
    switched = [(graph, _training_arguments(graph)) for graph in graphs]
    try:
        with suppress(NotImplementedError):
            module.eval()
        for part, _ in modes:
            part.training = False
        for parameter, _ in gradients:
            parameter.requires_grad_(False)
        for graph, arguments in switched:
            _set(graph, arguments, False)
        yield
    finally:
        if modes and modes[0][1]:
            with suppress(NotImplementedError):
                module.train()
        for part, training in modes:
            part.training = training
        for parameter, requires_grad in gradients:
            parameter.requires_grad_(requires_grad)
        for graph, arguments in switched:
            _set(graph, arguments, True)


def _training_arguments(graph: fx.GraphModule) -> list[tuple[fx.Node, int]]:
    """Nodes whose operator was told that it is in training, with the position of that argument."""
    found = []
    for node in graph.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        for position, argument in enumerate(schema.arguments if schema else ()):
            if argument.name in _TRAINING_ARGUMENTS and position < len(node.args) and node.args[position] is True:
                found.append((node, position))
    return found


def _set(graph: fx.GraphModule, arguments: list[tuple[fx.Node, int]], training: bool) -> None:
    for node, position in arguments:
        node.update_arg(position, training)
    if arguments:
        graph.recompile()
