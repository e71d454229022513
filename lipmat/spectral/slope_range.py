"""Exact ranges of the slope and curvature of two-sided splines over intervals, in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lipmat.spectral.interval import Interval
from lipmat.spectral.splines import range_table

Array = NDArray[np.float64]


class SlopeRange:
    """Ranges over intervals of the splines of ``two_sided``, a batch of units at once.

    ``phi'`` is largest or smallest at an end of the interval or where ``phi''`` changes its sign;
    ``phi''`` at an end or at a knot. Candidates outside the interval are moved to its end, so no
    case is missed and none is counted that is not there.

    Args:
        knots: Increasing knots, one column of them 0, shape (n, k).
        curvature: ``phi''`` at the knots, of any sign, shape (n, k).
    """

    def __init__(self, knots: Array, curvature: Array) -> None:
        self.knots, self._bend = knots, curvature
        area = 0.5 * (curvature[:, 1:] + curvature[:, :-1]) * np.diff(knots, axis=1)
        self._at_knots = np.pad(np.cumsum(area, axis=1), ((0, 0), (1, 0)))
        at_zero = self._at_knots[np.arange(len(knots)), np.argmax(knots == 0, axis=1)]
        self._at_knots = self._at_knots - at_zero[:, None]
        self._turns = self._stationary()
        eps = np.finfo(np.float64).eps
        self._rounding = 4.0 * eps * (knots.shape[1] + 8) * np.abs(curvature).max(axis=1)

    def __call__(self, lo: Array, hi: Array) -> tuple[Array, Array]:
        """Return lower and upper ends (n,) of ``phi_i'`` over ``[lo_i, hi_i]``, rounded outward."""
        values = self._slope(self._candidates(self._turns, lo, hi))
        reach = np.maximum(np.maximum(np.abs(lo), np.abs(hi)), np.abs(self.knots).max(axis=1))
        margin = self._rounding * reach
        return values.min(axis=1) - margin, values.max(axis=1) + margin

    def curvature(self, lo: Array, hi: Array) -> tuple[Array, Array]:
        """Return lower and upper ends (n,) of ``phi_i''`` over ``[lo_i, hi_i]``."""
        places = self._candidates(self.knots, lo, hi)
        rows = zip(places, self.knots, self._bend, strict=True)
        values = np.stack([np.interp(z, t, m) for z, t, m in rows])
        return values.min(axis=1) - self._rounding, values.max(axis=1) + self._rounding

    @staticmethod
    def _candidates(inner: Array, lo: Array, hi: Array) -> Array:
        moved = np.clip(inner, lo[:, None], hi[:, None])
        return np.concatenate([lo[:, None], moved, hi[:, None]], axis=1)

    def _stationary(self) -> Array:
        """Return where ``phi''`` is zero within each piece; its left knot if it is not."""
        left, right = self._bend[:, :-1], self._bend[:, 1:]
        change = left * right < 0
        share = np.where(change, left / np.where(change, left - right, 1.0), 0.0)
        return np.asarray(self.knots[:, :-1] + share * np.diff(self.knots, axis=1))

    def _slope(self, z: Array) -> Array:
        last = self.knots.shape[1] - 1
        k = np.clip((z[:, :, None] >= self.knots[:, None, :]).sum(axis=2) - 1, 0, last)
        dz = z - np.take_along_axis(self.knots, k, axis=1)
        rate = np.pad(np.diff(self._bend, axis=1) / np.diff(self.knots, axis=1), ((0, 0), (0, 1)))
        bend = np.take_along_axis(self._bend, k, axis=1)
        slope = np.take_along_axis(self._at_knots, k, axis=1)
        steeper = np.where(dz > 0, np.take_along_axis(rate, k, axis=1), 0.0)
        return np.asarray(slope + dz * (bend + 0.5 * steeper * dz))


class OneSlopeRange:
    """The same of one spline over many intervals at once, ends and knots by tables.

    The places where ``phi''`` changes its sign are made knots, so that ``phi'`` is monotone between
    knots.

    Args:
        knots: Increasing knots, one of them 0, shape (k,).
        curvature: ``phi''`` at the knots, of any sign, shape (k,).
    """

    def __init__(self, knots: Array, curvature: Array) -> None:
        left, right = curvature[:-1], curvature[1:]
        turns = left * right < 0
        share = left[turns] / (left[turns] - right[turns])
        places = np.concatenate([knots, knots[:-1][turns] + share * np.diff(knots)[turns]])
        order = np.argsort(places, kind="stable")
        self.knots = places[order]
        self._bend = np.concatenate([curvature, np.zeros(int(turns.sum()))])[order]
        width = np.maximum(np.diff(self.knots), np.finfo(np.float64).tiny)
        self._rate = np.append(np.diff(self._bend) / width, 0.0)
        area = 0.5 * (self._bend[1:] + self._bend[:-1]) * np.diff(self.knots)
        at_knots = np.concatenate([[0.0], np.cumsum(area)])
        self._at_knots = at_knots - at_knots[np.argmax(self.knots == 0)]
        values = (self._at_knots, self._bend)
        self._largest = [range_table(v, np.maximum, -np.inf) for v in values]
        self._smallest = [range_table(v, np.minimum, np.inf) for v in values]
        eps = np.finfo(np.float64).eps
        self._rounding = 4.0 * eps * (len(self.knots) + 8) * float(np.abs(curvature).max())

    def slope(self, z: Interval) -> Interval:
        """Return the range of ``phi'`` over intervals."""
        reach = np.maximum(z.magnitude, float(np.abs(self.knots).max()))
        return self._range(self._slope, 0, z, self._rounding * reach)

    def curvature(self, z: Interval) -> Interval:
        """Return the range of ``phi''`` over intervals."""
        return self._range(
            lambda e: np.interp(e, self.knots, self._bend), 1, z, np.array(self._rounding)
        )

    def _range(
        self, function: Callable[[Array], Array], which: int, z: Interval, margin: Array
    ) -> Interval:
        """Return the range of a function that is monotone between knots."""
        first = np.searchsorted(self.knots, z.lo)
        last = np.searchsorted(self.knots, z.hi, side="right")
        ends = function(z.lo), function(z.hi)
        lo = np.minimum(np.minimum(*ends), self._smallest[which][first, last])
        hi = np.maximum(np.maximum(*ends), self._largest[which][first, last])
        return Interval(lo - margin, hi + margin).widened()

    def _slope(self, z: Array) -> Array:
        k = np.clip(np.searchsorted(self.knots, z, side="right") - 1, 0, len(self.knots) - 1)
        dz = z - self.knots[k]
        rate = np.where(dz > 0, self._rate[k], 0.0)
        out: Array = self._at_knots[k] + dz * (self._bend[k] + 0.5 * rate * dz)
        return out
