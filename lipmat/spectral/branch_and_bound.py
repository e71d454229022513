"""Guaranteed maximum of a function over a box, by branch and bound.

Boxes whose upper bound cannot exceed the best sampled value by more than the tolerance are
closed; the others are halved (Moore, Kearfott & Cloud 2009, chapter 10). The result encloses the
maximum: ``sampled <= max <= bound``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipmat.spectral.interval import Interval

Array = NDArray[np.float64]
_SAMPLES = 64


@dataclass(frozen=True)
class Enclosure:
    """Guaranteed bound of a maximum, and the best value that sampling found from below."""

    bound: float
    sampled: float
    boxes: int


def maximise(
    upper: Callable[[Interval], Array],
    sample: Callable[[Array], Array],
    lo: Array,
    hi: Array,
    tolerance: float = 0.006,
    max_boxes: int = 2_000_000,
) -> Enclosure:
    """Enclose the maximum of a function over the box ``lo <= x <= hi``.

    Args:
        upper: Maps boxes (n, d) to upper bounds (n,); ``-inf`` where a box holds no admissible
            point.
        sample: Maps points (n, d) to values (n,); ``-inf`` where a point is not admissible.
        lo: Lower corner, shape (d,).
        hi: Upper corner, shape (d,).
        tolerance: Relative gap at which to stop.
        max_boxes: Boxes to examine at most; the bound stays valid when it stops there.

    Raises:
        ValueError: No admissible point was found.
    """
    lows, highs = lo[None, :], hi[None, :]
    best, closed, examined = -np.inf, -np.inf, 0
    while len(lows):
        examined += len(lows)
        bounds = upper(Interval(lows, highs))
        likely = np.argsort(bounds)[-_SAMPLES:]
        points = np.concatenate([0.5 * (lows[likely] + highs[likely]), highs[likely]])
        best = max(best, float(sample(points).max()))
        is_open = bounds > best + tolerance * abs(best) if np.isfinite(best) else bounds > -np.inf
        if examined > max_boxes:
            closed = max(closed, float(bounds.max()))
            break
        closed = max(closed, float(bounds[~is_open].max(initial=-np.inf)))
        lows, highs = _halve(lows[is_open], highs[is_open])
    if not np.isfinite(best):
        raise ValueError("the domain holds no admissible point")
    return Enclosure(max(closed, best), best, examined)


def _halve(lo: Array, hi: Array) -> tuple[Array, Array]:
    """Split every box at the middle of its relatively longest edge."""
    if not len(lo):
        return lo, hi
    axis = np.argmax((hi - lo) / (np.abs(hi) + np.abs(lo) + 1e-300), axis=1)
    rows = np.arange(len(lo))
    middle = 0.5 * (lo[rows, axis] + hi[rows, axis])
    left_hi, right_lo = hi.copy(), lo.copy()
    left_hi[rows, axis], right_lo[rows, axis] = middle, middle
    return np.concatenate([lo, right_lo]), np.concatenate([left_hi, hi])
