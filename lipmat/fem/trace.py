"""From torch to UFL: the gradient of a low-dimensional potential, traced and rewritten.

``make_fx(torch.func.grad(potential))`` gives a graph of ATen operations. Nodes that depend on the
weights alone are evaluated by torch; where they meet the strain they become ``fem.Constant``
arrays, so that a compiled kernel serves every material of one architecture. All other nodes are
evaluated on numpy arrays of UFL scalars. There is no second implementation of a law.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import ufl
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

Expressions = NDArray[np.object_]
Constant = Callable[[NDArray[np.float64]], Any]


class UnsupportedOperation(TypeError):
    """A law uses a torch operation that has no counterpart in UFL."""


def trace(function: Callable[[Tensor], Tensor], size: int) -> fx.GraphModule:
    """Trace a function of a float64 vector of the given size into a graph of ATen operations."""
    example = torch.linspace(1.1, 1.3, size, dtype=torch.float64)
    graph: fx.GraphModule = make_fx(lambda x: function(x))(example)
    graph.graph.eliminate_dead_code()
    return graph


def energy_in_ufl(law: nn.Module, method: str, arguments: Sequence[Any], constant: Constant) -> Any:
    """Return the potential ``law.method`` at UFL scalars; arguments as of gradient_in_ufl."""
    return _evaluate(law, method, getattr(law, method), arguments, constant)[0]


def gradient_in_ufl(
    law: nn.Module, method: str, arguments: Sequence[Any], constant: Constant
) -> list[Any]:
    """Return the gradient of ``law.method`` at UFL scalars, as a list of UFL scalars.

    Args:
        law: A torch module in float64.
        method: Name of a method that maps a tensor (n,) to a scalar tensor.
        arguments: The n UFL scalars.
        constant: Makes a UFL coefficient of an array of weights (a ``fem.Constant``).

    Raises:
        UnsupportedOperation: Names the module and the operation.
    """
    return _evaluate(law, method, torch.func.grad(getattr(law, method)), arguments, constant)


def _evaluate(
    law: nn.Module,
    method: str,
    function: Callable[[Tensor], Tensor],
    arguments: Sequence[Any],
    constant: Constant,
) -> list[Any]:
    graph = trace(function, len(arguments))
    interpreter = _Interpreter(graph, f"{type(law).__name__}.{method}", constant)
    (placeholder,) = (n for n in graph.graph.nodes if n.op == "placeholder")
    interpreter.symbolic[placeholder] = np.array(list(arguments), dtype=object)
    return list(interpreter.run().reshape(-1))


class _Interpreter:
    """Evaluate a graph: weights by torch, what depends on the strain by UFL."""

    def __init__(self, module: fx.GraphModule, name: str, constant: Constant) -> None:
        self.module, self.name, self.constant = module, name, constant
        self.numeric: dict[fx.Node, Any] = {}
        self.symbolic: dict[fx.Node, Expressions] = {}
        self._constants: dict[fx.Node, Expressions] = {}

    def run(self) -> Expressions:
        for node in self.module.graph.nodes:
            if node.op == "get_attr":
                self.numeric[node] = getattr(self.module, node.target).detach()
            elif node.op == "call_function":
                self._call(node)
            elif node.op == "output":
                return self._operand(node.args[0])
        raise UnsupportedOperation(f"{self.name}: the traced graph has no output")

    def _call(self, node: fx.Node) -> None:
        if not any(n in self.symbolic for n in node.all_input_nodes):
            args, kwargs = fx.map_arg((node.args, node.kwargs), self.numeric.__getitem__)
            self.numeric[node] = node.target(*args, **kwargs)
            return
        rule = _RULES.get(_name(node.target))
        if rule is None:
            raise UnsupportedOperation(
                f"{self.name}: torch operation {_name(node.target)} has no counterpart in UFL; "
                f"supported: {', '.join(sorted(_RULES))}"
            )
        args, kwargs = fx.map_arg((node.args, node.kwargs), self._operand)
        kwargs = {k: v for k, v in kwargs.items() if k not in _STORAGE}
        try:
            self.symbolic[node] = np.asarray(rule(*args, **kwargs), dtype=object)
        except (TypeError, ValueError) as error:
            raise UnsupportedOperation(
                f"{self.name}: torch operation {node.target} has no counterpart in UFL with the "
                f"settings {node.args[1:]} {dict(node.kwargs)}: {error}"
            ) from error

    def _operand(self, node: fx.Node) -> Expressions:
        if node in self.symbolic:
            return self.symbolic[node]
        if node not in self._constants:
            self._constants[node] = self._as_constant(self.numeric[node])
        return self._constants[node]

    def _as_constant(self, value: Tensor) -> Expressions:
        array = value.numpy().astype(np.float64)
        if array.size == 1 and float(array.flat[0]) in (-1.0, 0.0, 1.0):  # structure, no weight
            return np.full(array.shape, int(array.flat[0]), dtype=object)
        weights = self.constant(array.reshape(-1))
        out = np.empty(array.size, dtype=object)
        for i in range(array.size):
            out[i] = weights[i]
        return out.reshape(array.shape)


_STORAGE = {"pin_memory", "memory_format", "dtype", "layout", "device"}


def _name(target: Any) -> str:
    return str(getattr(target, "__name__", target)).split(".")[0]


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    out: Callable[..., Any] = np.frompyfunc(function, function.__code__.co_argcount, 1)
    return out


def _product(a: Any, b: Any) -> Any:
    if _is_number(a, 0) or _is_number(b, 0):
        return 0
    if _is_number(a, 1):
        return b
    return a if _is_number(b, 1) else a * b


def _is_number(a: Any, value: int) -> bool:
    return isinstance(a, int | float) and a == value


def _sum(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Sum by halves: a chain of additions, each waiting for the last, would keep a CPU idle."""
    axes = range(x.ndim) if dim is None or dim == [] else np.atleast_1d(dim)
    for axis in sorted((int(a) % x.ndim for a in axes), reverse=True):
        while x.shape[axis] > 1:
            half = (x.shape[axis] + 1) // 2
            first, second = np.split(x, [half], axis)
            rest = np.split(first, [second.shape[axis]], axis)
            x = np.concatenate([rest[0] + second, rest[1]], axis)
        if not keepdim:
            x = x.reshape([n for i, n in enumerate(x.shape) if i != axis])
    return x


def _expand(x: Expressions, size: Sequence[int]) -> Expressions:
    kept = [1] * (len(size) - x.ndim) + list(x.shape)
    return np.broadcast_to(x, [k if s == -1 else s for s, k in zip(size, kept, strict=True)])


def _select_backward(grad: Any, sizes: list[int], dim: int, index: int) -> Expressions:
    out = np.zeros(sizes, dtype=object)
    out[(slice(None),) * dim + (index,)] = np.asarray(grad)[()]  # an element, not an array in one
    return out


def _scaled(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Handle torch's ``alpha`` in ``add`` and ``sub``."""
    return lambda a, b, alpha=1: function(a, b if alpha == 1 else alpha * b)


_RULES: dict[str, Callable[..., Any]] = {
    "add": _scaled(operator.add),
    "sub": _scaled(operator.sub),
    "mul": _elementwise(_product),
    "div": operator.truediv,
    "neg": operator.neg,
    "reciprocal": lambda x: 1 / x,
    "pow": operator.pow,
    "sqrt": _elementwise(lambda x: ufl.sqrt(x)),
    "exp": _elementwise(lambda x: ufl.exp(x)),
    "log": _elementwise(lambda x: ufl.ln(x)),
    "tanh": _elementwise(lambda x: ufl.tanh(x)),
    "tanh_backward": lambda grad, y: grad * (1 - y * y),
    "relu": _elementwise(lambda x: ufl.max_value(x, 0)),
    "mv": operator.matmul,
    "mm": operator.matmul,
    "dot": operator.matmul,
    "t": np.transpose,
    "sum": _sum,
    "unsqueeze": np.expand_dims,
    "squeeze": lambda x, dim: np.squeeze(x, axis=dim),
    "view": lambda x, size: x.reshape(size),
    "expand": _expand,
    "select": lambda x, dim, index: np.take(x, index, axis=dim),
    "select_backward": _select_backward,
    "stack": lambda xs, dim=0: np.stack(xs, axis=dim),
    "unbind": lambda x, dim=0: np.stack([np.take(x, i, dim) for i in range(x.shape[dim])]),
    "getitem": lambda x, i: x[i],
    "prod": lambda x: np.multiply.reduce(x, axis=None),
    "ones_like": lambda x: np.ones_like(x, dtype=object) * 1,
    "zeros_like": lambda x: np.zeros_like(x, dtype=object),
    "detach": lambda x: x,
    "clone": lambda x: x,
    "alias": lambda x: x,
}
