from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from lipmat.spectral.aten import UnsupportedOperation, graph_of
from tests.fem.laws import law

WEIGHT = torch.tensor([0.3, 1.2, 0.7], dtype=torch.float64)
EXAMPLE = torch.tensor([1.1, 1.2, 1.3], dtype=torch.float64)


def several(x: Tensor) -> tuple[Tensor, ...]:
    first, second, third = (WEIGHT * x).unbind()
    unused = torch.exp(x)
    return first * second, (2.0 * third + float(WEIGHT[1])).expand(2), unused[:0]


def test_graph_repeats_the_function() -> None:
    graph, x = graph_of(several, EXAMPLE), 3.0 - EXAMPLE
    for found, expected in zip(graph(x), several(x), strict=True):
        assert torch.equal(found, expected)


def test_graph_of_a_law_is_that_of_torchs_own_tracer() -> None:
    potential = law("rubber").distortional
    graph = graph_of(lambda x: (potential(x),), EXAMPLE)
    own = make_fx(lambda x: (potential(x),))(EXAMPLE)
    own.graph.eliminate_dead_code()
    found, expected = (
        [str(n.target) for n in g.graph.nodes if n.op[:4] == "call"] for g in (graph, own)
    )
    assert found == expected


def test_gradient_and_its_gradient() -> None:
    def gradient(x: Tensor) -> tuple[Tensor]:
        return torch.autograd.grad((WEIGHT * x.pow(3)).sum(), x)

    graph = graph_of(gradient, EXAMPLE.clone().requires_grad_())
    x = 3.0 - EXAMPLE
    assert torch.allclose(graph(x)[0], 3.0 * WEIGHT * x * x, rtol=1e-15)


@pytest.mark.parametrize("read", [lambda x: x[0].item(), lambda x: 1.0 if x.sum() > 0 else 0.0])
def test_reading_a_number_is_refused(read: object) -> None:
    with pytest.raises(UnsupportedOperation, match="a number is read out of"):
        graph_of(lambda x: (x * read(x),), EXAMPLE)  # type: ignore[operator]


def test_torchs_compilers_are_not_imported() -> None:
    """They would take longer than all else that a run does before its first step."""
    code = (
        "import sys, torch; from lipmat.fem.trace import trace; from tests.fem.laws import law;"
        "trace(law('rubber'), 'distortional', 3); assert 'torch._dynamo' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
