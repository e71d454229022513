from __future__ import annotations

from itertools import pairwise

import clarabel
import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor, nn

from lipmat.spectral.composition import lipschitz_bound, sampled_gain
from lipmat.spectral.layers import SpectralLinear
from lipmat.spectral.semidefinite import semidefinite_bound


def weights(seed: int, *widths: int) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    pairs = pairwise(widths)
    return [torch.randn(b, a, generator=g, dtype=torch.float64) / a**0.5 for a, b in pairs]


def product(layers: list[Tensor]) -> float:
    return float(np.prod([float(torch.linalg.matrix_norm(w, 2)) for w in layers]))


def cone_optimum(layers: list[Tensor]) -> float:
    """Return the smallest bound that the semidefinite rule can give, by an interior point method.

    minimise r so that ``[[r 1, -W1^T T], [-T W1, 2 T - W2^T W2]]`` is positive semidefinite.
    """
    w1, w2 = (w.numpy() for w in layers)
    m, n = w1.shape
    constant = np.zeros((n + m, n + m))
    constant[n:, n:] = -w2.T @ w2
    parts = [np.diag([1.0] * n + [0.0] * m)]
    for k in range(m):
        part = np.zeros_like(constant)
        part[n + k, n + k] = 2.0
        part[n + k, :n] = part[:n, n + k] = -w1[k]
        parts.append(part)
    columns = [-_triangle(part) for part in parts]
    bounds = np.hstack([np.zeros((m, 1)), -np.eye(m)])
    a = sparse.csc_matrix(np.vstack([np.stack(columns, 1), bounds]))
    b = np.concatenate([_triangle(constant), np.zeros(m)])
    cones = [clarabel.PSDTriangleConeT(n + m), clarabel.NonnegativeConeT(m)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    cost = np.eye(m + 1)[0]
    nothing = sparse.csc_matrix((m + 1, m + 1))
    solution = clarabel.DefaultSolver(nothing, cost, a, b, cones, settings).solve()
    return float(np.sqrt(solution.x[0]))


def _triangle(matrix: np.ndarray) -> np.ndarray:
    scaled = matrix * (np.sqrt(2.0) + (1.0 - np.sqrt(2.0)) * np.eye(len(matrix)))
    return np.concatenate([scaled[: j + 1, j] for j in range(len(matrix))])


@pytest.mark.parametrize("seed", range(3))
def test_the_descent_reaches_the_optimum_of_the_cone_program(seed: int) -> None:
    layers = weights(seed, 4, 8, 3)
    best = cone_optimum(layers)
    assert best * (1.0 - 1e-6) <= semidefinite_bound(layers) <= 1.001 * best


@pytest.mark.parametrize("widths", [(3, 6, 2), (4, 8, 8, 2), (2, 6, 6, 6, 1)])
def test_it_is_between_the_sampled_gain_and_the_product(widths: tuple[int, ...]) -> None:
    for seed in range(3):
        layers = weights(seed, *widths)
        modules: list[nn.Module] = []
        for w in layers:
            linear = nn.Linear(w.shape[1], w.shape[0], bias=False, dtype=torch.float64)
            linear.weight = nn.Parameter(w)
            modules += [linear, nn.ReLU()]
        network = nn.Sequential(*modules[:-1])
        x = torch.randn(2000, widths[0], dtype=torch.float64)
        bound = lipschitz_bound(network, "semidefinite")
        assert sampled_gain(network, x) <= bound < 0.95 * product(layers)


def test_any_number_of_steps_is_a_bound_not_above_the_product() -> None:
    layers = weights(7, 3, 6, 6, 2)
    values = [semidefinite_bound(layers, steps) for steps in (0, 20, 200)]
    assert values == sorted(values, reverse=True)
    assert values[0] <= product(layers) * (1.0 + 1e-8)


def test_slopes_below_one_and_layers_that_are_no_run_are_taken_as_they_are() -> None:
    g = torch.Generator().manual_seed(3)
    first, second, third = (SpectralLinear(4, 4, target=2.0, generator=g) for _ in range(3))
    network = nn.Sequential(nn.Tanh(), first, nn.Sigmoid(), second, nn.SiLU(), third)
    together = semidefinite_bound([first.weight(), 0.25 * second.weight()])
    expected = together * 1.1 * third.bound()
    assert lipschitz_bound(network, "semidefinite") == pytest.approx(expected, rel=1e-12)
    assert expected < lipschitz_bound(network)


def test_one_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="found 1 layers, expected 2"):
        semidefinite_bound(weights(0, 2, 2))
