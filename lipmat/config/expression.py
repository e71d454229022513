"""Arithmetic that a user writes in a case file, e.g. ``-30*sin(pi*z/12)*y``; nothing else runs."""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite, pi
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lipmat.errors import InputError, nearest
from lipmat.units import shown

LONGEST = 1000  # [characters]
DEEPEST = 200  # [levels of the syntax tree]

FUNCTIONS: Mapping[str, np.ufunc] = MappingProxyType(
    {
        "sin": np.sin,
        "cos": np.cos,
        "tan": np.tan,
        "exp": np.exp,
        "log": np.log,
        "sqrt": np.sqrt,
        "abs": np.abs,
        "tanh": np.tanh,
        "minimum": np.minimum,
        "maximum": np.maximum,
    }
)
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.Pow: operator.pow,
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    }
)

type Expression = Callable[..., NDArray[np.float64]]
type _Values = Mapping[str, NDArray[np.float64]]
type _Node = Callable[[_Values], Any]


def compile_expression(
    text: str, names: Sequence[str] = ("x", "y", "z"), where: str = "expression"
) -> Expression:
    """Compile arithmetic on numbers, pi, the given names and the functions in `FUNCTIONS`.

    Args:
        text: the expression; ``**`` is the power.
        names: the variables, in the order of the arguments of the compiled function.
        where: what the expression belongs to, e.g. ``"case.toml: [initial] velocity_field"``.

    Returns:
        A function of one array per name (their shapes are broadcast) with the values in the
        broadcast shape. Where the expression has no value it gives nan or inf, without a warning.

    Raises:
        InputError: the text is no arithmetic, or has a name or a function that is not known.
    """
    try:
        node = _compile(_parse(text), frozenset(names))
    except ValueError as error:
        raise InputError(f"{where}: found {shown(text)}, {error}") from None
    return partial(_evaluate, node, tuple(names))


def _evaluate(node: _Node, names: tuple[str, ...], *arrays: ArrayLike) -> NDArray[np.float64]:
    if len(arrays) != len(names):
        raise TypeError(f"expected {len(names)} arrays ({', '.join(names)}), got {len(arrays)}")
    values = np.broadcast_arrays(*(np.asarray(array, dtype=np.float64) for array in arrays))
    with np.errstate(all="ignore"):
        result = node(dict(zip(names, values, strict=True)))
    return np.array(np.broadcast_to(result, values[0].shape), dtype=np.float64)


def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ValueError(f"expected at most {LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser warns about the likes of "1or x"
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError("which is no arithmetic expression") from None


def _compile(node: ast.expr, names: frozenset[str], depth: int = 0) -> _Node:
    """Turn one node of the syntax tree into a function of the variables."""
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    inner = partial(_compile, names=names, depth=depth + 1)
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _constant(number)
        case ast.Name(id=name) if name in names:
            return lambda values: values[name]
        case ast.Name(id="pi"):
            return _constant(pi)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _apply(_OPERATORS[type(op)], inner(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _apply(_OPERATORS[type(op)], inner(left), inner(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return _call(name, [inner(argument) for argument in args])
        case _:
            raise _refusal(node, names)


def _constant(number: float) -> _Node:
    try:
        value = np.float64(number)
    except OverflowError:
        value = np.float64("inf")
    if not isfinite(value):
        raise ValueError("expected finite numbers")
    return lambda _: value


def _apply(function: Callable[..., Any], *arguments: _Node) -> _Node:
    return lambda values: function(*(argument(values) for argument in arguments))


def _call(name: str, arguments: list[_Node]) -> _Node:
    function = FUNCTIONS[name]
    if len(arguments) != function.nin:
        raise ValueError(f"expected {function.nin} argument(s) of {name}, got {len(arguments)}")
    return _apply(function, *arguments)


def _refusal(node: ast.expr, names: frozenset[str]) -> ValueError:
    match node:
        case ast.Name(id=name):
            return ValueError(f"unknown name {name!r}, {nearest(name, {*names, 'pi'})}")
        case ast.Call(func=ast.Name(id=name)) if name not in FUNCTIONS:
            return ValueError(f"unknown function {name!r}, {nearest(name, FUNCTIONS)}")
        case ast.BinOp(op=ast.BitXor()):
            return ValueError("expected ** for a power, not ^")
    return ValueError(f"expected arithmetic only, not {shown(ast.unparse(node))}")
