"""Directions, orbits and knots that a training starts from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lipmat.experiments.knots import one_sided_knots, two_sided_knots
from lipmat.experiments.orbit_network import OrbitNetwork
from lipmat.experiments.starts import (
    distinct,
    invariant_forms,
    invariant_space,
    snapped,
    spread_directions,
)
from lipmat.materials.symmetry import Symmetry, operators
from lipmat.spectral.two_sided import two_sided_energy


@pytest.mark.parametrize("symmetry", ["orthotropic", "cubic", "none"])
def test_directions_are_apart_and_within_their_budget(symmetry: Symmetry) -> None:
    group = operators(symmetry).numpy()
    found = spread_directions(group, np.eye(6), np.zeros((0, 6)), 0, 12, 40)
    assert 3 <= len(found) <= 12
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0)
    assert sum(len(distinct(group @ a)) for a in found) <= 40
    for i, a in enumerate(found):
        for b in found[:i]:
            assert np.abs(group @ a @ b).max() < 0.999


def test_special_directions_come_first_and_the_span_is_kept() -> None:
    group, span = np.eye(6)[None], np.eye(6)[:, :2]
    first = np.array([[3.0, 4.0, 0, 0, 0, 0]])
    found = spread_directions(group, span, first, 0, 5)
    np.testing.assert_allclose(found[0], first[0] / 5.0)
    assert np.abs(found[:, 2:]).max() == 0.0
    assert len(found) == 5


@pytest.mark.parametrize(("symmetry", "dimensions"), [("transversely-isotropic", 2), ("cubic", 1)])
def test_the_linear_invariants(symmetry: Symmetry, dimensions: int) -> None:
    group = operators(symmetry).numpy()
    space = invariant_space(group)
    assert space.shape == (6, dimensions)
    assert np.abs(group @ space - space).max() < 1e-14


@pytest.mark.parametrize(
    ("symmetry", "count"),
    [("transversely-isotropic", 6), ("cubic", 6), ("orthotropic", 2), ("none", 2)],
)
def test_forms_do_not_change_under_the_group(symmetry: Symmetry, count: int) -> None:
    """Two spaces of two or three dimensions, their two sums, the identity, and the given shape."""
    group = operators(symmetry).numpy()
    forms = invariant_forms(group, np.eye(6))
    assert len(forms) == count
    for form in forms.transpose(0, 2, 1) @ forms:
        assert np.abs(group @ form @ group.transpose(0, 2, 1) - form).max() < 1e-9


def test_a_vector_is_freed_of_rounding() -> None:
    group = operators("cubic").numpy()
    exact = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    found = snapped(group, exact + 1e-9 * np.arange(6))
    np.testing.assert_allclose(group @ found, np.broadcast_to(found, (24, 6)), atol=1e-15)


def test_knots_lie_where_the_data_are() -> None:
    z = np.concatenate([np.linspace(-0.5, 0.0, 100), np.full(900, 2.0), [3.0]])
    knots = two_sided_knots(z, 6)
    assert knots[6] == 0.0
    assert knots[0] == pytest.approx(-0.5)
    assert knots[-1] == pytest.approx(3.0)
    assert (np.diff(knots) > 0).all()
    assert (np.abs(knots - 2.0) < 0.1).sum() >= 2


def test_knots_are_finer_where_the_spline_bent() -> None:
    z = np.linspace(0.0, 1.0, 500)
    before = (np.array([0.0, 0.7, 0.71, 1.0]), np.array([1.0, 1.0, 0.0, 0.0]))
    plain, fine = one_sided_knots(z, 10), one_sided_knots(z, 10, before)
    assert np.diff(fine)[np.searchsorted(fine, 0.705) - 1] < 0.02
    assert np.diff(plain)[np.searchsorted(plain, 0.705) - 1] > 0.05


def test_no_data_on_either_side_still_gives_knots() -> None:
    assert (np.diff(two_sided_knots(np.zeros(5), 3)) > 0).all()
    assert (np.diff(one_sided_knots(np.zeros(5), 3)) > 0).all()


def network() -> tuple[OrbitNetwork, torch.Tensor]:
    rng = np.random.default_rng(2)
    a = rng.normal(size=(3, 6))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    line = np.tile(np.linspace(-1.0, 1.0, 5), (3, 1))
    norms = rng.normal(size=(2, 6, 6))
    arrays = (operators("orthotropic").numpy(), a, line, norms, np.tile([0.0, 1.0, 3.0], (2, 1)))
    net = OrbitNetwork(*map(torch.from_numpy, arrays))
    return net, torch.from_numpy(rng.uniform(size=3 * 5 + 2 * 3))


def test_features_times_curvature_are_the_gradient_of_the_energy() -> None:
    """The energy from the splines' own, and its derivative by autograd."""
    net, curvature = network()
    ridges, norms = net.split(curvature)
    x = torch.from_numpy(np.random.default_rng(5).normal(size=(9, 6))).requires_grad_()
    z, lengths = net.arguments(x), net.lengths(x)
    energy = two_sided_energy(z, net.knots, ridges, 2).sum()
    energy = energy + two_sided_energy(lengths, net.norm_knots, norms, 0).sum()
    (expected,) = torch.autograd.grad(energy, x)
    torch.testing.assert_close(net.features(x.detach()) @ curvature, expected)


def test_the_direction_jacobian_against_differences() -> None:
    net, curvature = network()
    x = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 6)))
    exact = net.direction_jacobian(x, curvature)
    for i in range(3):
        for j in range(6):
            move = torch.zeros(3, 6, dtype=torch.float64)
            move[i, j] = 1e-6
            ends = [
                OrbitNetwork(net.group, net.directions + s * move, *_rest(net)).features(x)
                @ curvature
                for s in (1, -1)
            ]
            torch.testing.assert_close(
                (ends[0] - ends[1]) / 2e-6, exact[:, :, i, j], rtol=1e-6, atol=1e-7
            )


def _rest(net: OrbitNetwork) -> tuple[torch.Tensor, ...]:
    return net.knots, net.norms, net.norm_knots


def test_the_gram_matrices_bound_the_tangent() -> None:
    """The derivative of the gradient is below sum M F, at any state."""
    net, curvature = network()
    ridges, norms = net.split(curvature)
    largest = torch.cat([ridges.amax(1), norms.amax(1)])
    bound = torch.einsum("n,nij->ij", largest, net.grams())
    for x in torch.from_numpy(np.random.default_rng(4).normal(size=(20, 6))):
        tangent = torch.func.jacrev(lambda y: (net.features(y[None]) @ curvature)[0])(x)
        torch.testing.assert_close(tangent, tangent.T)
        assert float(torch.linalg.eigvalsh(bound - tangent)[0]) >= -1e-9
