"""Where the knots of a spline go: where the data are, and where the spline bends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
GRID = 2000
NEAR_ZERO = 2.0 / 3.0  # exponent of the even spread; below 1: finer around 0, where laws bend
CLOSEST = 2e-4  # distance of two knots of a side, relative to its last one
SMALLEST_SIDE = 1e-2  # of the other side, where (almost) no data are


def spread(z: Array, bend: Array, grid: Array, count: int) -> Array:
    """Return increasing knots (count + 1,) from 0 to the last datum of one side.

    Knots equidistribute the sum of three densities: an even one, finer around 0, that of the data
    (quantiles), and the root of the bend of a spline found before (de Boor, A Practical Guide to
    Splines, 1978, chapter XII). So no knot lies where no datum is.

    Args:
        z: Arguments of the unit on this side, as distances from 0, shape (b,); not all 0.
        bend: Changes of the curvature between neighbours of the grid, shape (g - 1,); may be 0.
        grid: Distances from 0 to the last datum, increasing, shape (g,).
        count: How many knots beside 0.
    """
    end = grid[-1]
    even = (grid / end) ** NEAR_ZERO
    data = np.searchsorted(np.sort(z), grid, side="right") / max(len(z), 1)
    bends = np.concatenate([[0.0], np.cumsum(np.sqrt(np.abs(bend)))])
    total = even + data + (2.0 * bends / bends[-1] if bends[-1] > 0 else 0.0)
    total = total - total[0] + 1e-9 * grid / end  # increasing: it can be inverted
    knots = np.interp(np.linspace(0.0, total[-1], count + 1), total, grid)
    knots[0], knots[-1] = 0.0, end
    return _apart(knots)


def two_sided_knots(z: Array, count: int, before: tuple[Array, Array] | None = None) -> Array:
    """Return increasing knots (2 count + 1,) of a unit, the middle one 0.

    Args:
        z: Arguments that the data give the unit, shape (b,).
        count: Knots on either side.
        before: Knots and curvature of a spline fitted before; the new knots are finer at its bends.
    """
    below, above = max(0.0, -float(z.min())), max(0.0, float(z.max()))
    largest = max(below, above)
    if largest == 0:
        return np.linspace(-1.0, 1.0, 2 * count + 1)
    below, above = (max(side, SMALLEST_SIDE * largest) for side in (below, above))
    low, high = (_side(s * z, end, count, s, before) for s, end in ((-1, below), (1, above)))
    return np.concatenate([-low[:0:-1], high])


def one_sided_knots(z: Array, count: int, before: tuple[Array, Array] | None = None) -> Array:
    """Return increasing knots (count + 1,) from 0; arguments as of :func:`two_sided_knots`."""
    return _side(z, float(z.max()) or 1.0, count, 1, before)


def _side(z: Array, end: float, count: int, sign: int, before: tuple[Array, Array] | None) -> Array:
    grid = np.linspace(0.0, end, GRID)
    bend = np.zeros(GRID - 1)
    if before is not None:
        bend = np.diff(np.interp(sign * grid, *before))
        bend = _per_interval(bend, grid, np.abs(before[0]))
    return spread(z[z > 0], bend, grid, count)


def _per_interval(bend: Array, grid: Array, knots: Array) -> Array:
    """Return the bends of the grid, divided so that their roots count knots and not grid points."""
    index = np.searchsorted(np.sort(knots), 0.5 * (grid[1:] + grid[:-1]))
    number = np.bincount(index)[index]
    out: Array = bend / number
    return out


def _apart(knots: Array) -> Array:
    """Keep knots apart, so that rounding does not spoil the slopes between them."""
    least = CLOSEST * knots[-1]
    for i in range(1, len(knots)):
        knots[i] = max(knots[i], knots[i - 1] + least)
    return knots
