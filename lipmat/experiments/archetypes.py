r"""A small basis of laws: every specimen is a non-negative combination of a few archetypes.

Weights of laws that are fitted to specimens are non-negative vectors w of some 40 numbers, of which
the specimens' scatter uses few. They are factorised,

    w_n = sum_k c_nk h_k,    c_nk >= 0,  h_k >= 0,

so that every choice of non-negative coefficients is a law of the same kind again (Lee & Seung,
Nature 401 (1999) 788). What is factorised well is not the weights but what the tests see of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear, nnls

Array = NDArray[np.float64]

MOST = 8
ROUNDS = 20
LEFT = 0.05  # share of the scatter that may be left out
LEAST = 0.05  # of a coefficient over its mean: logarithms of it are wanted


def archetypes(weights: Array, metric: Array) -> tuple[Array, Array]:
    """Return the fewest archetypes (k, u) that give the specimens, and the coefficients (n, k).

    Coefficients have the mean 1.

    Args:
        weights: Of each specimen, not negative, shape (n, u).
        metric: Q in the error ``|Q (w - sum_k c_k h_k)|``, shape (m, u).
    """
    scatter = np.linalg.norm(metric @ (weights - weights.mean(0)).T)
    for count in range(1, min(MOST, len(weights) - 1) + 1):
        basis, coefficients = _factors(weights, metric, count)
        left = np.linalg.norm(metric @ (weights - coefficients @ basis).T)
        if left <= LEFT * scatter:
            break
    return basis, coefficients


def _factors(weights: Array, metric: Array, count: int) -> tuple[Array, Array]:
    """Alternate between the two, each of which is a bounded linear least-squares problem."""
    basis = weights[_extremes(weights @ metric.T, count)]
    for _ in range(ROUNDS):
        coefficients = _coefficients(basis, weights, metric)
        basis = _basis(coefficients, weights, metric)
        coefficients, basis = _normalised(coefficients, basis)
    return basis, _coefficients(basis, weights, metric)


def _extremes(points: Array, count: int) -> list[int]:
    """Return the points that are farthest from the span of those before (successive projection)."""
    left, found = points.copy(), []
    for _ in range(count):
        found.append(int(np.argmax((left**2).sum(1))))
        direction = left[found[-1]] / np.linalg.norm(left[found[-1]])
        left = left - np.outer(left @ direction, direction)
    return found


def _coefficients(basis: Array, weights: Array, metric: Array) -> Array:
    columns, least = metric @ basis.T, np.full(len(basis), LEAST)
    rows = [nnls(columns, metric @ (w - least @ basis))[0] + least for w in weights]
    return np.array(rows)


def _basis(coefficients: Array, weights: Array, metric: Array) -> Array:
    """Solve for all archetypes at once; Q is replaced by its triangular factor."""
    triangular = np.linalg.qr(metric, mode="r")
    columns = np.kron(coefficients, triangular)
    scale = np.linalg.norm(columns, axis=0)
    scale[scale == 0.0] = 1.0
    target = (weights @ triangular.T).ravel()
    solution = lsq_linear(columns / scale, target, bounds=(0.0, np.inf), max_iter=200)
    found = np.maximum(solution.x / scale, 0.0)
    return np.asarray(found.reshape(coefficients.shape[1], -1))


def _normalised(coefficients: Array, basis: Array) -> tuple[Array, Array]:
    mean = coefficients.mean(0)
    return coefficients / mean, basis * mean[:, None]
