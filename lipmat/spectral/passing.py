"""What is known of a graph's input, passed on to its value: enclosures, signs of curvature.

Operations that only move entries are run on the numbers of their places; matrices with constant
entries act along an axis; the rest goes entry by entry.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lipmat.spectral.entries import Entries
from lipmat.spectral.graph import Graph, Operation
from lipmat.spectral.smooth import Exponential, InBase, Power, Smooth, softplus

MOVING = {
    "view",
    "unsafe_view",
    "reshape",
    "t",
    "transpose",
    "permute",
    "unsqueeze",
    "squeeze",
    "expand",
    "select",
    "slice",
    "clone",
    "alias",
    "detach",
}
JOINING = {"stack", "cat"}
Operand = Any
"""Entries, a tensor or a number."""


def function_of(operation: Operation) -> Smooth | None:
    """Return the smooth function that an operation applies to each entry; None if it does not.

    Raises:
        ValueError: A softplus jumps.
    """
    kind, settings = operation.kind, operation.arguments[1:]
    if kind == "softplus":
        return softplus(float(settings[0]), float(settings[1]))
    if kind == "pow":
        return Power(float(settings[0])) if settings[0] else None
    functions: dict[str, Smooth] = {
        "sigmoid": InBase("sigmoid"),
        "tanh": InBase("tanh"),
        "exp": Exponential(),
        "log": Power(0.0),
        "sqrt": Power(0.5),
        "reciprocal": Power(-1.0),
        "square": Power(2.0),
    }
    return functions.get(kind)


def passed[E: Entries](graph: Graph, x: E) -> E:
    """Return what is known of a graph's value from what is known of its input."""
    found: list[Operand] = []
    last = {k: i for i, o in enumerate(graph.operations) for k in o.inputs()}
    for i, operation in enumerate(graph.operations):

        def value(argument: Any) -> Any:
            if isinstance(argument, dict):
                ((key, k),) = argument.items()
                return graph.arrays[k] if key == "array" else (x if k < 0 else found[k])
            return [value(a) for a in argument] if isinstance(argument, list) else argument

        found.append(_applied(operation, [value(a) for a in operation.arguments]))
        for k in operation.inputs():  # memory of what no later operation needs
            if k >= 0 and last[k] == i:
                found[k] = None
    out = found[-1]
    assert isinstance(out, type(x))
    return out


def _applied(operation: Operation, arguments: list[Any]) -> Operand:
    kind = operation.kind
    if kind in ("ones_like", "zeros_like"):
        (x,) = arguments
        return torch.full(x.shape, float(kind == "ones_like"), dtype=torch.float64)
    if kind in MOVING:
        return _moved(operation, arguments)
    if kind in JOINING:
        return _put_together(operation, arguments)
    if (function := function_of(operation)) is not None:
        entries: Entries = arguments[0]
        return entries.through(function)
    return _RULES[kind](*arguments)


def target_of(operation: Operation) -> Callable[..., Tensor]:
    """Return torch's own operation."""
    name, overload = operation.name.split(".")
    out: Callable[..., Tensor] = getattr(getattr(torch.ops.aten, name), overload)
    return out


def _moved(operation: Operation, arguments: list[Any]) -> Operand:
    entries, *settings = arguments
    if isinstance(entries, Tensor):
        return target_of(operation)(entries, *settings)
    places = torch.arange(prod(entries.shape)).reshape(entries.shape)
    return _taken(entries, target_of(operation)(places, *settings))


def _taken(entries: Entries, places: Tensor) -> Entries:
    flat = places.reshape(-1)
    if len(flat) == prod(entries.shape) and torch.equal(flat, torch.arange(len(flat))):
        return entries.reshaped(tuple(places.shape))
    return entries.taken(places)


def _put_together(operation: Operation, arguments: list[Any]) -> Operand:
    parts, *settings = arguments
    (like, *_) = (p for p in parts if isinstance(p, Entries))
    entries = [p if isinstance(p, Entries) else like.constant(p) for p in parts]
    starts = torch.tensor([0, *(prod(j.shape) for j in entries)]).cumsum(0)
    places = [
        torch.arange(prod(j.shape)).reshape(j.shape) + s
        for j, s in zip(entries, starts[:-1], strict=True)
    ]
    return _taken(type(like).joined(entries), target_of(operation)(places, *settings))


def _shape(x: Operand) -> tuple[int, ...]:
    return tuple(x.shape) if isinstance(x, Entries | Tensor) else ()


def _broadcast(x: Operand, shape: tuple[int, ...]) -> Any:
    """Return entries or numbers in a larger shape; numbers are flat."""
    if isinstance(x, Entries):
        places = torch.arange(prod(x.shape)).reshape(x.shape)
        return x if x.shape == shape else x.taken(places.broadcast_to(shape))
    return torch.as_tensor(x, dtype=torch.float64).broadcast_to(shape).reshape(-1)


def _both(x: Operand, y: Operand) -> tuple[Any, Any, tuple[int, ...]]:
    shape = tuple(np.broadcast_shapes(_shape(x), _shape(y)))
    return _broadcast(x, shape), _broadcast(y, shape), shape


def _add(x: Operand, y: Operand, alpha: float = 1.0) -> Operand:
    if alpha != 1.0:
        y = _mul(y, alpha)
    a, b, shape = _both(x, y)
    if not isinstance(a, Entries):
        a, b = b, a
    if not isinstance(a, Entries):
        return (a + b).reshape(shape)
    return a + b if isinstance(b, Entries) else a.shifted(b)


def _mul(x: Operand, y: Operand) -> Operand:
    a, b, shape = _both(x, y)
    if not isinstance(a, Entries):
        a, b = b, a
    if not isinstance(a, Entries):
        return (a * b).reshape(shape)
    return a * b if isinstance(b, Entries) else a.scaled(b)


def _div(x: Operand, y: Operand) -> Operand:
    if isinstance(y, Entries):
        return _mul(x, y.through(Power(-1.0)))
    assert isinstance(x, Entries)
    shape = tuple(np.broadcast_shapes(x.shape, _shape(y)))
    return _broadcast(x, shape).scaled(1.0 / _broadcast(y, shape))


def _matrix_product(x: Operand, y: Operand) -> Operand:
    """Return ``x @ y`` where one of them is constant, or both are vectors."""
    if isinstance(x, Entries) and isinstance(y, Entries):
        if len(x.shape) > 1 or len(y.shape) > 1:
            raise ValueError("a product of two matrices that both depend on the input")
        return _sum(_mul(x, y))
    if isinstance(x, Entries):
        assert isinstance(y, Tensor)
        *rows, m = x.shape
        matrix = y.T if y.ndim > 1 else y[None]
        out = x.mapped(matrix, (prod(rows), m, 1))
        return out.reshaped((*rows, *y.shape[1:]))
    assert isinstance(x, Tensor)
    assert isinstance(y, Entries)
    m, *columns = y.shape
    out = y.mapped(x if x.ndim > 1 else x[None], (1, m, prod(columns)))
    return out.reshaped((*x.shape[:-1], *columns))


def _sum(x: Operand, dims: Any = None, keepdim: bool = False, share: bool = False) -> Operand:
    assert isinstance(x, Entries)
    count = len(x.shape)
    dims = [dims] if isinstance(dims, int) else dims
    axes = sorted({d % count for d in dims} if dims else range(count), reverse=True)
    shape, out = list(x.shape), x
    for axis in axes:
        m = shape[axis]
        weight = torch.full((1, m), 1.0 / m if share else 1.0, dtype=torch.float64)
        out = out.mapped(weight, (prod(shape[:axis]), m, prod(shape[axis + 1 :])))
        shape[axis] = 1
    kept = shape if keepdim else [n for i, n in enumerate(shape) if i not in axes]
    return out.reshaped(tuple(kept))


_RULES: dict[str, Callable[..., Operand]] = {
    "add": _add,
    "sub": lambda x, y, alpha=1.0: _add(x, _mul(y, -1.0), alpha),
    "rsub": lambda x, y, alpha=1.0: _add(_mul(x, -alpha), y),
    "neg": lambda x: _mul(x, -1.0),
    "mul": _mul,
    "div": _div,
    "pow": lambda x, exponent: torch.ones(_shape(x), dtype=torch.float64),  # of exponent 0
    "addmm": lambda bias, x, y: _add(_matrix_product(x, y), bias),
    "mm": _matrix_product,
    "mv": _matrix_product,
    "dot": _matrix_product,
    "sum": _sum,
    "mean": lambda x, dims=None, keepdim=False: _sum(x, dims, keepdim, share=True),
}
