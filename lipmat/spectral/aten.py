"""The graph of ATen operations of a function of one tensor.

``make_fx`` gives the same graph, but imports torch's compilers for it, which takes longer than the
rest of a start.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

READ = "_local_scalar_dense"  # what torch does where Python asks for a number or a truth value


class UnsupportedOperation(TypeError):
    """A function uses a torch operation that whoever reads its graph has no rule for."""


def graph_of(function: Callable[[Tensor], Sequence[Tensor]], example: Tensor) -> fx.GraphModule:
    """Return what a function does to a tensor of the example's shape and type.

    Args:
        function: Gives tensors. What it does must not depend on the numbers in its argument.
        example: The argument of the one call that is made; any numbers.

    Raises:
        UnsupportedOperation: The function reads a number out of what depends on its argument.
    """
    recorder = _Recorder(example)
    with recorder:
        outputs = function(example)
    return recorder.finished(outputs)


class _Recorder(TorchDispatchMode):  # type: ignore[misc]  # torch is not followed
    """Notes every operation below autograd and the transforms of ``torch.func``."""

    def __init__(self, example: Tensor) -> None:
        super().__init__()
        self._root, self._graph = nn.Module(), fx.Graph()
        self._tensors: list[Tensor] = []
        """All that were seen: kept alive, so that no two have the same id."""
        self._nodes: dict[int, fx.Node] = {}
        self._dependent = {self._known(example, self._graph.placeholder("x"))}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Tell torch not to import its compiler to keep it away from this class."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        node = self._graph.call_function(func, *tree_map(self._node, (args, dict(kwargs))))
        if not self._dependent.isdisjoint(node.all_input_nodes):
            self._dependent.add(node)
            if func.overloadpacket.__name__ == READ:
                raise UnsupportedOperation(
                    "a number is read out of a tensor that depends on the input (.item(), or an "
                    "if): expected the same operations for every input"
                )
        out = func(*args, **kwargs)
        if isinstance(out, Tensor):
            self._known(out, node)
        elif isinstance(out, list | tuple):
            for i, tensor in enumerate(out):
                self._known(tensor, self._graph.call_function(operator.getitem, (node, i)))
        return out

    def finished(self, outputs: Sequence[Tensor]) -> fx.GraphModule:
        """Return the graph with its outputs, without what they do not need."""
        self._graph.output(tuple(map(self._node, outputs)))
        self._graph.eliminate_dead_code()
        return fx.GraphModule(self._root, self._graph)

    def _known(self, tensor: Tensor, node: fx.Node) -> fx.Node:
        self._tensors.append(tensor)
        self._nodes[id(tensor)] = node
        return node

    def _node(self, x: Any) -> Any:
        """Return the node of a tensor, a new one where it is a constant; all else unchanged."""
        if not isinstance(x, Tensor):
            return x
        if id(x) not in self._nodes:
            name = f"constant_{len(self._tensors)}"
            self._root.register_buffer(name, x)
            self._known(x, self._graph.get_attr(name))
        return self._nodes[id(x)]
