from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor

from lipmat.experiments.gauss_newton import minimise


def linearised(residual: Callable[[Tensor], Tensor]) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    return lambda x: (residual(x), torch.func.jacfwd(residual)(x))


def test_a_linear_problem_takes_one_step_and_meets_its_bounds() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((30, 8)), rng.standard_normal(30)
    expected, norm = nnls(a, b)
    assert (expected == 0).any()

    def residual(x: Tensor) -> Tensor:
        return torch.from_numpy(a) @ x - torch.from_numpy(b)

    steps = list(minimise(linearised(residual), torch.ones(8, dtype=torch.float64), 10))
    assert len(steps) == 2  # the second finds nothing left to gain
    np.testing.assert_allclose(steps[0][0].numpy(), expected, atol=1e-8)
    assert steps[-1][1] == pytest.approx(norm**2, rel=1e-12)
    assert float(steps[-1][0].min()) >= 0


def test_columns_of_very_different_size() -> None:
    scale = torch.tensor([1e-6, 1.0, 1e6], dtype=torch.float64)
    target = torch.tensor([2e6, 3.0, 4e-6], dtype=torch.float64)
    *_, (x, cost) = minimise(
        linearised(lambda x: scale * (x - target)), torch.ones_like(target), 10
    )
    torch.testing.assert_close(x, target, rtol=1e-8, atol=0)
    assert cost < 1e-14


def test_the_cost_never_rises_and_the_minimum_is_found() -> None:
    """Rosenbrock's valley, where full steps overshoot; its minimum 0 is at (1, 1)."""

    def residual(x: Tensor) -> Tensor:
        return torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    start = torch.tensor([0.0, 2.0], dtype=torch.float64)
    costs = [float(residual(start) @ residual(start))]
    for x, cost in minimise(linearised(residual), start, 100):
        assert cost <= costs[-1]
        assert float(x.min()) >= 0
        costs.append(cost)
    assert costs[-1] < 1e-12
    torch.testing.assert_close(x, torch.ones(2, dtype=torch.float64), rtol=1e-5, atol=0)


def test_a_step_that_raises_the_cost_is_not_taken() -> None:
    """Undamped steps on an arc tangent overshoot from far away."""

    def residual(x: Tensor) -> Tensor:
        return torch.stack([torch.atan(x[0] - 1.0), 0.01 * x[0]])

    start = torch.tensor([20.0], dtype=torch.float64)
    cost = float(residual(start) @ residual(start))
    *_, (x, reached) = minimise(linearised(residual), start, 60)
    assert reached < 1e-3 * cost
    assert float(x[0]) == pytest.approx(1.0, abs=0.01)
