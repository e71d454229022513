from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lipmat.materials.domain import StretchDomain
from lipmat.materials.log_bound import network_bound, vertices, volumetric_bound
from lipmat.materials.mandel import isotropic_stiffness
from lipmat.materials.network import DEFAULT_DOMAIN
from lipmat.materials.ridge import Ridge
from tests.fem.laws import pq, principal, ridge
from tests.materials.states import (
    certified,
    corners,
    full_tangent,
    largest_tangents,
    log_strain,
    random_states,
    turned,
)
from tests.materials.test_networks import random_law


def test_the_rule_for_the_logarithm_is_the_logarithm() -> None:
    stretches = random_states(DEFAULT_DOMAIN, 20, np.random.default_rng(0))
    for f in turned(stretches, np.random.default_rng(1)):
        values, vectors = torch.linalg.eigh(f)
        expected = (vectors * values.log()) @ vectors.T
        torch.testing.assert_close(log_strain(f), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["principal", "pq", "ridge"])
def test_the_full_tangent_in_any_axes_is_below_the_bound(name: str) -> None:
    """All nine eigenvalues, by automatic differentiation in F, with a rotation before it."""
    law = {"principal": principal, "pq": pq, "ridge": ridge}[name](kinematics="log")
    rng = np.random.default_rng(3)
    for rung in law.bound().rungs:
        assert rung.domain is not None
        for part in law.parts:
            bound = rung.tangent[part.name]
            assert isinstance(bound, float)
            states = random_states(certified(rung.domain, part.name), 15, rng)
            f = turned(np.ones((15, 3)) + 0.0, rng) @ turned(states, rng)
            largest = max(float(torch.linalg.eigvalsh(full_tangent(law, part, x))[-1]) for x in f)
            assert 0.1 * bound < largest <= bound


def test_the_closed_form_of_isotropic_laws_is_that_of_the_full_tangent() -> None:
    for law in (principal("log"), pq("log")):
        states = random_states(DEFAULT_DOMAIN, 6, np.random.default_rng(4))
        for part in law.parts:
            closed = largest_tangents(law, part, states)
            full = [full_tangent(law, part, f) for f in turned(states, np.random.default_rng(5))]
            found = torch.linalg.eigvalsh(torch.stack(full))[:, -1].numpy()
            np.testing.assert_allclose(found, closed, rtol=1e-8)


def linear_ridge(prestress: float) -> Ridge:
    """Return a linear law of six ridges: W = 1/2 C0 H.H with a very anisotropic C0."""
    stiff = torch.eye(6, dtype=torch.float64) * torch.tensor([1.0, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3])
    knots = torch.tensor([[-1.0, 0.0, 1.0]], dtype=torch.float64).repeat(6, 1)
    return Ridge(
        stiff.double(),
        knots,
        torch.ones_like(knots),
        torch.zeros(0, 1, 6),
        torch.zeros(0, 2),
        torch.zeros(0, 2),
        0.0,
        isotropic_stiffness(1.0, 1.0),
        kinematics="log",
        domain=StretchDomain(1.0 - prestress, 1.0 + prestress, 0.5, 2.0),
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.25]))
def test_no_random_state_of_a_fibre_law_is_above_the_bound(seed: int, size: float) -> None:
    law = linear_ridge(size)
    rng = np.random.default_rng(seed)
    assert law.domain is not None
    (part,) = law.parts
    domain = law.domain.any_volume()
    states = np.concatenate(
        [corners(domain)[rng.integers(8, size=5)], random_states(domain, 5, rng)]
    )
    bound = network_bound(law, law.domain)
    for f in turned(states, rng):
        assert float(torch.linalg.eigvalsh(full_tangent(law, part, f))[-1]) <= bound


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["principal", "pq"]),
    lowest=st.sampled_from([0.0, -0.4]),
    stretch=st.floats(1.02, 2.0),
)
def test_no_state_of_a_random_isotropic_law_is_above_its_bound(
    seed: int, kind: str, lowest: float, stretch: float
) -> None:
    small = random_law(kind, seed, lowest)
    domain = StretchDomain(1 / stretch, stretch, 0.8, 1.25)
    law = type(small)(**small.arrays(), kinematics="log", domain=domain)  # type: ignore[call-arg]
    (part,) = law.parts
    rng = np.random.default_rng(seed)
    for rung in law.bound().rungs:
        assert rung.domain is not None
        inside = rung.domain.any_volume()
        states = np.concatenate([corners(inside), random_states(inside, 60, rng)])
        bound = rung.tangent["network"]
        assert isinstance(bound, float)
        assert float(largest_tangents(law, part, states).max()) <= bound * (1 + 1e-9)


@pytest.mark.parametrize("make", [principal, pq, ridge])
def test_the_stress_stays_within_its_limit(make: object) -> None:
    rng = np.random.default_rng(6)
    for softening in (False, True):
        law = make(softening=softening)  # type: ignore[operator]
        for low, high in ((-0.02, 0.01), (-0.2, 0.3)):
            values = np.concatenate([rng.uniform(low, high, (300, 3)), [[low] * 3, [high] * 3]])
            tensors = turned(values, rng)
            mandel = torch.stack([tensors[:, i, j] * w for i, j, w in _MANDEL], 1)
            stress = law.network_stress(mandel)
            from lipmat.materials.mandel import to_tensor

            largest = float(torch.linalg.eigvalsh(to_tensor(stress)).abs().max())
            limit = law.stress_limit(low, high)
            assert 0.1 * limit < largest <= limit


_R = 2.0**0.5
_MANDEL = ((0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0), (1, 2, _R), (0, 2, _R), (0, 1, _R))


def test_the_volumetric_bound_is_that_of_its_vertices() -> None:
    """At rest ``kappa 1 1^T`` has the eigenvalue 3 kappa; a narrow domain comes close to it."""
    narrow = StretchDomain(1 - 1e-6, 1 + 1e-6, 1 - 1e-6, 1 + 1e-6)
    assert volumetric_bound(2e6, narrow) == pytest.approx(6e6, rel=1e-5)
    law = pq("log")
    part = law.parts[1]
    for domain in (DEFAULT_DOMAIN, StretchDomain(0.5, 2.0, 0.9, 1.1)):
        states = np.concatenate(
            [corners(domain), random_states(domain, 300, np.random.default_rng(7))]
        )
        bound = volumetric_bound(float(law.bulk_modulus), domain)
        assert 0.5 * bound <= largest_tangents(law, part, states).max() <= bound


def test_vertices_lie_on_the_border_and_inside() -> None:
    domain = StretchDomain(0.7, 1.4, 0.9, 1.1)
    found = vertices(domain)
    assert len(found) >= 8
    slack = 1e-12
    assert (found >= 0.7 - slack).all()
    assert (found <= 1.4 + slack).all()
    j = found.prod(axis=1)
    at_volume = np.isclose(j, 0.9) | np.isclose(j, 1.1)
    at_stretch = (np.isclose(found, 0.7) | np.isclose(found, 1.4)).sum(axis=1)
    assert (at_stretch + at_volume >= 3).all()


def test_rungs_are_nested_and_their_bounds_grow() -> None:
    rungs = ridge(kinematics="log").bound().rungs
    assert [r.domain for r in rungs][-1] == DEFAULT_DOMAIN
    assert len(rungs) == 4
    for inner, outer in pairwise(rungs):
        for part in ("network", "volumetric"):
            assert inner.tangent[part] < outer.tangent[part]
