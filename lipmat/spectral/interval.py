"""Interval arithmetic on arrays, with outward rounding.

Each operation is rounded to nearest by the machine and then widened, so that the
true range is inside (Moore, Kearfott & Cloud, Introduction to Interval Analysis, SIAM 2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ROUNDING = 4.0 * np.finfo(np.float64).eps
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Interval:
    """Arrays of intervals ``[lo, hi]`` of equal shape."""

    lo: Array
    hi: Array

    @classmethod
    def point(cls, value: Array | float) -> Self:
        """Return the interval that holds one exact number."""
        array = np.asarray(value, dtype=np.float64)
        return cls(array, array)

    def widened(self) -> Interval:
        """Return the interval with both ends moved outward by a few units in the last place."""
        margin = _ROUNDING * np.maximum(np.abs(self.lo), np.abs(self.hi)) + _TINY
        return Interval(self.lo - margin, self.hi + margin)

    def __getitem__(self, rows: NDArray[np.bool_]) -> Interval:
        """Return the chosen rows."""
        return Interval(self.lo[rows], self.hi[rows])

    def column(self, i: int) -> Interval:
        """Return a column of boxes (n, d), shape (n,)."""
        return Interval(self.lo[:, i], self.hi[:, i])

    @property
    def magnitude(self) -> Array:
        """The largest absolute value."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    def __neg__(self) -> Interval:
        return Interval(-self.hi, -self.lo)

    def __add__(self, other: Interval | float) -> Interval:
        o = _as(other)
        return Interval(self.lo + o.lo, self.hi + o.hi).widened()

    __radd__ = __add__

    def __sub__(self, other: Interval | float) -> Interval:
        return self + (-_as(other))

    def __mul__(self, other: Interval | float) -> Interval:
        o = _as(other)
        ends = (self.lo * o.lo, self.lo * o.hi, self.hi * o.lo, self.hi * o.hi)
        return Interval(np.minimum.reduce(ends), np.maximum.reduce(ends)).widened()

    __rmul__ = __mul__

    def __truediv__(self, other: Interval | float) -> Interval:
        """Divide by intervals; where the divisor holds zero the quotient is the whole line."""
        o = _as(other)
        through_zero = (o.lo <= 0) & (o.hi >= 0)
        safe = Interval(np.where(through_zero, 1.0, o.lo), np.where(through_zero, 1.0, o.hi))
        q = self * Interval(1.0 / safe.hi, 1.0 / safe.lo).widened()
        lo = np.where(through_zero, -np.inf, q.lo)
        return Interval(lo, np.where(through_zero, np.inf, q.hi))

    def hull(self, other: Interval) -> Interval:
        """Return the smallest interval that holds both."""
        return Interval(np.minimum(self.lo, other.lo), np.maximum(self.hi, other.hi))

    def intersection(self, other: Interval) -> Interval:
        """Return the common part; both must hold the wanted value, so it is not empty."""
        return Interval(np.maximum(self.lo, other.lo), np.minimum(self.hi, other.hi))


def _as(value: Interval | float) -> Interval:
    return value if isinstance(value, Interval) else Interval.point(value)
