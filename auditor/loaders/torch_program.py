"""Which serialised graphs of `torch.export` cannot run code of their author's, neither when loaded nor when called.

Reading one evaluates its symbolic sizes with sympy, looks its operators up by attribute, imports what its tree
specifications name, pastes its names into Python source and compiles that, and executes its guards. So everything in
it has to be on a list of what is known to be harmless: a list of bad things would be out of date with each release.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch

from auditor.loaders import torch_sizes

_NAME = re.compile(r"[\w.:/+ -]*", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*|", re.ASCII)

_NAMESPACES = frozenset({"aten", "prims", "torchvision", "quantized_decomposed"})
_HIGHER_ORDER = frozenset(
    {"cond", "map_impl", "while_loop", "scan", "wrap_with_set_grad_enabled", "wrap_with_autocast"}
)
_PYTHON_OPERATORS = frozenset({
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "neg", "pos", "eq", "ne", "lt", "le", "gt", "ge",
    "and_", "or_", "lshift", "rshift", "getitem",
})  # fmt: skip
_TREES = frozenset({"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"})


def harmless(program: dict[str, Any]) -> dict[str, Any]:
    """The program without what only describes it (stack traces, sources) and without its guards, which are code."""
    return {**_undescribed(program), "guards_code": []}


def complaints(program: dict[str, Any]) -> Iterator[str]:
    """What in a program made `harmless` could still run code, a phrase each; nothing where it is safe to load."""
    yield from _walk(program, "")


def _undescribed(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: {} if k == "metadata" and _is_description(v) else _undescribed(v) for k, v in node.items()}
    return [_undescribed(item) for item in node] if isinstance(node, list) else node


def _is_description(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _walk(node: Any, key: str) -> Iterator[str]:
    if isinstance(node, dict):
        if (key == "custom_obj_values" and node) or "custom_obj" in node or "as_custom_obj" in node:
            yield "a custom object, made by C++ code that comes with it"
        for name, value in node.items():
            if not _NAME.fullmatch(name):
                yield f"the name {name[:60]!r}"
            yield from _walk(value, key if key in _NUMERIC else name)
    elif isinstance(node, list):
        for item in node:
            yield from _walk(item, key)
    elif isinstance(node, str) and not _RULES.get(key, _is_name)(node):
        yield f"the {_WORDS.get(key, key)} {node[:60]!r}"


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _is_identifier(text: str) -> bool:
    return _IDENTIFIER.fullmatch(text) is not None


def _never(text: str) -> bool:
    return False


def _always(text: str) -> bool:
    return True


def is_harmless_operator(target: str) -> bool:
    """Whether a graph may call `target`: tensor operators that touch no file, and arithmetic on sizes."""
    match target.split("."):
        case ["_operator", name]:
            return name in _PYTHON_OPERATORS
        case ["math", name] | ["torch", name] if not name.startswith("_"):
            return target.startswith("math.") or name.startswith("sym_")
        case ["torch", "ops", "higher_order", name]:
            return name in _HIGHER_ORDER
        case ["torch", "ops", namespace, name, overload] if namespace in _NAMESPACES:
            return _touches_no_file(namespace, name, overload)
        case _:
            return False


def _touches_no_file(namespace: str, name: str, overload: str) -> bool:
    packet = getattr(getattr(torch.ops, namespace), name, None)
    found = getattr(packet, overload, None)
    return isinstance(found, torch._ops.OpOverload) and not any(
        argument.name == "filename" for argument in found._schema.arguments
    )


def _is_harmless_tree(text: str) -> bool:
    """Whether a tree of inputs or outputs is made of tuples, lists and dictionaries; other types import modules."""
    try:
        _, tree = json.loads(text)
        return _is_plain(tree)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _is_plain(tree: dict[str, Any]) -> bool:
    if tree["type"] is None:
        return tree["context"] is None
    context = json.loads(tree["context"])
    keys = context if isinstance(context, list) else []
    return (
        tree["type"] in _TREES
        and (context is None or isinstance(context, list))
        and all(isinstance(key, int) or (isinstance(key, str) and _is_name(key)) for key in keys)
        and all(_is_plain(child) for child in tree["children_spec"])
    )


_NUMERIC = frozenset({"hint", "min_val", "max_val"})
_RULES: dict[str, Callable[[str], bool]] = {
    "expr_str": torch_sizes.is_harmless,
    "target": is_harmless_operator,
    "as_operator": is_harmless_operator,
    "in_spec": _is_harmless_tree,
    "out_spec": _is_harmless_tree,
    "name": _is_identifier,
    "as_name": _is_identifier,
    "forward_arg_names": _is_identifier,
    "as_string": _always,
    "as_strings": _always,
    "hint": _never,
    "min_val": _never,
    "max_val": _never,
}
_WORDS = {"expr_str": "size", "target": "operator", "as_operator": "operator", "in_spec": "input structure"}
