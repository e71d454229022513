"""From torch to UFL: the gradient of a low-dimensional potential, traced and rewritten.

:mod:`lipmat.spectral.aten` gives the graph of a potential and its gradient. Nodes that depend on
the weights alone are evaluated by torch; where they meet the strain they become ``fem.Constant``
arrays, so that a compiled kernel serves every material of one architecture. All other nodes are
evaluated on numpy arrays of UFL scalars. There is no second implementation of a law.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import ufl
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from lipmat.fem.ramps import RAMPS, table_of
from lipmat.spectral.aten import UnsupportedOperation, graph_of

Expressions = NDArray[np.object_]
Constant = Callable[[NDArray[np.float64]], Any]
FEWEST_KNOTS = 8
"""Of a sum of ramps that is kept as one operation: a shorter one is faster written out."""

_Graphs = dict[tuple[str, int, bool], fx.GraphModule]
_GRAPHS: WeakKeyDictionary[nn.Module, _Graphs] = WeakKeyDictionary()


def trace(law: nn.Module, method: str, size: int, potential: bool = True) -> fx.GraphModule:
    """Return the graph of ATen operations that gives ``law.method``'s gradient and its value.

    Of a method that is no potential it gives the values. A law is traced once: its weights and
    settings are those of that moment, as are its bounds.
    """
    graphs = _GRAPHS.setdefault(law, {})
    key = method, size, potential
    if key not in graphs:
        called = getattr(law, method)
        example = torch.linspace(1.1, 1.3, size, dtype=torch.float64, requires_grad=potential)
        function = partial(_gradient_and_value, called) if potential else lambda x: (called(x),)
        try:
            graphs[key] = graph_of(function, example)
        except UnsupportedOperation as error:
            raise UnsupportedOperation(f"{type(law).__name__}.{method}: {error}") from None
    return graphs[key]


def _gradient_and_value(potential: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return both; ``torch.func`` would import torch's compilers, which takes seconds."""
    value = potential(x)
    (gradient,) = torch.autograd.grad(value, x)
    return gradient, value


def energy_in_ufl(
    law: nn.Module,
    method: str,
    arguments: Sequence[Any],
    constant: Constant,
    compact: bool = False,
) -> Any:
    """Return the potential ``law.method`` at UFL scalars; arguments as of gradient_in_ufl."""
    return _evaluate(law, method, 1, arguments, constant, compact=compact)[0]


def gradient_in_ufl(
    law: nn.Module,
    method: str,
    arguments: Sequence[Any],
    constant: Constant,
    compact: bool = False,
) -> list[Any]:
    """Return the gradient of ``law.method`` at UFL scalars, as a list of UFL scalars.

    Args:
        law: A torch module in float64.
        method: Name of a method that maps a tensor (n,) to a scalar tensor.
        arguments: The n UFL scalars.
        constant: Makes a UFL coefficient of an array of weights (a ``fem.Constant``).
        compact: Keep sums of ramps as one operation, which kernels over lanes know and plain FFCx
            does not (:mod:`lipmat.fem.ramps`).

    Raises:
        UnsupportedOperation: Names the module and the operation.
    """
    return _evaluate(law, method, 0, arguments, constant, compact=compact)


def values_in_ufl(
    law: nn.Module, method: str, arguments: Sequence[Any], constant: Constant
) -> list[Any]:
    """Return what ``law.method``, a map from vectors to vectors, gives at UFL scalars."""
    return _evaluate(law, method, 0, arguments, constant, potential=False)


def _evaluate(
    law: nn.Module,
    method: str,
    number: int,
    arguments: Sequence[Any],
    constant: Constant,
    potential: bool = True,
    compact: bool = False,
) -> list[Any]:
    """Return the gradient (number 0) or the value (number 1), or the values of no potential (0)."""
    graph = trace(law, method, len(arguments), potential)
    interpreter = _Interpreter(graph, f"{type(law).__name__}.{method}", constant, compact)
    (placeholder,) = (n for n in graph.graph.nodes if n.op == "placeholder")
    interpreter.symbolic[placeholder] = np.array(list(arguments), dtype=object)
    return list(interpreter.run(number).reshape(-1))


class _Interpreter:
    """Evaluate a graph: weights by torch, what depends on the strain by UFL."""

    def __init__(
        self, module: fx.GraphModule, name: str, constant: Constant, compact: bool
    ) -> None:
        self.module, self.name, self.constant, self.compact = module, name, constant, compact
        self.numeric: dict[fx.Node, Any] = {}
        self.symbolic: dict[fx.Node, Expressions] = {}
        self._constants: dict[fx.Node, Expressions] = {}
        self._tables: dict[tuple[fx.Node, fx.Node, int], Expressions] = {}

    def run(self, number: int) -> Expressions:
        """Return one of the outputs; only what it needs is evaluated."""
        found: fx.Node = self.module.graph.output_node().args[0][number]
        needed = _ancestors(found)
        for node in (n for n in self.module.graph.nodes if n in needed):
            if node.op == "get_attr":
                self.numeric[node] = getattr(self.module, node.target).detach()
            elif node.op == "call_function":
                self._call(node)
        return self._operand(found)

    def _call(self, node: fx.Node) -> None:
        if not any(n in self.symbolic for n in node.all_input_nodes):
            args, kwargs = fx.map_arg((node.args, node.kwargs), self.numeric.__getitem__)
            self.numeric[node] = node.target(*args, **kwargs)
            return
        if (ramps := self._ramps(node)) is not None:
            self.symbolic[node] = ramps
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

    def _ramps(self, node: fx.Node) -> Expressions | None:
        """Return a sum of weighted powers of ramps as one operation; None if it is none."""
        found = _as_ramps(node, self.numeric) if self.compact else None
        if found is None:
            return None
        power, argument, sign, knots, weights = found
        z = self._operand(argument)
        numbers = np.broadcast_arrays(self.numeric[weights].numpy(), self.numeric[knots].numpy())
        weight, knot = (x if sign > 0 else x[..., ::-1] for x in numbers)
        if knot.shape[-1] < FEWEST_KNOTS or not (np.diff(sign * knot) > 0).all():
            return None
        key = (knots, weights, sign)
        if key not in self._tables:
            self._tables[key] = self._as_constant(torch.from_numpy(table_of(sign * knot, weight)))
        first = np.broadcast_to(self._tables[key][..., 0], z.shape)
        pairs = zip(first.flat, (sign * z).flat, strict=True)
        return np.array([RAMPS[power](*pair) for pair in pairs], dtype=object).reshape(z.shape)

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


def _ancestors(node: fx.Node) -> set[fx.Node]:
    """Return a node and all that it depends on."""
    found, left = {node}, [node]
    while left:
        new = set(left.pop().all_input_nodes) - found
        found |= new
        left += new
    return found


_STORAGE = {"pin_memory", "memory_format", "dtype", "layout", "device"}


def _name(target: Any) -> str:
    return str(getattr(target, "__name__", target)).split(".")[0]


def _as_ramps(
    node: Any, numeric: Mapping[fx.Node, Any]
) -> tuple[int, fx.Node, int, fx.Node, fx.Node] | None:
    """Take ``sum(weights * relu(sign * (z[..., None] - knots))^p, -1)`` apart, p = 2 or 3.

    Returns:
        Power, the node of z, sign, the nodes of knots and weights; None if the node is no such sum.
    """
    if (
        not _is_call(node, "sum")
        or list(node.args[1:]) != [[-1]]
        or not _is_call(node.args[0], "mul")
    ):
        return None
    weights, product = node.args[0].args
    factors = _factors(product)
    ramp = factors[0]
    same = len(factors) in RAMPS and all(factor is ramp for factor in factors)
    if weights not in numeric or not same:
        return None
    if not _is_call(ramp, "relu") or not _is_call(ramp.args[0], "sub"):
        return None
    first, second = ramp.args[0].args
    sign, knots, z = (1, second, first) if second in numeric else (-1, first, second)
    if knots not in numeric or not _is_call(z, "unsqueeze") or z.args[1] != -1:
        return None
    return len(factors), z.args[0], sign, knots, weights


def _factors(node: Any) -> list[Any]:
    """Return the factors of ``a * b * c``, which is a product of a product."""
    if not _is_call(node, "mul"):
        return [node]
    first, last = node.args
    return [*_factors(first), last]


def _is_call(node: Any, name: str) -> bool:
    """Tell whether a node is an operation of that name, without further settings."""
    return isinstance(node, fx.Node) and _name(node.target) == name and not node.kwargs


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


def _slice(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)]


def _amin(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Return the minimum over one axis."""
    (axis,) = (int(a) % x.ndim for a in np.atleast_1d(dim))
    least = _MINIMUM.reduce(x, axis=axis)
    return np.expand_dims(least, axis) if keepdim else least


def _slice_backward(
    grad: Any, sizes: list[int], dim: int, start: int, end: int, step: int
) -> Expressions:
    out = np.zeros(sizes, dtype=object)
    out[(slice(None),) * (dim % len(sizes)) + (slice(start, end, step),)] = grad
    return out


def _mean(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    total = _sum(x, dim, keepdim)
    return total / (np.size(x) // np.size(total))


def _softplus(x: Any, beta: float, limit: float) -> Any:
    """Return ``ln(1 + exp(beta x)) / beta``, without overflow; limits of 20 or more are far."""
    return _LOG1PEXP(beta * x) / beta


def _softplus_backward(grad: Any, x: Any, beta: float, limit: float) -> Any:
    return grad * _LOGISTIC(beta * x)


def _clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    x = x if min is None else _MAXIMUM(x, min)
    return x if max is None else _MINIMUM(x, max)


def _scaled(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Handle torch's ``alpha`` in ``add`` and ``sub``."""
    return lambda a, b, alpha=1: function(a, b if alpha == 1 else alpha * b)


_LOG1PEXP = _elementwise(lambda x: ufl.max_value(x, 0) + ufl.ln(1 + ufl.exp(-ufl.max_value(x, -x))))
_LOGISTIC = _elementwise(lambda x: 0.5 + 0.5 * ufl.tanh(0.5 * x))
_MINIMUM = np.frompyfunc(lambda a, b: ufl.min_value(a, b), 2, 1)
_MAXIMUM = np.frompyfunc(lambda a, b: ufl.max_value(a, b), 2, 1)
_RULES: dict[str, Callable[..., Any]] = {
    "add": _scaled(operator.add),
    "sub": _scaled(operator.sub),
    "mul": _elementwise(_product),
    "div": operator.truediv,
    "neg": operator.neg,
    "rsub": _scaled(lambda a, b: b - a),
    "minimum": _MINIMUM,
    "maximum": _MAXIMUM,
    "amin": _amin,
    "clamp": _clamp,
    "slice": _slice,
    "reciprocal": lambda x: 1 / x,
    "pow": operator.pow,
    "sqrt": _elementwise(lambda x: ufl.sqrt(x)),
    "exp": _elementwise(lambda x: ufl.exp(x)),
    "log": _elementwise(lambda x: ufl.ln(x)),
    "tanh": _elementwise(lambda x: ufl.tanh(x)),
    "tanh_backward": lambda grad, y: grad * (1 - y * y),
    "sigmoid": _LOGISTIC,
    "sigmoid_backward": lambda grad, y: grad * y * (1 - y),
    "softplus": _softplus,
    "softplus_backward": _softplus_backward,
    "square": lambda x: x * x,
    "relu": _elementwise(lambda x: ufl.max_value(x, 0)),
    "addmm": lambda bias, x, y: bias + x @ y,
    "mv": operator.matmul,
    "mm": operator.matmul,
    "dot": operator.matmul,
    "t": np.transpose,
    "transpose": np.swapaxes,
    "permute": np.transpose,
    "sum": _sum,
    "mean": _mean,
    "unsqueeze": np.expand_dims,
    "squeeze": lambda x, dim: np.squeeze(x, axis=dim),
    "view": lambda x, size: x.reshape(size),
    "_unsafe_view": lambda x, size: x.reshape(size),
    "expand": _expand,
    "select": lambda x, dim, index: np.take(x, index, axis=dim),
    "select_backward": _select_backward,
    "slice_backward": _slice_backward,
    "cat": lambda xs, dim=0: np.concatenate(xs, axis=dim),
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
