"""Classical laws: the bound of random ones, and what their arrays must hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lipmat.materials.carroll import Carroll
from lipmat.materials.domain import StretchDomain
from lipmat.materials.extended_tube import ExtendedTube
from lipmat.materials.stretch_law import StretchLaw
from lipmat.materials.stretches import principal_forces
from tests.fem.laws import carroll, extended_tube
from tests.materials.states import certified, corners, largest_tangents, random_states

DOMAIN = StretchDomain(0.2, 4.0, 0.7, 1.5)


def random_correction(rng: np.random.Generator, size: float) -> dict[str, np.ndarray]:
    """Return a rough correction of both signs, nearly as stiff as the classical law."""
    arrays = {}
    for kind, last in (("stretch", 2.5), ("area", 6.0)):
        below, above = -np.sort(-rng.uniform(0.02, 0.7, 4)), np.sort(rng.uniform(0.02, last, 6))
        arrays[f"{kind}_knots"] = np.concatenate([-below, [0.0], above])
        arrays[f"{kind}_curvature"] = size * np.pad(rng.uniform(-1, 1, 9), 1)
    return arrays


def random_carroll(rng: np.random.Generator) -> Carroll:
    coefficients = 10.0 ** rng.uniform([4, -2, 4], [6, 2, 6]) * (rng.random(3) > 0.3)
    coefficients[0] += 1e4
    return Carroll(coefficients, 1e7, DOMAIN, **random_correction(rng, 0.5 * coefficients[0]))


def random_tube(rng: np.random.Generator) -> ExtendedTube:
    moduli, d = 10.0 ** rng.uniform(4, 6, 2), rng.uniform(0.0, 0.5)
    limit = 3.0 + rng.uniform(0.1, 0.95) / max(d * d, 1e-3)
    coefficients = [*moduli, rng.uniform(0.05, 1.0), d, limit]
    return ExtendedTube(coefficients, 1e7, DOMAIN, **random_correction(rng, 0.5 * moduli[0]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [random_carroll, random_tube])
def test_no_state_of_a_random_law_is_above_its_bound(
    make: Callable[[np.random.Generator], StretchLaw], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    law = make(rng)
    part = law.parts[0]
    for rung in law.bound().rungs[::3]:
        assert rung.domain is not None
        domain = certified(rung.domain, part.name)
        states = np.concatenate([corners(domain), random_states(domain, 400, rng)])
        found = float(largest_tangents(law, part, states).max())
        assert found <= rung.tangent[part.name]
        assert 0.99 * rung.tangent[part.name] <= rung.sampled[part.name]


def test_an_incompressible_body_has_carrolls_law_to_the_letter() -> None:
    """Uniaxial nominal stress, with the published derivatives of the energy in I1 and I2."""
    a, b, c = 1.5e5, 0.31, 9.5e4
    law = Carroll([a, b, c], 1e7, DOMAIN)
    s = torch.linspace(0.5, 3.0, 20, dtype=torch.float64)
    p = principal_forces(law.distortional, torch.stack([s, s.rsqrt(), s.rsqrt()], 1))
    found = p[:, 0] - p[:, 2] * s.rsqrt() / s
    first, second = s**2 + 2 / s, 2 * s + s**-2
    slopes = a + 4 * b * first**3, 0.5 * c / second.sqrt()
    expected = 2 * (s - s**-2) * (slopes[0] + slopes[1] / s)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-6)


def test_the_chains_go_on_as_a_parabola_beyond_their_limit() -> None:
    """Energy, slope and curvature in I1 do not jump there, and the curvature stays."""
    g, d, limit = 2e5, 0.3, 9.0
    law = ExtendedTube([g, 1.0, 1.0, d, limit], 1e7, DOMAIN)
    plain = ExtendedTube([g, 1.0, 1.0, d, 13.5], 1e7, DOMAIN)

    def along(chosen: ExtendedTube, first: float, step: float = 1e-3) -> list[float]:
        values = []
        for i in (first - step, first, first + step):
            stretch = torch.full((3,), (i / 3.0) ** 0.5, dtype=torch.float64)
            values.append(float(chosen.distortional(stretch)))
        low, middle, high = values
        return [middle, (high - low) / (2 * step), (high - 2 * middle + low) / step**2]

    for below in (4.0, 8.9):
        assert along(law, below) == pytest.approx(along(plain, below), rel=1e-9)
    assert along(law, limit) == pytest.approx(along(plain, limit), rel=1e-3)
    s = 1.0 - d * d * (limit - 3.0)
    bend = 0.5 * g * d * d * (2 * (1 - d * d) / s**3 - d * d / s**2)
    t = g * (1.0 - 2.0 * d * d) - 2.0
    log = 1.5 * t / 11.0**2  # of -t ln J = -1.5 t ln(I1 / 3)
    assert along(law, 11.0)[2] == pytest.approx(bend + log, rel=1e-3)


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (carroll, {"coefficients": [1.0, -1.0, 0.0]}, r"coefficients: found .* expected a, b, c"),
        (extended_tube, {"coefficients": [1e5, 1e5, 1.2, 0.1, 9.0]}, "0 < beta <= 1"),
        (extended_tube, {"coefficients": [1e5, 1e5, 0.5, 0.3, 15.0]}, "less than 14.1"),
        (carroll, {"bulk_modulus": 0.0}, "bulk_modulus: found 0.0, expected one positive"),
        (carroll, {"stretch_knots": [-1.0, 0.0]}, "stretch_knots and stretch_curvature: found sh"),
        (carroll, {"area_curvature": [1.0] * 9}, r"area_curvature: found .* expected zeros"),
        (carroll, {"area_knots": list(range(1, 10))}, "area_knots: found no column that is 0"),
        (carroll, {"area_knots": [0.0] * 9}, "area_knots: found some that do not increase"),
    ],
)
def test_arrays_that_are_not_admissible(
    make: Callable[[bool], StretchLaw], change: dict[str, object], message: str
) -> None:
    law = make(True)
    with pytest.raises(ValueError, match=message):
        type(law)(**{**law.arrays(), **change}, domain=law.domain)
