from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lipmat.spectral.loewner import (
    enclosed,
    gram,
    inverse_root,
    is_below,
    largest_ratio,
    rounding_margin,
    shrinker,
)


def positive(seed: int, d: int = 6) -> Tensor:
    factor = torch.from_numpy(np.random.default_rng(seed).standard_normal((d, d + 2)))
    return factor @ factor.T


def repeated() -> Tensor:
    """Return a matrix with eigenvalues 2, 2, 2, 5."""
    q, _ = torch.linalg.qr(positive(3, 4))
    return (q * torch.tensor([2.0, 2.0, 2.0, 5.0]).double()) @ q.T


def test_the_inverse_root_normalises() -> None:
    h = positive(0)
    t = inverse_root(h)
    one = torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(t @ h @ t, one, rtol=0, atol=1e-13)
    torch.testing.assert_close(t, t.T, rtol=0, atol=1e-14)


@pytest.mark.parametrize("matrix", [positive(1, 4), repeated()], ids=["apart", "repeated"])
def test_the_inverse_root_has_its_derivative_also_at_repeated_eigenvalues(matrix: Tensor) -> None:
    def of_factor(move: Tensor) -> Tensor:
        return inverse_root(matrix + move + move.T)

    start = torch.zeros(4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(of_factor, (start,))
    forward = torch.func.jacfwd(of_factor)(start.detach())
    reverse = torch.func.jacrev(of_factor)(start.detach())
    torch.testing.assert_close(forward, reverse, rtol=1e-12, atol=1e-13)


def test_the_inverse_root_keeps_a_symmetry() -> None:
    swap = torch.eye(6, dtype=torch.float64)[[1, 0, 2, 4, 3, 5]]
    h = positive(4)
    h = 0.5 * (h + swap @ h @ swap.T)
    t = inverse_root(h)
    torch.testing.assert_close(swap @ t @ swap.T, t, rtol=0, atol=1e-14)


def test_the_shrinker_changes_only_what_is_too_large() -> None:
    q, _ = torch.linalg.qr(positive(5, 3))
    h = (q * torch.tensor([4.0, 0.9, 0.01]).double()) @ q.T
    t = shrinker(h)
    expected = (q * torch.tensor([0.5, 1.0, 1.0]).double()) @ q.T
    torch.testing.assert_close(t, expected, rtol=0, atol=1e-14)


@given(st.integers(0, 10**6), st.integers(1, 200), st.floats(0, 6))
def test_an_enclosed_gram_matrix_is_above_the_exact_one(seed: int, n: int, spread: float) -> None:
    """The exact sum, in rational arithmetic, is compared in the directions that matter most."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, 3)) * 10.0 ** (spread * rng.uniform(-1, 0, (n, 3)))
    weights = rng.random(n)
    found = gram(torch.from_numpy(vectors), torch.from_numpy(weights)).numpy()
    found = 0.5 * (found + found.T)
    terms = [
        [[Fraction(w) * Fraction(a) * Fraction(b) for b in v] for a in v]
        for w, v in zip(weights.tolist(), vectors.tolist(), strict=True)
    ]
    above = enclosed(found, n).tolist()
    gap = [
        [Fraction(above[i][j]) - sum(t[i][j] for t in terms) for j in range(3)] for i in range(3)
    ]
    minor = gap[0][0] * gap[1][1] - gap[0][1] * gap[1][0]
    assert gap[0][0] > 0
    assert minor > 0
    assert _determinant(gap) > 0


def _determinant(m: list[list[Fraction]]) -> Fraction:
    total = Fraction(0)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        total += m[0][i] * (m[1][j] * m[2][k] - m[1][k] * m[2][j])
    return total


def test_enclosing_removes_rounding_noise_and_grows_with_the_number_of_terms() -> None:
    matrix = np.array([[1.0, 3e-14], [3e-14, 1.0]])
    assert enclosed(matrix, 5)[0, 1] == 0.0
    assert enclosed(matrix, 5)[0, 0] == 1.0 + rounding_margin(5)
    assert rounding_margin(10) == 1e-12
    assert rounding_margin(1280) == pytest.approx(1e-11)


def test_the_shifted_factorisation_proves_the_order_and_nothing_false() -> None:
    one = np.eye(6)
    assert is_below((1.0 - 1e-12) * one, one)
    assert is_below(np.zeros((6, 6)), one)
    assert not is_below((1.0 + 1e-15) * one, one)
    tilted = one.copy()
    tilted[0, 1] = tilted[1, 0] = 1e-9
    assert not is_below(tilted, one)


def test_the_largest_ratio_is_the_generalised_eigenvalue() -> None:
    lower, upper = (positive(s).numpy() for s in (7, 8))
    found = largest_ratio(lower[None], upper)[0]
    expected = np.linalg.eigvals(np.linalg.solve(upper, lower)).real.max()
    assert found == pytest.approx(expected, rel=1e-10)
    singular = np.diag([2.0, 0.0])
    assert largest_ratio(np.diag([1.0, 0.0])[None], singular)[0] == pytest.approx(0.5)
