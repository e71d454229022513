"""A network as a list of operations from a white list: traced once, kept as JSON and arrays.

Whoever has the list and the arrays can evaluate the network, without the code it was written in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from lipmat.spectral.aten import UnsupportedOperation, graph_of

OPERATIONS = (
    "add.Tensor",
    "add.Scalar",
    "sub.Tensor",
    "sub.Scalar",
    "rsub.Scalar",
    "mul.Tensor",
    "mul.Scalar",
    "div.Tensor",
    "div.Scalar",
    "neg.default",
    "pow.Tensor_Scalar",
    "square.default",
    "reciprocal.default",
    "sqrt.default",
    "exp.default",
    "log.default",
    "softplus.default",
    "sigmoid.default",
    "tanh.default",
    "addmm.default",
    "mm.default",
    "mv.default",
    "dot.default",
    "sum.default",
    "sum.dim_IntList",
    "mean.default",
    "mean.dim",
    "view.default",
    "_unsafe_view.default",
    "reshape.default",
    "t.default",
    "transpose.int",
    "permute.default",
    "unsqueeze.default",
    "squeeze.default",
    "squeeze.dim",
    "squeeze.dims",
    "expand.default",
    "select.int",
    "slice.Tensor",
    "stack.default",
    "cat.default",
    "clone.default",
    "alias.default",
    "detach.default",
    "ones_like.default",
    "zeros_like.default",
)
"""Names of torch's ATen operations that a graph may hold."""
_STORAGE = ("memory_format", "dtype", "layout", "device", "pin_memory", "implicit")


class UnsupportedNetwork(ValueError):
    """A network cannot be kept as a graph; the message says why."""


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        name: One of ``OPERATIONS``.
        arguments: JSON values; ``{"node": k}`` is the k-th operation's result or, for k = -1, the
            input, and ``{"array": k}`` the k-th constant.
    """

    name: str
    arguments: tuple[Any, ...]

    @property
    def kind(self) -> str:
        """The name without the overload."""
        return self.name.split(".")[0].lstrip("_")

    def inputs(self) -> list[int]:
        """Return the numbers of the operations whose results it takes."""
        found: list[int] = []
        _replaced(self.arguments, lambda key, k: found.append(k) if key == "node" else None)
        return found


@dataclass(frozen=True)
class Graph:
    """A function of a vector: operations in their order, the last one gives the value.

    Attributes:
        operations: See :class:`Operation`.
        arrays: Constants, float64.
    """

    operations: tuple[Operation, ...]
    arrays: tuple[Tensor, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate the graph with torch, operation by operation as it was traced."""
        found: list[Tensor] = []

        def value(key: str, k: int) -> Tensor:
            return self.arrays[k] if key == "array" else (x if k < 0 else found[k])

        for operation in self.operations:
            name, overload = operation.name.split(".")
            target = getattr(getattr(torch.ops.aten, name), overload)
            found.append(target(*_replaced(operation.arguments, value)))
        return found[-1]

    def as_json(self) -> list[list[Any]]:
        """Return the operations as JSON values."""
        return [[o.name, *o.arguments] for o in self.operations]

    @classmethod
    def from_json(cls, operations: Sequence[Sequence[Any]], arrays: Sequence[Tensor]) -> Graph:
        """Return the graph of what :meth:`as_json` gave.

        Raises:
            ValueError: An operation is unknown or refers to what does not come before it.
        """
        read = [Operation(o[0], tuple(o[1:])) for o in operations]
        for place, operation in enumerate(read):
            if operation.name not in OPERATIONS:
                raise ValueError(f"operation {place}: found {operation.name!r}, which is unknown")

            def check(key: str, k: int, place: int = place) -> None:
                if key not in ("node", "array"):
                    raise ValueError(f"operation {place}: found {key!r}, expected node or array")
                limit = place if key == "node" else len(arrays)
                if not -1 <= k < limit or (key == "array" and k < 0):
                    raise ValueError(
                        f"operation {place}: found {key} {k}, expected less than {limit}"
                    )

            _replaced(operation.arguments, check)
        if not read:
            raise ValueError("operations: found none, expected at least one")
        return cls(tuple(read), tuple(arrays))


def traced(function: Callable[[Tensor], Tensor], example: Tensor) -> Graph:
    """Return the graph of a function of a vector.

    What does not depend on the input is evaluated and becomes a constant.

    Args:
        function: Maps a float64 vector to a tensor.
        example: A vector of the right length.

    Raises:
        UnsupportedNetwork: An operation is unknown, or what is computed depends on the data.
    """
    try:
        module = graph_of(lambda x: (function(x),), example)
    except UnsupportedOperation as error:
        raise UnsupportedNetwork(str(error)) from None
    return _Reader(module).graph()


class _Reader:
    """Reads the operations that torch traced."""

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self.numbers: dict[fx.Node, int] = {}
        self.constants: dict[fx.Node, Any] = {}
        self.operations: list[Operation] = []
        self.arrays: list[Tensor] = []
        self._places: dict[fx.Node, int] = {}

    def graph(self) -> Graph:
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                self.numbers[node] = -1
            elif node.op == "get_attr":
                self.constants[node] = getattr(self.module, node.target).detach()
            elif node.op == "call_function":
                self._call(node)
        ((result,),) = self.module.graph.output_node().args
        if not isinstance(result, fx.Node) or result not in self.numbers:
            raise UnsupportedNetwork("its result does not depend on its input")
        if self.numbers[result] != len(self.operations) - 1:
            self.operations.append(Operation("alias.default", ({"node": self.numbers[result]},)))
        return Graph(tuple(self.operations), tuple(self.arrays))

    def _call(self, node: fx.Node) -> None:
        if not any(n in self.numbers for n in node.all_input_nodes):
            args, kwargs = fx.map_arg((node.args, node.kwargs), self.constants.__getitem__)
            self.constants[node] = node.target(*args, **kwargs)
            return
        name = str(node.target).removeprefix("aten.")
        if name == "silu.default":
            x = self._argument(node.args[0])
            self.operations.append(Operation("sigmoid.default", (x,)))
            self._append(node, "mul.Tensor", (x, {"node": len(self.operations) - 1}))
            return
        if name not in OPERATIONS:
            known = ", ".join(sorted({o.split(".")[0].lstrip("_") for o in OPERATIONS} | {"silu"}))
            raise UnsupportedNetwork(
                f"torch operation {name.split('.')[0]!r} is not supported; supported: {known}"
            )
        if name == "softplus.default" and len(node.args) < 3:
            beta = node.args[1] if len(node.args) > 1 else 1.0
            node.args = (node.args[0], beta, 20.0)
        extra = [k for k in node.kwargs if k not in _STORAGE]
        if extra:
            raise UnsupportedNetwork(f"torch operation {name!r} has the setting {extra[0]!r}")
        self._append(node, name, tuple(self._argument(a) for a in node.args))

    def _append(self, node: fx.Node, name: str, arguments: tuple[Any, ...]) -> None:
        self.numbers[node] = len(self.operations)
        self.operations.append(Operation(name, arguments))

    def _argument(self, value: Any) -> Any:
        if isinstance(value, fx.Node):
            if value in self.numbers:
                return {"node": self.numbers[value]}
            if value not in self._places:
                self._places[value] = len(self.arrays)
                self.arrays.append(self.constants[value].to(torch.float64).clone())
            return {"array": self._places[value]}
        if isinstance(value, list | tuple):
            return [self._argument(v) for v in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        raise UnsupportedNetwork(f"an operation has the setting {value!r}")


def _replaced(value: Any, by: Callable[[str, int], Any]) -> Any:
    """Return JSON arguments with every reference replaced."""
    if isinstance(value, Mapping):
        ((key, k),) = value.items()
        return by(key, k)
    if isinstance(value, list | tuple):
        return [_replaced(v, by) for v in value]
    return value
