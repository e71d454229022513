"""Enclosures of networks over boxes: nothing that sampling finds is outside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lipmat.spectral.curvature import is_convex
from lipmat.spectral.graph import Graph, UnsupportedNetwork, traced
from lipmat.spectral.jets import hessians, variables
from lipmat.spectral.passing import passed
from lipmat.spectral.smooth import Exponential, InBase, Power, Smooth, softplus
from lipmat.spectral.tangent_search import LEAF, TangentRange, leaves_of
from tests.networks import dense

FUNCTIONS: dict[str, Smooth] = {
    "softplus": softplus(2.0, 20.0),
    "sigmoid": InBase("sigmoid"),
    "tanh": InBase("tanh"),
    "exp": Exponential(),
    "log": Power(0.0),
    "root": Power(0.5),
    "inverse": Power(-1.0),
    "cube": Power(3.0),
}
EYE = torch.eye(3, dtype=torch.float64)


torch.manual_seed(0)
NETWORK = nn.Sequential(nn.Linear(3, 5), nn.SiLU(), nn.Linear(5, 2), nn.Tanh()).double()
NETWORK.requires_grad_(False)


def mixed(x: Tensor) -> Tensor:
    """Use most of what a network may use."""
    y = NETWORK(x[None])[0]
    powers = torch.stack([x**2, x.square() * x]).mean(0)
    quotient = (1.0 - x[0] * x[1]) / torch.sqrt(2.0 + powers.sum() + torch.exp(x[2]))
    more = torch.cat([y, torch.log(3.0 + x)]).reshape(5, 1).sum(0)
    return quotient + more[0] - torch.dot(x, torch.sigmoid(x)) + nn.functional.softplus(x).sum()


def points(size: float, count: int = 200) -> tuple[Tensor, Tensor, Tensor]:
    """Return middles and half widths of boxes, and a place t in each."""
    generator = torch.Generator().manual_seed(0)
    centre, place = 2.0 * torch.rand(2, count, 3, generator=generator, dtype=torch.float64) - 1.0
    return centre, torch.full_like(centre, size), place


@pytest.mark.parametrize("size", [1e-3, 0.1, 0.3])
def test_gradient_and_hessian_are_inside(size: float) -> None:
    graph = traced(mixed, torch.zeros(3, dtype=torch.float64))
    centre, half, place = points(size)
    jets = passed(graph, variables(centre, half, EYE))
    box = hessians(jets)
    point = passed(graph, variables(centre + half * place, None, EYE))
    linear = torch.einsum("bi,bijk->bjk", place, box.linear)
    apart = hessians(point).middle - box.middle - linear
    assert float(torch.linalg.eigvalsh(box.above - apart).min()) >= 0.0
    assert float(torch.linalg.eigvalsh(box.below + apart).min()) >= 0.0
    found, form = point.gradient.a[:, 0, :, 0], jets.gradient
    error = found - form.a[:, 0, :, 0] - torch.einsum("bi,bji->bj", place, form.a[:, 0, :, 1:])
    assert bool((error.abs() <= form.r[:, 0]).all())


def test_what_is_left_shrinks_with_the_square_of_the_box() -> None:
    graph = traced(mixed, torch.zeros(3, dtype=torch.float64))
    sizes = []
    for size in (0.02, 0.01):
        centre, half, _ = points(size)
        sizes.append(float(hessians(passed(graph, variables(centre, half, EYE))).above.sum()))
    assert sizes[0] / sizes[1] == pytest.approx(4.0, rel=0.1)


def test_at_a_point_they_are_the_derivatives() -> None:
    graph = traced(mixed, torch.zeros(3, dtype=torch.float64))
    for x in points(0.0, 5)[0]:
        jets = passed(graph, variables(x[None], None, EYE))
        given = torch.autograd.functional.hessian(mixed, x)
        assert float((hessians(jets).middle[0] - given).abs().max()) <= 1e-13
        assert float(jets.value.a[0, 0, 0]) == pytest.approx(float(graph(x)), rel=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_ranges_hold_and_are_attained(name: str) -> None:
    function = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    low = 0.1 if name in ("log", "root", "inverse") else -4.0
    ends = np.sort(rng.uniform(low, 4.0, (50, 2)), axis=1)
    lo, hi = torch.from_numpy(ends).unbind(1)
    dense_places = lo[:, None] + (hi - lo)[:, None] * torch.linspace(0, 1, 400).double()
    for order in range(5):
        values = function.derivative(order, dense_places)
        least, most = function.extremes(order, lo, hi)
        size = float((most - least).max())
        assert bool((least[:, None] <= values).all())
        assert bool((values <= most[:, None]).all())
        assert float((most - values.amax(1)).max()) <= 2e-2 * size + 1e-12
        assert float((values.amin(1) - least).max()) <= 2e-2 * size + 1e-12
        if order:
            step = 1e-6 * torch.ones_like(lo)
            before, after = (function.derivative(order - 1, lo + s) for s in (-step, step))
            slope = (after - before) / 2e-6
            assert torch.allclose(slope, function.derivative(order, lo), rtol=1e-5, atol=1e-6)


def test_boxes_that_reach_where_a_logarithm_ends_have_no_bound() -> None:
    graph = traced(lambda x: torch.log(x).sum(), torch.ones(3, dtype=torch.float64))
    lo, hi = -torch.ones(2, 3, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
    lo[1] = 0.5
    ranges = TangentRange(graph, EYE, lo[0], hi[0], lambda a, b: torch.zeros(len(a)) > 0)
    found = ranges.over(lo, hi)
    assert found.upper[0] == torch.inf
    assert found.lower[0] == -torch.inf
    assert -12.0 < float(found.lower[1]) <= -4.0
    assert -1.0 <= float(found.upper[1]) < 12.0


def test_rules_of_composition() -> None:
    example = torch.zeros(3, dtype=torch.float64)
    network = dense(3).requires_grad_(False)
    potentials = {
        "input-convex": (lambda x: network(x[None])[0, 0], True),
        "with a square": (lambda x: network(x[None])[0, 0] + (x * x).sum() - x.sum(), True),
        "turned": (lambda x: -network(x[None])[0, 0], False),
        "a product": (lambda x: x[0] * x[1], False),
        "exp of convex": (lambda x: torch.exp(x.square().sum()), True),
        "square of convex": (lambda x: network(x[None])[0, 0].square(), False),
        "minus concave": (lambda x: -torch.log(2.0 + x).sum(), True),
    }
    for name, (potential, convex) in potentials.items():
        assert is_convex(traced(potential, example), 3) == convex, name


def test_a_graph_comes_back_from_its_text() -> None:
    x = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64)
    graph = traced(mixed, torch.zeros(3, dtype=torch.float64))
    again = Graph.from_json(graph.as_json(), graph.arrays)
    assert again(x).item() == graph(x).item()
    assert float(graph(x)) == pytest.approx(float(mixed(x)), rel=1e-14)
    with pytest.raises(UnsupportedNetwork, match="'erf' is not supported"):
        traced(lambda y: torch.erf(y).sum(), x)
    for wrong in ([["neg.default", {"node": 0}]], [["neg.default", {"array": 99}]], []):
        with pytest.raises(ValueError, match="operation"):
            Graph.from_json(wrong, graph.arrays)


def test_leaves_cover_the_box() -> None:
    lo, hi = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    tree = torch.tensor([0.0, LEAF, 1.0, LEAF, 0.0, LEAF, LEAF])
    a, b = leaves_of(tree, lo, hi)
    assert len(a) == 4
    assert float((b - a).prod(1).sum()) == 1.0
    for wrong in (tree[:-1], torch.cat([tree, tree]), torch.tensor([2.0, LEAF, LEAF])):
        with pytest.raises(ValueError, match="tree"):
            leaves_of(wrong, lo, hi)
