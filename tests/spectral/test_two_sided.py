from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from lipmat.spectral.interval import Interval
from lipmat.spectral.slope_range import OneSlopeRange, SlopeRange
from lipmat.spectral.two_sided import (
    two_sided_curvature,
    two_sided_energy,
    two_sided_slope,
    zero_column,
)

KNOTS = torch.tensor([[-2.0, -0.5, 0.0, 0.3, 1.7], [-1.0, -0.1, 0.0, 2.0, 2.5]]).double()
CURVATURE = torch.tensor([[0.5, 2.0, 1.0, -0.3, 0.7], [0.0, 1.0, 0.2, 3.0, -1.0]]).double()
ZERO = 2
PLACES = torch.tensor([-9.0, -2.0, -0.77, -0.5, -0.04, 0.0, 0.21, 1.7, 2.2, 30.0]).double()
BOTH = PLACES.unsqueeze(1).repeat(1, 2)


def one_sided(end: int) -> tuple[Tensor, Tensor, int]:
    """Return units with knots on one side of 0 only: the upper (1) or the lower one (-1)."""
    kept = slice(ZERO, None) if end > 0 else slice(None, ZERO + 1)
    knots = KNOTS[:, kept]
    return knots, CURVATURE[:, kept], zero_column(knots)


def test_the_curvature_interpolates_the_knot_values_and_is_constant_outside() -> None:
    for knots, curvature, zero in (
        (KNOTS, CURVATURE, ZERO),
        one_sided(1),
        one_sided(-1),
    ):
        found = two_sided_curvature(BOTH, knots, curvature, zero).numpy()
        for unit in (0, 1):
            expected = np.interp(PLACES.numpy(), knots[unit].numpy(), curvature[unit].numpy())
            np.testing.assert_allclose(found[:, unit], expected, atol=1e-13)


def test_the_slope_is_the_integral_of_the_curvature_and_the_energy_that_of_the_slope() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(3)  # exact for the quadratic pieces
    weights = torch.from_numpy(0.5 * weights)
    for end in PLACES.tolist():
        bends = torch.cat([KNOTS.flatten(), torch.tensor([0.0, end]).double()])
        breaks = bends[(bends >= min(0.0, end)) & (bends <= max(0.0, end))].unique()
        slope, energy = torch.zeros(2, 2, dtype=torch.float64)
        for a, b in pairwise(breaks):
            z = a + (b - a) * torch.from_numpy(0.5 * (nodes + 1.0)).unsqueeze(1).expand(-1, 2)
            curvature = two_sided_curvature(z, KNOTS, CURVATURE, ZERO)
            slope = slope + (b - a) * weights @ curvature
            energy = energy + (b - a) * weights @ two_sided_slope(z, KNOTS, CURVATURE, ZERO)
        place, sign = torch.full((2,), end).double(), 1.0 if end > 0 else -1.0
        found = two_sided_slope(place, KNOTS, CURVATURE, ZERO)
        torch.testing.assert_close(found, sign * slope, rtol=1e-12, atol=1e-13)
        found = two_sided_energy(place, KNOTS, CURVATURE, ZERO)
        torch.testing.assert_close(found, sign * energy, rtol=1e-12, atol=1e-13)


def test_slope_and_energy_at_zero_are_zero_without_rounding() -> None:
    knots, curvature = KNOTS / 3.0, CURVATURE * 0.7
    place = torch.zeros(2, dtype=torch.float64)
    for function in (two_sided_slope, two_sided_energy):
        assert torch.equal(function(place, knots, curvature, ZERO), place)


def test_derivatives_in_place_and_weights() -> None:
    off_knots = BOTH + 0.013
    inputs = tuple(x.clone().requires_grad_() for x in (off_knots, KNOTS, CURVATURE))
    assert torch.autograd.gradcheck(lambda *x: two_sided_energy(*x, ZERO), inputs)
    assert torch.autograd.gradgradcheck(lambda *x: two_sided_energy(*x, ZERO), inputs)
    assert torch.autograd.gradcheck(lambda *x: two_sided_slope(*x, ZERO), inputs)


def test_the_gradient_of_the_energy_is_the_slope_itself() -> None:
    gradient = torch.func.grad(lambda z: two_sided_energy(z, KNOTS, CURVATURE, ZERO).sum())(BOTH)
    assert torch.equal(gradient, two_sided_slope(BOTH, KNOTS, CURVATURE, ZERO))


def test_forward_reverse_and_batched_derivatives_agree() -> None:
    def total(knots: Tensor, curvature: Tensor, z: Tensor) -> Tensor:
        return (two_sided_energy(z, knots, curvature, ZERO) ** 2).sum()

    for argument in range(3):
        forward = torch.func.jacfwd(total, argument)(KNOTS, CURVATURE, BOTH)
        reverse = torch.func.jacrev(total, argument)(KNOTS, CURVATURE, BOTH)
        torch.testing.assert_close(forward, reverse, rtol=1e-11, atol=1e-11)
    one_by_one = torch.func.vmap(lambda z: two_sided_energy(z, KNOTS, CURVATURE, ZERO))(BOTH)
    torch.testing.assert_close(one_by_one, two_sided_energy(BOTH, KNOTS, CURVATURE, ZERO))


@given(st.floats(-4, 4), st.floats(-4, 4))
@example(3.125, -4.0)  # a vertex between two samples
def test_ranges_hold_brute_force_and_are_attained(a: float, b: float) -> None:
    lo, hi = np.full(2, min(a, b)), np.full(2, max(a, b))
    ranges = SlopeRange(KNOTS.numpy(), CURVATURE.numpy())
    # Between knots the slope is a parabola: its vertex is at most half a spacing off the samples.
    bend = (CURVATURE.diff() / KNOTS.diff()).abs().max().item()
    off_the_samples = 0.5 * bend * ((hi[0] - lo[0]) / 4000) ** 2 + 1e-12
    z = torch.linspace(lo[0], hi[0], 2001, dtype=torch.float64)
    z = torch.cat([z, KNOTS.flatten().clamp(lo[0], hi[0])]).unsqueeze(1).expand(-1, 2)
    for found, function in (
        (ranges(lo, hi), two_sided_slope),
        (ranges.curvature(lo, hi), two_sided_curvature),
    ):
        values = function(z, KNOTS, CURVATURE, ZERO).numpy()
        assert (found[0] <= values.min(0) + 1e-14).all()
        assert (found[1] >= values.max(0) - 1e-14).all()
        np.testing.assert_allclose(found[0], values.min(0), atol=off_the_samples)
        np.testing.assert_allclose(found[1], values.max(0), atol=off_the_samples)


def test_without_a_column_of_zeros_there_is_no_reference() -> None:
    with pytest.raises(ValueError, match="found no column that is 0 in every unit"):
        zero_column(torch.tensor([[-1.0, 0.0, 1.0], [0.0, 1.0, 2.0]]))


def test_one_spline_over_many_intervals_has_the_same_ranges() -> None:
    rng = np.random.default_rng(0)
    for knots, curvature in zip(KNOTS, CURVATURE, strict=True):
        lo, hi = np.sort(rng.uniform(-4, 4, (200, 2)), axis=1).T
        lo[:5] = knots.numpy()
        hi[:5] = np.maximum(hi[:5], lo[:5])
        box, one = Interval(lo, hi), OneSlopeRange(knots.numpy(), curvature.numpy())
        many = SlopeRange(*(x.repeat(200, 1).numpy() for x in (knots, curvature)))
        for found, expected in (
            (one.slope(box), many(lo, hi)),
            (one.curvature(box), many.curvature(lo, hi)),
        ):
            np.testing.assert_allclose(found.lo, expected[0], atol=1e-12)
            np.testing.assert_allclose(found.hi, expected[1], atol=1e-12)
