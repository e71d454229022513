from __future__ import annotations

import numpy as np
import pytest

from lipmat.fem.lanczos import largest_eigenvalue
from lipmat.fem.mpi import MPI

SPECTRA = {
    "even": np.linspace(0, 1, 400),
    "crowded at the top": 1 - np.linspace(0, 1, 400) ** 3,
    "one apart": np.append(np.linspace(0, 0.5, 399), 1.0),
    "low rank": np.append(np.zeros(397), [0.3, 0.5, 1.0]),
    "one value": np.ones(400),
    "tiny": np.array([1.0, 0.2]),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_the_eigenvalue_lies_between_the_bounds(name: str) -> None:
    """By rotation the eigenvectors may be the axes; the start is random all the same."""
    values = 3e7 * SPECTRA[name]
    for seed in range(20):
        start = np.random.default_rng(seed).standard_normal(len(values))
        found = largest_eigenvalue(lambda x: values * x, start, MPI.COMM_SELF, 0.02, 1e-7)
        theta, upper, products = found
        assert theta <= 3e7 * (1 + 1e-12) <= upper <= 1.03 * theta
        assert products <= 80


def test_an_eigenvector_that_the_start_hardly_holds_is_not_missed() -> None:
    """Its share of the start is just what the probability allows for."""
    values = np.append(np.linspace(0, 0.9, 999), 1.0)
    start = np.random.default_rng(0).standard_normal(1000)
    start[-1] = 1e-7 * np.sqrt(np.pi / 2)
    theta, upper, _ = largest_eigenvalue(lambda x: values * x, start, MPI.COMM_SELF, 0.2, 1e-7)
    assert theta < 0.95  # Lanczos has not seen it
    assert upper >= 1.0


def test_the_probability_is_needed() -> None:
    """A start that holds even less of it is taken in: then the bound is too small."""
    values = np.append(np.linspace(0, 0.9, 999), 1.0)
    start = np.random.default_rng(0).standard_normal(1000)
    start[-1] = 1e-14
    _, upper, _ = largest_eigenvalue(lambda x: values * x, start, MPI.COMM_SELF, 0.02, 1e-3)
    assert upper < 1.0
