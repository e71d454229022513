"""Convex quadratic programs under linear constraints and one linear matrix inequality."""

from __future__ import annotations

from dataclasses import dataclass

import clarabel
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, vstack

Array = NDArray[np.float64]
TOLERANCE = 1e-9


@dataclass(frozen=True)
class ConeProgram:
    """Minimise ``x.Q x / 2 - c.x`` under ``G x <= h`` and ``sum_i x_i S_i ⪯ 1``.

    Attributes:
        quadratic: Q, symmetric and positive semidefinite, shape (n, n).
        linear: c, shape (n,).
        constraints: G, shape (m, n), dense or sparse.
        limits: h, shape (m,).
        matrices: S, symmetric, shape (n, d, d); None: no matrix inequality.
    """

    quadratic: Array
    linear: Array
    constraints: object
    limits: Array
    matrices: Array | None = None


def solve(problem: ConeProgram) -> Array:
    """Return the minimiser, shape (n,), by Clarabel's interior-point method.

    It is as accurate as rounding allows where that is less than the tolerance of 1e-9.

    Args:
        problem: A program that has a feasible point.

    Raises:
        ArithmeticError: The solver broke down.
    """
    rows, limits = [csc_matrix(problem.constraints)], [problem.limits]
    cones: list[object] = [clarabel.NonnegativeConeT(len(problem.limits))]
    if problem.matrices is not None:
        d = problem.matrices.shape[-1]
        rows.append(csc_matrix(_triangles(problem.matrices).T))
        limits.append(_triangles(np.eye(d)))
        cones.append(clarabel.PSDTriangleConeT(d))
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 1
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = TOLERANCE
    found = clarabel.DefaultSolver(
        csc_matrix(np.triu(problem.quadratic)),
        -problem.linear,
        vstack(rows, format="csc"),
        np.concatenate(limits),
        cones,
        settings,
    ).solve()
    x: Array = np.array(found.x)
    if not np.isfinite(x).all():
        raise ArithmeticError(f"the quadratic program of the fit broke down: {found.status}")
    return x


def _triangles(matrices: Array) -> Array:
    """Return the upper triangles, column by column, which keep the scalar product."""
    column, row = np.tril_indices(matrices.shape[-1])
    out: Array = matrices[..., row, column] * np.where(row == column, 1.0, np.sqrt(2.0))
    return out
