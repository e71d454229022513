from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lipmat.spectral.interval import Interval
from lipmat.spectral.splines import SplineRange, spline_energy, spline_slope

KNOTS = torch.tensor([0.0, 0.4, 1.0, 1.1, 2.5], dtype=torch.float64)
TENSION = torch.tensor(0.7, dtype=torch.float64)
CURVATURE = torch.tensor([0.3, 2.0, 0.0, 1.5, 0.8], dtype=torch.float64)
POINTS = torch.tensor([0.05, 0.4001, 0.77, 1.05, 1.9, 2.6, 7.0], dtype=torch.float64)


def curvature(z: Tensor) -> Tensor:
    return torch.func.vmap(torch.func.grad(lambda x: spline_slope(x, KNOTS, TENSION, CURVATURE)))(z)


def splines() -> SplineRange:
    return SplineRange(KNOTS.numpy(), float(TENSION), CURVATURE.numpy())


def test_the_curvature_interpolates_the_knot_values() -> None:
    expected = np.interp(POINTS.numpy(), KNOTS.numpy(), CURVATURE.numpy())
    np.testing.assert_allclose(curvature(POINTS).numpy(), expected, atol=1e-13)


def test_the_energy_is_the_integral_of_the_slope() -> None:
    for end in POINTS.tolist():
        ends = sorted({0.0, end, *(k for k in KNOTS.tolist() if k < end)})
        nodes, weights = np.polynomial.legendre.leggauss(3)  # exact for the quadratic pieces
        integral = 0.0
        for a, b in pairwise(ends):
            z = torch.from_numpy(0.5 * (b - a) * nodes + 0.5 * (a + b))
            slope = spline_slope(z, KNOTS, TENSION, CURVATURE).numpy()
            integral += 0.5 * (b - a) * float(weights @ slope)
        energy = spline_energy(torch.tensor(end, dtype=torch.float64), KNOTS, TENSION, CURVATURE)
        assert float(energy) == pytest.approx(integral, rel=1e-13)


def test_derivatives_of_the_energy_in_place_and_weights() -> None:
    inputs = tuple(x.clone().requires_grad_() for x in (POINTS, KNOTS, TENSION, CURVATURE))
    assert torch.autograd.gradcheck(spline_energy, inputs)
    assert torch.autograd.gradgradcheck(spline_energy, inputs)
    assert torch.autograd.gradcheck(spline_slope, inputs)


def test_forward_and_reverse_derivatives_agree() -> None:
    def total(tension: Tensor, curvature: Tensor, z: Tensor) -> Tensor:
        return (spline_energy(z, KNOTS, tension, curvature) ** 2).sum()

    for argument in range(3):
        forward = torch.func.jacfwd(total, argument)(TENSION, CURVATURE, POINTS)
        reverse = torch.func.jacrev(total, argument)(TENSION, CURVATURE, POINTS)
        torch.testing.assert_close(forward, reverse, rtol=1e-13, atol=1e-13)


def test_hessians_are_right_or_refused() -> None:
    def total(z: Tensor) -> Tensor:
        return (spline_energy(z, KNOTS, TENSION, CURVATURE) ** 2).sum()

    forward, reverse = torch.func.jacfwd, torch.func.jacrev
    slope = spline_slope(POINTS, KNOTS, TENSION, CURVATURE)
    energy = spline_energy(POINTS, KNOTS, TENSION, CURVATURE)
    expected = torch.diag(2 * (slope * slope + energy * curvature(POINTS)))
    for outer, inner in ((forward, reverse), (reverse, forward), (reverse, reverse)):
        torch.testing.assert_close(outer(inner(total))(POINTS), expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(RuntimeError, match=r"found 2 forward derivatives inside each other"):
        forward(forward(total))(POINTS)


def test_the_gradient_of_the_energy_is_the_slope() -> None:
    slope = torch.func.grad(lambda z: spline_energy(z, KNOTS, TENSION, CURVATURE).sum())(POINTS)
    assert torch.equal(slope, spline_slope(POINTS, KNOTS, TENSION, CURVATURE))


@given(st.floats(0, 4), st.floats(0, 4))
def test_ranges_hold_brute_force_and_are_attained(a: float, b: float) -> None:
    lo, hi = min(a, b), max(a, b)
    z = np.union1d(np.linspace(lo, hi, 400), [k for k in KNOTS.tolist() if lo <= k <= hi])
    box = Interval(np.array([lo]), np.array([hi]))
    found = np.interp(z, KNOTS.numpy(), CURVATURE.numpy())
    bend, slope = splines().curvature(box), splines().slope(box)
    assert bend.lo[0] <= found.min()
    assert found.max() <= bend.hi[0]
    np.testing.assert_allclose([bend.lo[0], bend.hi[0]], [found.min(), found.max()], atol=1e-13)
    values = spline_slope(torch.from_numpy(z), KNOTS, TENSION, CURVATURE).numpy()
    np.testing.assert_allclose([slope.lo[0], slope.hi[0]], values[[0, -1]], rtol=1e-12)
    assert slope.lo[0] <= values.min() * (1 + 1e-14)
    assert values.max() * (1 - 1e-14) <= slope.hi[0]


def test_the_largest_knot_value_is_the_lipschitz_constant() -> None:
    z = torch.linspace(0, 5, 5001, dtype=torch.float64)
    slope = spline_slope(z, KNOTS, TENSION, CURVATURE)
    steepest = float((torch.diff(slope) / torch.diff(z)).max())
    bound = splines().bound
    assert bound == 2.0
    assert 0.995 * bound < steepest <= bound * (1 + 1e-12)
    eps = 1e-6
    near = torch.tensor([0.4 - eps, 0.4 + eps], dtype=torch.float64)
    assert float(curvature(near).max()) == pytest.approx(bound, rel=1e-5)
    assert float(torch.diff(slope).min()) >= 0.0
