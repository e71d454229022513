"""The largest eigenvalue of symmetric 3 x 3 matrices whose entries are intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lipmat.spectral.interval import Interval

Array = NDArray[np.float64]


def largest_eigenvalue(entries: dict[tuple[int, int], Interval]) -> Array:
    """Return upper bounds of the largest eigenvalue of symmetric 3 x 3 interval matrices.

    The smaller of two, both with the upper ends on the diagonal: ``lambda_max(middle) +
    lambda_max(radius)`` (Weyl; Rohn, ZAMM 78 (1998) S1049), and ``lambda_max`` of the largest
    magnitudes (Perron and Frobenius), which is attained where no entry is negative.

    Args:
        entries: The entries (i, j) with i <= j, each of shape (n,).

    Returns:
        The bounds, shape (n,).
    """
    middle = _symmetric(entries, lambda e: 0.5 * (e.lo + e.hi), on_diagonal=lambda e: e.hi)
    radius = _symmetric(entries, lambda e: 0.5 * (e.hi - e.lo), on_diagonal=None)
    largest = _symmetric(entries, lambda e: e.magnitude, on_diagonal=lambda e: e.hi)
    middle_top, radius_top, top = np.linalg.eigvalsh(np.stack([middle, radius, largest]))[..., -1]
    scale = np.abs(middle).sum(axis=(-1, -2)) + radius.sum(axis=(-1, -2))
    out: Array = np.minimum(middle_top + radius_top, top) + 1e-14 * scale
    return out


def _symmetric(
    entries: dict[tuple[int, int], Interval],
    value: Callable[[Interval], Array],
    on_diagonal: Callable[[Interval], Array] | None,
) -> Array:
    """Return matrices (n, 3, 3) of one value of each entry; without ``on_diagonal`` zero there."""
    out = np.zeros((len(entries[0, 0].lo), 3, 3))
    for (i, j), e in entries.items():
        if i != j:
            out[:, i, j] = out[:, j, i] = value(e)
        elif on_diagonal:
            out[:, i, i] = on_diagonal(e)
    return out
