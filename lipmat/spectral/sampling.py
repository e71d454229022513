"""Lower bounds of a maximum by sampling: rays through all knots, then a search around the best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_RAYS, _RADII, _BEST, _TRIALS, _ROUNDS = 64, 24, 8, 24, 10


def ray_points(vectors: Array, knots: Array, rng: np.random.Generator) -> Array:
    """Return points at which the units ``phi_i(a_i . x)`` pass their knots.

    The rays point along the vectors, along the axes, against both, and at random; the radii span
    all knots and a range beyond.

    Args:
        vectors: ``a_i``, shape (n, d).
        knots: Knots of the units, shape (n, k).
        rng: Source of the random rays.

    Returns:
        Points (m, d), the first of them 0.
    """
    d = vectors.shape[1]
    rays = np.concatenate([vectors[:_RAYS], np.eye(d), rng.standard_normal((_RAYS, d))])
    rays = rays / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-300)
    norms = np.linalg.norm(vectors, axis=1)
    places = np.abs(knots[norms > 0]) / norms[norms > 0, None]
    places = places[places > 0]
    radii = np.geomspace(0.3 * places.min(), 10.0 * places.max(), _RADII)
    points = (radii[:, None, None] * np.concatenate([rays, -rays])).reshape(-1, d)
    return np.concatenate([np.zeros((1, d)), points])


def largest_found(
    function: Callable[[Array], Array], points: Array, rng: np.random.Generator
) -> float:
    """Return the largest value of a function of points (m, d) that a random search finds.

    It starts at the given points and tries others around the best ones, ever closer. It is
    a lower bound of the maximum.
    """
    values = function(points)
    for spread in 0.5 ** np.arange(_ROUNDS):
        best = np.argsort(values)[-_BEST:]
        points, values = points[best], values[best]
        size = np.linalg.norm(points, axis=1, keepdims=True).repeat(_TRIALS, 0)
        moves = rng.standard_normal((len(size), points.shape[1]))
        trials = points.repeat(_TRIALS, 0) + spread * size * moves
        points = np.concatenate([points, trials])
        values = np.concatenate([values, function(trials)])
    return float(values.max())
