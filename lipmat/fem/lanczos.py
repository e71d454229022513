"""Lanczos from a random start: the largest eigenvalue from below, and from above.

After k steps the next vector is ``p_k(A) g / |g|``, with norm 1 and a polynomial p_k that the
recurrence defines. So ``p_k(lambda_max) <= |g| / |g . v|`` with the top eigenvector v, and
``|g . v|`` of a normal g is below ``p sqrt(pi / 2)`` with probability p at most. Above the Ritz
values p_k increases: ``lambda_max`` is at most where it reaches that (van Dorsselaer, Hochstenbach
& van der Vorst, SIAM J. Matrix Anal. Appl. 21 (2000) 837). Half of ``|g . v|`` is left to rounding.
The bound uses the spectrum that the recurrence has seen: at equal probability and steps it is far
sharper than one that holds for every spectrum. Proof: docs/theory/frequency.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp, inf, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from lipmat.fem.mpi import MPI

Array = NDArray[np.float64]
FEWEST, MOST, BETWEEN = 28, 600, 4  # products before the first check, in all, between checks
EXHAUSTED = 1e-13  # of the eigenvalue: what remains when there is no further vector
TINY = 1e-16  # of the eigenvalue: a larger remainder can only raise the bound
GAPS = (1e-5, 1e3)  # between the bounds, of the eigenvalue: the least and the largest
VECTOR = 1e-3  # of the eigenvalue: what its vector may lack
HALVINGS = 14  # of the logarithm of the gap: to a thousandth of it


@dataclass(frozen=True)
class Extreme:
    """The largest eigenvalue from below and from above.

    Attributes:
        ritz: The largest Ritz value.
        upper: The upper bound; infinite where none was asked for.
        alphas, betas: The tridiagonal matrix, one entry for each product.
    """

    ritz: float
    upper: float
    alphas: list[float]
    betas: list[float]

    @property
    def products(self) -> int:
        """Products that this took."""
        return len(self.alphas)


class Lanczos:
    """The recurrence of a symmetric semidefinite operator from one start.

    Args:
        multiply: The operator, from owned entries to owned entries in a new array.
        start: Independent standard normal numbers, the owned ones.
        comm: The ranks.
    """

    def __init__(
        self, multiply: Callable[[Array], Array], start: Array, comm: MPI.Intracomm
    ) -> None:
        self._multiply, self._start = multiply, start
        self._total: Callable[[float], float] = comm.allreduce if comm.size > 1 else float

    def bounded(self, tolerance: float, failure: float) -> Extreme:
        """Return both bounds.

        Args:
            tolerance: Stop when they are this close, relative to the eigenvalue.
            failure: Probability that the upper bound is too small.
        """
        enough = log(2.0 * self._norm(self._start) / (failure * sqrt(pi / 2.0)))

        def close(ritz: float, alphas: list[float], betas: list[float]) -> bool:
            return _growth((1.0 + tolerance) * ritz, alphas, betas) >= enough

        found = self._run(close)
        upper = _reaches(enough, found.ritz, found.alphas, found.betas)
        return Extreme(found.ritz, upper, found.alphas, found.betas)

    def settled(self, tolerance: float) -> Extreme:
        """Return the Ritz value, once it rises by less than the tolerance from check to check."""
        before = -inf

        def still(ritz: float, alphas: list[float], betas: list[float]) -> bool:
            nonlocal before
            before, rise = ritz, ritz - before
            return rise <= tolerance * ritz

        return self._run(still)

    def vector(self, found: Extreme) -> Array:
        """Return a vector with nearly the Ritz value, by a second pass: none is stored.

        The pass is as long as it takes to reach the value but for ``VECTOR`` of it.
        """
        alphas, betas = found.alphas, found.betas
        for k in (*range(BETWEEN, found.products, BETWEEN), found.products):
            if _largest_ritz(alphas[:k], betas[:k]) >= (1.0 - VECTOR) * found.ritz:
                break
        top = (k - 1,) * 2
        _, shares = eigh_tridiagonal(alphas[:k], betas[: k - 1], select="i", select_range=top)
        out = np.zeros_like(self._start)
        for share, (q, _, _) in zip(shares[:, 0], self._recurrence(), strict=False):
            out += share * q
        return out

    def _run(self, done: Callable[[float, list[float], list[float]], bool]) -> Extreme:
        alphas: list[float] = []
        betas: list[float] = []
        for _, alpha, beta in self._recurrence():
            alphas.append(alpha)
            betas.append(max(beta, TINY * max(alphas)))
            k = len(alphas)
            last = k == MOST or beta <= EXHAUSTED * max(alphas)
            if last or (k >= FEWEST and k % BETWEEN == 0):
                ritz = _largest_ritz(alphas, betas)
                if last or done(ritz, alphas, betas):
                    break
        return Extreme(ritz, inf, alphas, betas)

    def _recurrence(self) -> Iterator[tuple[Array, float, float]]:
        """Yield the vectors with their coefficients alpha and beta."""
        q = self._start / self._norm(self._start)
        before, beta = np.zeros_like(q), 0.0
        while True:
            w = self._multiply(q)
            w -= beta * before
            alpha = self._total(float(w @ q))
            w -= alpha * q
            beta = self._norm(w)
            yield q, alpha, beta
            before, q = q, w / beta

    def _norm(self, a: Array) -> float:
        return sqrt(self._total(float(a @ a)))


def _largest_ritz(alphas: Sequence[float], betas: Sequence[float]) -> float:
    top = (len(alphas) - 1,) * 2
    return float(eigh_tridiagonal(alphas, betas[:-1], True, select="i", select_range=top)[0])


def _reaches(enough: float, ritz: float, alphas: Sequence[float], betas: Sequence[float]) -> float:
    """Return where above the largest Ritz value the logarithm of p_k is ``enough``, from above."""
    low, high = map(log, GAPS)
    if _growth(ritz * (1.0 + GAPS[1]), alphas, betas) < enough:
        return inf
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if _growth(ritz * (1.0 + exp(middle)), alphas, betas) >= enough:
            high = middle
        else:
            low = middle
    return ritz * (1.0 + exp(high))


def _growth(x: float, alphas: Sequence[float], betas: Sequence[float]) -> float:
    """Return ``log p_k(x)`` above the Ritz values, from the ratios ``p_{j+1} / p_j``."""
    ratio, before, total = 1.0, 0.0, 0.0
    for alpha, beta in zip(alphas, betas, strict=True):
        ratio = (x - alpha - before / ratio) / beta
        if ratio <= 0.0:  # not above the Ritz values, but for rounding
            return -inf
        total += log(ratio)
        before = beta
    return total
