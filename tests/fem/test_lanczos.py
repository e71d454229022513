from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lipmat.fem.lanczos import Extreme, Lanczos
from lipmat.fem.mpi import MPI

SPECTRA = {
    "even": np.linspace(0, 1, 400),
    "crowded at the top": 1 - np.linspace(0, 1, 400) ** 3,
    "one apart": np.append(np.linspace(0, 0.5, 399), 1.0),
    "low rank": np.append(np.zeros(397), [0.3, 0.5, 1.0]),
    "one value": np.ones(400),
    "tiny": np.array([1.0, 0.2]),
}


def lanczos(values: np.ndarray, start: np.ndarray | int) -> Lanczos:
    """Of a diagonal matrix: by rotation the eigenvectors may be the axes."""
    if isinstance(start, int):
        start = np.random.default_rng(start).standard_normal(len(values))
    return Lanczos(lambda x: values * x, start, MPI.COMM_SELF)


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize(("tolerance", "failure"), [(0.02, 1e-7), (0.005, 1e-12)])
def test_the_eigenvalue_lies_between_the_bounds(
    name: str, tolerance: float, failure: float
) -> None:
    values = 3e7 * SPECTRA[name]
    for seed in range(20):
        found = lanczos(values, seed).bounded(tolerance, failure)
        assert found.ritz <= 3e7 * (1 + 1e-12)
        assert found.upper >= 3e7
        if found.products > 1:  # one product proves less than 1e-12 in these digits
            assert found.upper <= (1 + 1.01 * tolerance) * found.ritz
        assert found.products <= (80 if failure > 1e-9 else 260)


def test_random_matrices() -> None:
    """Stiffness over mass of random springs; the bound is exact to its tolerance."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        factor = rng.standard_normal((80, 60)) * np.exp(rng.uniform(0, 3, 60))
        matrix = factor.T @ factor
        exact = np.linalg.eigvalsh(matrix)[-1]
        start = np.random.default_rng(seed).standard_normal(60)
        found = Lanczos(lambda x, m=matrix: m @ x, start, MPI.COMM_SELF).bounded(0.005, 1e-12)
        assert exact * (1 - 1e-12) <= found.upper <= 1.0051 * exact


def test_the_bound_fails_no_more_often_than_it_says() -> None:
    """With a probability of one in five; the theorem has a factor two in hand, for rounding."""
    values = 1 - np.linspace(0, 1, 300) ** 3
    failures = sum(lanczos(values, seed).bounded(0.02, 0.2).upper < 1.0 for seed in range(200))
    assert failures <= 40


def test_an_eigenvector_that_the_start_hardly_holds_is_not_missed() -> None:
    """Its share of the start is just what the probability allows for."""
    values = np.append(np.linspace(0, 0.9, 999), 1.0)
    start = np.random.default_rng(0).standard_normal(1000)
    start[-1] = 1e-7 * np.sqrt(np.pi / 2)
    found = lanczos(values, start).bounded(0.2, 1e-7)
    assert found.ritz < 0.95  # Lanczos has not seen it
    assert found.upper >= 1.0


def test_the_probability_is_needed() -> None:
    """A start that holds even less of it is taken in: then the bound is too small."""
    values = np.append(np.linspace(0, 0.9, 999), 1.0)
    start = np.random.default_rng(0).standard_normal(1000)
    start[-1] = 1e-14
    assert lanczos(values, start).bounded(0.02, 1e-3).upper < 1.0


@pytest.mark.parametrize("search", [lambda s: s.bounded(0.01, 1e-9), lambda s: s.settled(1e-9)])
def test_the_vector_has_the_ritz_value(search: Callable[[Lanczos], Extreme]) -> None:
    values = np.append(np.linspace(0, 0.9, 999), 1.0)
    recurrence = lanczos(values, 3)
    found = search(recurrence)
    vector = recurrence.vector(found)
    assert found.ritz * (1 - 1.0001e-3) <= vector @ (values * vector) <= found.ritz
    assert vector @ vector == pytest.approx(1.0, rel=1e-10)
    assert abs(vector[-1]) > 0.99  # the next eigenvalue is a tenth below


def test_the_settled_value_is_the_eigenvalue() -> None:
    for name, values in SPECTRA.items():
        assert lanczos(values, 1).settled(1e-9).ritz == pytest.approx(1.0, rel=1e-6), name
