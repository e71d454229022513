"""Guaranteed maxima of a function over boxes, by branch and bound.

Boxes whose upper bound cannot exceed the best sampled value by more than the tolerance are
closed; the others are halved (Moore, Kearfott & Cloud 2009, chapter 10). The result encloses the
maximum: ``sampled <= max <= bound``. Several problems are searched side by side, so that the cost
of a call is shared by all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lipmat.spectral.interval import Interval

Array = NDArray[np.float64]
TOLERANCE = 0.002  # relative gap between bound and sample
Numbers = NDArray[np.int64]
_PROMISING = 2  # boxes of each problem that are sampled, at corners and middle


@dataclass(frozen=True)
class Enclosure:
    """Guaranteed bound of a maximum, and the best value that sampling found from below."""

    bound: float
    sampled: float


def maximise(
    upper: Callable[[Interval, Numbers], Array],
    sample: Callable[[Array, Numbers], Array],
    lo: Array,
    hi: Array,
    tolerance: float = TOLERANCE,
    max_boxes: int = 2_000_000,
    least: Array | None = None,
) -> list[Enclosure]:
    """Enclose the maximum of each problem ``k`` over its box ``lo[k] <= x <= hi[k]``.

    Args:
        upper: Maps boxes (n, d) and the numbers of their problems (n,) to upper bounds (n,);
            ``-inf`` where a box holds no admissible point.
        sample: Maps points (n, d) and the numbers of their problems (n,) to values (n,); ``-inf``
            where a point is not admissible.
        lo: Lower corners, shape (problems, d).
        hi: Upper corners, shape (problems, d).
        tolerance: Relative gap at which to stop.
        max_boxes: Boxes to examine at most; the bounds stay valid when it stops there.
        least: Values (problems,) below which maxima need not be told: the larger of the two is
            enclosed.

    Raises:
        ValueError: A problem has no admissible point, or its bound is not finite.
    """
    best, closed = np.full((2, len(lo)), -np.inf)
    best = best if least is None else least.copy()
    box, problem, examined = Interval(lo, hi), np.arange(len(lo)), 0
    while len(problem):
        examined += len(problem)
        bounds = upper(box, problem)
        points, owner = _candidates(box, problem, bounds)
        np.maximum.at(best, owner, sample(points, owner))
        enough = best + tolerance * np.where(np.isfinite(best), np.abs(best), 0.0)
        done = (bounds <= enough[problem]) | (examined > max_boxes)
        np.maximum.at(closed, problem[done], bounds[done])
        box, problem = _halved(Interval(box.lo[~done], box.hi[~done]), problem[~done])
    bound = np.maximum(closed, best)
    if not np.isfinite(bound).all():
        raise ValueError("a domain holds no admissible point, or its bound is not finite")
    return [Enclosure(float(b), float(s)) for b, s in zip(bound, best, strict=True)]


def _candidates(box: Interval, problem: Numbers, bounds: Array) -> tuple[Array, Numbers]:
    """Return corners and middles (n, d) of each problem's most promising boxes, and its number."""
    order = np.lexsort((-bounds, problem))
    rank = np.arange(len(order)) - np.searchsorted(problem[order], problem[order])
    chosen = order[rank < _PROMISING]
    d = box.lo.shape[1]
    places = np.array([*product((0.0, 1.0), repeat=d), (0.5,) * d])
    lo, hi = box.lo[chosen, None], box.hi[chosen, None]
    points = ((1.0 - places) * lo + places * hi).reshape(-1, d)  # exact at the corners
    return points, np.repeat(problem[chosen], len(places))


def _halved(box: Interval, problem: Numbers) -> tuple[Interval, Numbers]:
    """Split every box at the middle of its relatively longest edge."""
    lo, hi = box.lo, box.hi
    axis = np.argmax((hi - lo) / (np.abs(hi) + np.abs(lo) + 1e-300), axis=1)
    rows = np.arange(len(lo))
    middle = 0.5 * (lo[rows, axis] + hi[rows, axis])
    left_hi, right_lo = hi.copy(), lo.copy()
    left_hi[rows, axis], right_lo[rows, axis] = middle, middle
    halves = Interval(np.concatenate([lo, right_lo]), np.concatenate([left_hi, hi]))
    return halves, np.concatenate([problem, problem])
