"""Convex quadratic programs with dense cost and sparse inequality constraints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

Array = NDArray[np.float64]
TOLERANCE = 1e-9
ITERATIONS = 80
_TO_BOUNDARY = 0.995  # share of the step to the boundary that is taken
_NO_PROGRESS = 1e-4  # share of a step below which rounding is all there is
_TINY = 1e-300
_ROUNDED = 1e-13  # gap at which the residuals that are left are rounding
_REGULAR = 1e-13  # added to the diagonal, relative to its largest entry


@dataclass(frozen=True)
class QuadraticProgram:
    """Minimise ``x.Q x / 2 - c.x`` under ``G x <= h``.

    Attributes:
        quadratic: Q, symmetric and positive semidefinite, shape (n, n).
        linear: c, shape (n,).
        constraints: G, shape (m, n).
        limits: h, shape (m,).
    """

    quadratic: Array
    linear: Array
    constraints: csr_array
    limits: Array


def solve(problem: QuadraticProgram) -> Array:
    """Return the minimiser, shape (n,), by Mehrotra's predictor and corrector.

    Infeasible primal-dual interior-point method (Nocedal & Wright 2006, algorithm 16.4). It stops
    when residuals and duality gap are 1e-9 of the forces' scale, or when rounding ends progress.

    Args:
        problem: A program that has a feasible point.
    """
    system = _System(problem)
    x = np.zeros(len(problem.linear))
    s = np.maximum(problem.limits, 1.0)
    z = np.ones(len(s))
    for _ in range(ITERATIONS):
        forces = system.transposed @ z
        dual = problem.quadratic @ x - problem.linear + forces
        scale = max(_TINY, float(np.abs(problem.linear).max()), float(np.abs(forces).max()))
        primal = problem.constraints @ x + s - problem.limits
        gap = float(s @ z) / len(s)
        if max(np.abs(dual).max() / scale, np.abs(primal).max(), gap / scale) < TOLERANCE:
            break
        if gap < _ROUNDED * scale or not system.factorise(s, z):
            break
        dx, ds, dz = system.step(dual, primal, s * z)
        share = min(_longest(s, ds), _longest(z, dz))
        centring = (float((s + share * ds) @ (z + share * dz)) / len(s) / gap) ** 3
        dx, ds, dz = system.step(dual, primal, s * z + ds * dz - centring * gap)
        share = _TO_BOUNDARY * min(_longest(s, ds), _longest(z, dz))
        if share < _NO_PROGRESS:
            break
        x, s, z = x + share * dx, s + share * ds, z + share * dz
    return x


class _System:
    """The linear systems of the iterations, ``(Q + G^T diag(z/s) G) dx = ...``."""

    def __init__(self, problem: QuadraticProgram) -> None:
        self.quadratic, self.g = problem.quadratic, problem.constraints
        self.transposed = csr_array(self.g.T)
        entries = np.diff(self.g.indptr)
        self._short, self._long = (np.flatnonzero(m) for m in (entries <= 2, entries > 2))
        self._places, self._products = _row_products(self.g[self._short])
        self._dense = self.g[self._long].toarray()

    def factorise(self, s: Array, z: Array) -> bool:
        """Factorise at slacks s and multipliers z; tell whether rounding allowed it."""
        self.s, self.z = s, z
        weight = z / s
        matrix = self.quadratic + (self._dense.T * weight[self._long]) @ self._dense
        matrix.ravel()[self._places] += self._products @ weight[self._short]
        matrix[np.diag_indices_from(matrix)] += _REGULAR * matrix.diagonal().max()
        try:
            self._factor = cho_factor(matrix, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            return False
        return True

    def step(self, dual: Array, primal: Array, complementarity: Array) -> tuple[Array, ...]:
        """Return the changes of x, slacks and multipliers that remove the three residuals."""
        s, z = self.s, self.z
        right = -dual - self.transposed @ ((z * primal - complementarity) / s)
        dx = cho_solve(self._factor, right, check_finite=False)
        ds = -primal - self.g @ dx
        return dx, ds, (-complementarity - z * ds) / s


def _row_products(g: csr_array) -> tuple[NDArray[np.int64], csr_array]:
    """Return places in a raveled (n, n) matrix and P with ``G^T diag(d) G = P d`` there.

    It is for rows of at most two entries, of which there are many.
    """
    n = g.shape[1]
    counts = np.diff(g.indptr)
    places, rows, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for k in (1, 2):
        row = np.flatnonzero(counts == k)
        entries = g.indptr[row][:, None] + np.arange(k)
        index, value = g.indices[entries].astype(np.int64), g.data[entries]
        places.append((index[:, :, None] * n + index[:, None, :]).ravel())
        values.append((value[:, :, None] * value[:, None, :]).ravel())
        rows.append(np.repeat(row, k * k))
    unique, where = np.unique(np.concatenate(places), return_inverse=True)
    entry = (np.concatenate(values), (where, np.concatenate(rows)))
    return unique, csr_array(entry, shape=(len(unique), g.shape[0]))


def _longest(value: Array, change: Array) -> float:
    """Return the largest share of a change, at most 1, that keeps all values non-negative."""
    falling = change < 0
    return min(1.0, float((-value[falling] / change[falling]).min())) if falling.any() else 1.0
