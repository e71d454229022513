from __future__ import annotations

import numpy as np
import pytest

from lipmat.spectral.sampling import largest_found, ray_points


def test_rays_pass_all_knots() -> None:
    vectors = np.array([[3.0, 0.0], [0.0, 0.1]])
    knots = np.array([[-1.0, 0.0, 2.0], [-4.0, 0.0, 5.0]])
    points = ray_points(vectors, knots, np.random.default_rng(0))
    assert not points[0].any()
    z = points @ vectors.T
    for unit in (0, 1):
        assert z[:, unit].min() < knots[unit, 0]
        assert z[:, unit].max() > knots[unit, -1]
        inside = (z[:, unit] > 0) & (z[:, unit] < knots[unit, 2])
        assert inside.sum() > 20


def test_the_search_climbs_to_a_maximum_between_the_points() -> None:
    top = np.array([0.31, -0.47, 0.13])

    def bump(x: np.ndarray) -> np.ndarray:
        return np.asarray(2.0 - ((x - top) ** 2).sum(axis=1))

    start = np.random.default_rng(1).standard_normal((30, 3))
    found = largest_found(bump, start, np.random.default_rng(2))
    assert bump(start).max() < 1.9
    assert found <= 2.0
    assert found == pytest.approx(2.0, abs=1e-3)
