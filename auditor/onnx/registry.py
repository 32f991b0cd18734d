"""The operators that the twin knows, and the door by which others add theirs.

    from auditor.onnx import operator

    @operator("Swish", domain="com.example", since=1)
    def swish(node):
        alpha = node.number("alpha", 1.0)
        return lambda x: x * torch.sigmoid(alpha * x)

The decorated function is a *builder*: it is called when a graph is planned, reads the node's attributes
once, and returns the *kernel* that runs on tensors. Nothing of the node is looked at again per call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.errors import ModelError

if TYPE_CHECKING:
    from auditor.onnx.node import Node

Kernel = Callable[..., Any]
Builder = Callable[["Node"], Kernel]

NEWEST = 1_000_000
"""Stands for "whatever the newest opset is"."""


class UnsupportedOperator(ModelError):
    """The graph needs operators that nobody registered; the text names each with domain, opset and a node."""


class StepFunction(UnsupportedOperator):
    """The graph holds decision trees, whose answer is constant almost everywhere: no gradient could show a way."""


@dataclass(frozen=True)
class Operator:
    """One operator with the semantics of one span of opsets.

    `host` lists the inputs that a kernel wants as a list of Python numbers instead of a tensor, such as
    the target shape of Reshape. `shape_only` marks operators that read no element of their input, so
    that their result is fixed as soon as the shapes of the graph's inputs are.
    """

    name: str
    domain: str
    since: int
    build: Builder
    host: frozenset[int] = frozenset()
    shape_only: bool = False


_REGISTRY: dict[tuple[str, str], list[Operator]] = {}


def operator(
    name: str, *, since: int = 1, domain: str = "", host: Iterable[int] = (), shape_only: bool = False
) -> Callable[[Builder], Builder]:
    """Register a builder for the operator `name` of `domain` (empty: ONNX's own).

    `since` is the lowest opset that has these semantics; an operator may be registered several times, and
    a graph gets the registration with the highest `since` that is not above its own opset. Registering the
    same name, domain and `since` again replaces the earlier one.
    """

    def register(build: Builder) -> Builder:
        entry = Operator(name, canonical(domain), since, build, frozenset(host), shape_only)
        versions = _REGISTRY.setdefault((entry.domain, name), [])
        versions[:] = sorted([*(v for v in versions if v.since != since), entry], key=lambda v: v.since)
        return build

    return register


@contextmanager
def all_or_none() -> Iterator[None]:
    """Registrations made inside stay if the block ends well, and all go if it raises."""
    before = {key: list(versions) for key, versions in _REGISTRY.items()}
    try:
        yield
    except BaseException:
        _REGISTRY.clear()
        _REGISTRY.update(before)
        raise


def canonical(domain: str) -> str:
    """The ONNX domain has two spellings; we use the empty one."""
    return "" if domain == "ai.onnx" else domain


def find_operator(name: str, domain: str, opset: int) -> Operator | None:
    """The registration that an opset asks for, or None."""
    versions = _REGISTRY.get((canonical(domain), name), [])
    return next((version for version in reversed(versions) if version.since <= opset), None)


def registered() -> tuple[Operator, ...]:
    """Every registration, sorted by domain, name and opset."""
    return tuple(entry for key in sorted(_REGISTRY) for entry in _REGISTRY[key])
