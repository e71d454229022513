from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.sparse import csr_array, eye_array, vstack

from lipmat.experiments.cone_program import ConeProgram, solve


def test_a_bounded_least_squares_problem() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 12)), rng.normal(size=40)
    one = eye_array(12)
    limits = np.concatenate([np.zeros(12), np.full(12, 0.1)])
    rows = csr_array(vstack([-one, one]))
    found = solve(ConeProgram(a.T @ a, a.T @ b, rows, limits))
    expected = lsq_linear(a, b, bounds=(0.0, 0.1), tol=1e-14).x
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert ((found > 1e-4) & (found < 0.1 - 1e-4)).any()
    assert (found < 1e-5).any()


def test_dense_constraints_by_their_optimality_conditions() -> None:
    """At the minimiser -grad is a non-negative sum of the active rows, and none is violated."""
    rng = np.random.default_rng(1)
    n = 8
    root = rng.normal(size=(n, n))
    q, c = root @ root.T, 10.0 * rng.normal(size=n)
    g, h = rng.normal(size=(15, n)), rng.uniform(0.1, 1.0, size=15)
    x = solve(ConeProgram(q, c, csr_array(g), h))
    slack = h - g @ x
    active = slack < 1e-6
    assert slack.min() >= -1e-8
    assert 0 < active.sum() <= n
    multipliers, *_ = np.linalg.lstsq(g[active].T, c - q @ x, rcond=None)
    assert multipliers.min() >= -1e-6
    np.testing.assert_allclose(g[active].T @ multipliers, c - q @ x, atol=1e-5)


def test_without_active_constraints_it_is_a_linear_system() -> None:
    q, c = np.diag([1.0, 2.0]), np.array([1.0, 1.0])
    loose = csr_array(np.array([[1.0, 1.0]]))
    found = solve(ConeProgram(q, c, loose, np.array([100.0])))
    assert found == pytest.approx([1.0, 0.5], abs=1e-7)


def test_a_singular_cost_has_a_bounded_answer() -> None:
    """A direction that costs nothing stays where its bounds leave it."""
    rows = csr_array(np.vstack([np.eye(2), -np.eye(2)]))
    q, c = np.diag([1.0, 0.0]), np.array([3.0, 0.0])
    x = solve(ConeProgram(q, c, rows, np.ones(4)))
    assert x[0] == pytest.approx(1.0, abs=1e-6)
    assert abs(x[1]) <= 1.0


def test_a_matrix_inequality_is_met_and_active() -> None:
    """The largest trace under ``x_1 a a^T + x_2 b b^T ⪯ 1`` of two directions at 60 degrees.

    By symmetry both are equal, and the largest eigenvalue of their sum is 1 + |cos| = 3/2.
    """
    a, b = np.array([1.0, 0.0]), np.array([0.5, np.sqrt(0.75)])
    matrices = np.stack([np.outer(a, a), np.outer(b, b)])
    x = solve(ConeProgram(1e-9 * np.eye(2), np.ones(2), -np.eye(2), np.zeros(2), matrices))
    assert x == pytest.approx([2 / 3, 2 / 3], rel=1e-5)
