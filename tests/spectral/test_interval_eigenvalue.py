from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lipmat.spectral.interval import Interval
from lipmat.spectral.interval_eigenvalue import largest_eigenvalue

Array = NDArray[np.float64]
UPPER = [(i, j) for i in range(3) for j in range(i, 3)]


def matrices(seed: int, n: int) -> Array:
    root = np.random.default_rng(seed).standard_normal((n, 3, 3))
    return root + root.transpose(0, 2, 1)


def entries(lo: Array, hi: Array) -> dict[tuple[int, int], Interval]:
    return {(i, j): Interval(lo[:, i, j], hi[:, i, j]) for i, j in UPPER}


@given(st.integers(0, 10**6), st.floats(0, 2))
def test_no_matrix_inside_has_a_larger_eigenvalue(seed: int, width: float) -> None:
    a, b = matrices(seed, 50), matrices(seed + 1, 50)
    lo, hi = a - width * np.abs(b), a + width * np.abs(b)
    bound = largest_eigenvalue(entries(lo, hi))
    weight = np.random.default_rng(seed).integers(0, 2, (20, 50, 3, 3)).astype(float)
    weight = np.triu(weight) + np.triu(weight, 1).transpose(0, 1, 3, 2)
    corners = lo + weight * (hi - lo)
    for inside in (*corners, a):
        assert (np.linalg.eigvalsh(inside)[:, -1] <= bound + 1e-12).all()


def test_a_matrix_without_width_has_its_own_eigenvalue() -> None:
    a = matrices(0, 100)
    exact = np.linalg.eigvalsh(a)[:, -1]
    np.testing.assert_allclose(largest_eigenvalue(entries(a, a)), exact, rtol=1e-12, atol=1e-12)


def test_it_is_attained_where_no_entry_is_negative() -> None:
    lo = np.abs(matrices(0, 100))
    hi = lo + np.abs(matrices(1, 100))
    exact = np.linalg.eigvalsh(hi)[:, -1]
    np.testing.assert_allclose(largest_eigenvalue(entries(lo, hi)), exact, rtol=1e-12)
