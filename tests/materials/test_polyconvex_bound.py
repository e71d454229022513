from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lipmat.materials.domain import StretchDomain
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.stretch_bound import certify
from tests.materials.states import certified, corners, largest_tangents, random_states

PARTS = {part.name: part for part in PolyconvexStretch.parts}


def random_law(seed: int, knots: int, sparse: float, stretch_max: float) -> PolyconvexStretch:
    """Return a law with rough weights of very different sizes, some of them zero."""
    rng = np.random.default_rng(seed)

    def weights(n: int) -> torch.Tensor:
        values = 10.0 ** rng.uniform(3, 7, n)
        return torch.from_numpy(np.where(rng.random(n) < sparse, 0.0, values))

    def places(last: float) -> torch.Tensor:
        inner = np.sort(rng.uniform(0.05, last, knots - 1))
        return torch.from_numpy(np.concatenate([[0.0], inner]))

    return PolyconvexStretch(
        places(1.2 * stretch_max),
        weights(1)[0],
        weights(knots),
        places(stretch_max**2),
        weights(1)[0],
        weights(knots),
        torch.tensor(10.0 ** rng.uniform(4, 8), dtype=torch.float64),
        StretchDomain(1 / stretch_max**1.5, stretch_max, 0.7, 1.5),
    )


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    knots=st.integers(2, 20),
    sparse=st.sampled_from([0.0, 0.5]),
    stretch_max=st.floats(1.2, 5.0),
)
def test_no_state_of_a_random_law_is_above_its_bound(
    seed: int, knots: int, sparse: float, stretch_max: float
) -> None:
    law = random_law(seed, knots, sparse, stretch_max)
    rng = np.random.default_rng(seed)
    for rung in law.bound().rungs:
        assert rung.domain is not None
        for part in PARTS:
            domain = certified(rung.domain, part)
            states = np.concatenate([corners(domain), random_states(domain, 400, rng)])
            found = float(largest_tangents(law, PARTS[part], states).max())
            assert found <= rung.tangent[part]
            assert 0.99 * rung.tangent[part] <= rung.sampled[part] <= rung.tangent[part]


@pytest.mark.parametrize("part", PARTS)
def test_a_million_states_come_within_three_percent_and_never_above(
    rubber: PolyconvexStretch, part: str
) -> None:
    last = rubber.bound().rungs[-1]
    assert last.domain == rubber.domain
    rng = np.random.default_rng(0)
    domain = certified(rubber.domain, part)
    states = np.concatenate([corners(domain), random_states(domain, 10**6, rng)])
    ratio = float(largest_tangents(rubber, PARTS[part], states).max()) / last.tangent[part]
    assert 0.97 <= ratio <= 1.0


def test_the_same_arrays_give_the_same_bound(rubber: PolyconvexStretch) -> None:
    assert certify(rubber) == certify(rubber) == rubber.bound()


def test_rungs_are_nested_and_their_bounds_grow(rubber: PolyconvexStretch) -> None:
    rungs = rubber.bound().rungs
    assert len(rungs) > 5
    for inner, outer in pairwise(rungs):
        assert inner.domain is not None
        assert outer.domain is not None
        assert outer.domain.holds(*inner.domain.as_dict().values())
        for part in PARTS:
            assert inner.sampled[part] <= outer.tangent[part]


def test_the_bound_of_a_quadratic_law_is_its_closed_form() -> None:
    """For W = mu/2 sum l^2 - mu ln J the largest eigenvalue is mu (1 + 1/l_min^2)."""
    mu, one = 2e5, torch.ones(2, dtype=torch.float64)
    law = PolyconvexStretch(
        torch.tensor([0.0, 1.0], dtype=torch.float64),
        torch.tensor(0.0, dtype=torch.float64),
        mu * one,
        torch.tensor([0.0, 1.0], dtype=torch.float64),
        torch.tensor(0.0, dtype=torch.float64),
        0.0 * one,
        torch.tensor(1e7, dtype=torch.float64),
        StretchDomain(0.4, 2.0, 0.5, 1.5),
    )
    rung = law.bound().rungs[-1]
    exact = mu * (1 + 1 / 0.4**2)
    assert exact <= rung.tangent["distortional"] <= 1.002 * exact
    assert rung.sampled["distortional"] == pytest.approx(exact, rel=1e-12)
