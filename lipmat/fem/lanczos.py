"""Lanczos from a random start: the largest eigenvalue from below, and from above.

After k steps the next vector is ``p_k(A) g / |g|``, with norm 1 and a polynomial p_k that the
recurrence defines. So ``p_k(lambda_max) <= |g| / |g . v|`` with the top eigenvector v, and
``|g . v|`` of a normal g is below ``p sqrt(pi / 2)`` with probability p at most. Above the Ritz
values p_k increases: ``lambda_max`` is at most where it reaches that (van Dorsselaer, Hochstenbach
& van der Vorst, SIAM J. Matrix Anal. Appl. 21 (2000) 837). Half of ``|g . v|`` is left to rounding.
The bound uses the spectrum that the recurrence has seen: at equal probability and steps it is far
sharper than one that holds for every spectrum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, log, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from lipmat.fem.mpi import MPI

Array = NDArray[np.float64]
FEWEST, MOST, BETWEEN = 28, 600, 4  # products before the first check, in all, between checks
SETTLED = 1e-13  # of the eigenvalue: what remains when the space is exhausted
TINY = 1e-16  # of the eigenvalue: a larger remainder can only raise the bound


def largest_eigenvalue(
    multiply: Callable[[Array], Array],
    start: Array,
    comm: MPI.Intracomm,
    tolerance: float,
    failure: float,
) -> tuple[float, float, int]:
    """Return bounds of the largest eigenvalue of a symmetric semidefinite operator.

    Args:
        multiply: The operator, from owned entries to owned entries.
        start: Independent standard normal numbers, the owned ones.
        comm: The ranks.
        tolerance: Stop when the bounds are this close, relative to the eigenvalue.
        failure: Probability that the upper bound is too small.

    Returns:
        Largest Ritz value, upper bound, number of products.
    """

    def norm(a: Array) -> float:
        return sqrt(comm.allreduce(float(a @ a)))

    size = norm(start)
    enough = log(2.0 * size / (failure * sqrt(pi / 2.0)))
    q, before, beta = start / size, np.zeros_like(start), 0.0
    alphas: list[float] = []
    betas: list[float] = []
    while True:
        w = multiply(q)
        w -= beta * before
        alphas.append(float(comm.allreduce(float(w @ q))))
        w -= alphas[-1] * q
        beta = norm(w)
        betas.append(max(beta, TINY * max(alphas)))
        k = len(alphas)
        last = k == MOST or beta <= SETTLED * max(alphas)
        if last or (k >= FEWEST and k % BETWEEN == 0):
            theta = _largest_ritz(alphas, betas)
            if last or _growth((1.0 + tolerance) * theta, alphas, betas) >= enough:
                return theta, _reaches(enough, theta, alphas, betas), k
        before, q = q, w / beta


def _largest_ritz(alphas: Sequence[float], betas: Sequence[float]) -> float:
    top = (len(alphas) - 1,) * 2
    return float(eigh_tridiagonal(alphas, betas[:-1], True, select="i", select_range=top)[0])


def _reaches(enough: float, theta: float, alphas: Sequence[float], betas: Sequence[float]) -> float:
    """Return where above the largest Ritz value the logarithm of p_k is ``enough``."""
    x = theta * (1.0 + np.geomspace(1e-5, 1e3, 256))
    return float(x[_growth(x, alphas, betas) >= enough].min(initial=inf))


def _growth(x: Any, alphas: Sequence[float], betas: Sequence[float]) -> Any:
    """Return ``log p_k(x)`` above the Ritz values, from the ratios ``p_{j+1} / p_j``."""
    ratio, before, total = 1.0, 0.0, 0.0
    for alpha, beta in zip(alphas, betas, strict=True):
        ratio = (x - alpha - before / ratio) / beta
        total = total + np.log(ratio)
        before = beta
    return total
