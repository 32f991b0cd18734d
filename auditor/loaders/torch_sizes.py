"""Symbolic sizes in serialised graphs, which PyTorch evaluates with sympy: Python expressions, run as such."""

from __future__ import annotations

import ast
import re

_SYMBOL = re.compile(r"[a-z]+\d+", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")

_FUNCTIONS = frozenset({
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Max", "Min", "Abs", "Mod", "PythonMod", "FloorDiv",
    "ModularIndexing", "CleanDiv", "CeilDiv", "CeilToInt", "FloorToInt", "TruncToInt", "RoundToInt", "TruncToFloat",
    "ToFloat", "IntTrueDiv", "FloatTrueDiv", "Where", "Identity", "And", "Or", "Not",
    "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan",
    "Eq", "Ne", "Lt", "Le", "Gt", "Ge",
})  # fmt: skip
_CONSTANTS = frozenset({"true", "false", "True", "False", "oo", "int_oo"})
_SYNTAX = (
    ast.Expression, ast.Load, ast.Call, ast.keyword, ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip
_POWERS = frozenset({"Pow", "PowByNatural"})
_MAX_EXPONENT = 8
_MAX_EXPRESSION = 20_000


def is_harmless(expression: str) -> bool:
    """Whether sympy can evaluate `expression` without calling anything but arithmetic.

    A set of safe characters is not enough: `exec(chr(105)+chr(109)+…)` needs only letters, digits and brackets.
    """
    if len(expression) > _MAX_EXPRESSION:
        return False
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, _SYNTAX) and _is_harmless_node(node) for node in ast.walk(tree))


def _is_harmless_node(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str(text))]):
            return _SYMBOL.fullmatch(text) is not None
        case ast.Call(func=ast.Name(id=("Pow" | "PowByNatural")), args=[base, exponent], keywords=[]):
            return _is_small(exponent) and not _has_power(base)
        case ast.Call(func=ast.Name(id=function), keywords=keywords):
            return function in _FUNCTIONS and (function == "Float" or not keywords)
        case ast.Call():
            return False
        case ast.BinOp(op=ast.Pow(), left=base, right=exponent):
            return _is_small(exponent) and not _has_power(base)
        case ast.Name(id=name):
            return name in _FUNCTIONS | _POWERS or name in _CONSTANTS or _SYMBOL.fullmatch(name) is not None
        case ast.Constant(value=str(text)):
            return _NUMBER.fullmatch(text) is not None or _SYMBOL.fullmatch(text) is not None
        case _:
            return True


def _is_small(exponent: ast.expr) -> bool:
    match exponent:
        case ast.Call(func=ast.Name(id="Integer"), args=[number], keywords=[]):
            return _is_small(number)
        case ast.UnaryOp(op=ast.USub(), operand=number):
            return _is_small(number)
        case ast.Constant(value=int(value)):
            return value <= _MAX_EXPONENT
        case _:
            return False


def _has_power(base: ast.expr) -> bool:
    return any(isinstance(node, ast.Pow) or getattr(node, "id", "") in _POWERS for node in ast.walk(base))
