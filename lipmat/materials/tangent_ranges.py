"""Ranges of an isotropic law's tangent over boxes of principal stretches, term by term.

The nine eigenvalues of the tangent are those of a 3 x 3 Hessian and two quotients of each pair
(:mod:`lipmat.materials.stretches`). All are linear in the energy, so the ranges of its terms add.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lipmat.materials.stretches import PAIRS
from lipmat.spectral.interval import Interval
from lipmat.spectral.interval_eigenvalue import largest_eigenvalue
from lipmat.spectral.splines import SplineRange, range_table

Array = NDArray[np.float64]


class State:
    """Ranges of stretches, volume ratio and areas (products of two stretches) over boxes.

    Args:
        box: Principal stretches (n, 3).
        volume: Volume ratios that count (n,).
    """

    def __init__(self, box: Interval, volume: Interval) -> None:
        s = [box.column(i) for i in range(3)]
        self.stretch = s
        self.volume = volume_ratio(box).intersection(volume)
        self.area = [
            (s[i] * s[j]).intersection(self.volume / s[k])
            for i, j, k in ((1, 2, 0), (0, 2, 1), (0, 1, 2))
        ]


def volume_ratio(box: Interval) -> Interval:
    """Return the range of the volume ratio over boxes (n, 3)."""
    a, b, c = (box.column(i) for i in range(3))
    return a * b * c


@dataclass(frozen=True)
class Tangent:
    """Ranges of what makes up the eigenvalues of a tangent, each of shape (n,) [Pa].

    Attributes:
        hessian: Entries (i, j), i <= j, of the Hessian in the stretches.
        differences: ``(p_i - p_j)/(l_i - l_j)`` of PAIRS.
        sums: ``(p_i + p_j)/(l_i + l_j)`` of PAIRS.
    """

    hessian: Mapping[tuple[int, int], Interval]
    differences: tuple[Interval, ...]
    sums: tuple[Interval, ...]

    def __add__(self, other: Tangent) -> Tangent:
        return Tangent(
            {key: entry + other.hessian[key] for key, entry in self.hessian.items()},
            tuple(a + b for a, b in zip(self.differences, other.differences, strict=True)),
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
        )

    def largest(self) -> Array:
        """Return upper bounds of the largest eigenvalue, shape (n,)."""
        pairs = [quotient.hi for quotient in (*self.differences, *self.sums)]
        out: Array = np.maximum.reduce([largest_eigenvalue(dict(self.hessian)), *pairs])
        return out


class TangentRange(Protocol):
    """The tangent of a potential over boxes."""

    def __call__(self, state: State) -> Tangent:
        """Return its ranges."""
        ...


class Scalar(Protocol):
    """A scalar function with ranges of its derivatives."""

    def slope(self, z: Interval) -> Interval:
        """Return the range of the first derivative."""
        ...

    def curvature(self, z: Interval) -> Interval:
        """Return the range of the second derivative."""
        ...


class Separable:
    """``sum f(l_i) + sum_{i<j} g(l_i l_j)``.

    Args:
        f: Function of a stretch.
        g: Function of an area.
    """

    def __init__(self, f: Scalar, g: Scalar) -> None:
        self.f, self.g = f, g

    def __call__(self, state: State) -> Tangent:
        """Return the ranges over boxes."""
        pairs = [self._pair(state, i, j) for i, j in PAIRS]
        return Tangent(self._hessian(state), *zip(*pairs, strict=True))

    def _hessian(self, state: State) -> dict[tuple[int, int], Interval]:
        s, area = state.stretch, state.area
        bend = [self.g.curvature(m) for m in area]
        entries: dict[tuple[int, int], Interval] = {}
        for i in range(3):
            j, k = (n for n in range(3) if n != i)
            entries[i, i] = self.f.curvature(s[i]) + bend[j] * s[k] * s[k] + bend[k] * s[j] * s[j]
        for i, j in PAIRS:
            k = 3 - i - j
            entries[i, j] = self.g.slope(area[k]) + area[k] * bend[k]
        return entries

    def _pair(self, state: State, i: int, j: int) -> tuple[Interval, Interval]:
        k = 3 - i - j
        a, b, c = (state.stretch[n] for n in (i, j, k))
        ac, bc, ab = (self.g.slope(state.area[n]) for n in (j, i, k))
        area_quotient = _quotient(self.g, state.area[j], state.area[i])
        difference = _quotient(self.f, a, b) + c * c * area_quotient - ab
        sides = self.f.slope(a) + self.f.slope(b) + c * (ac + bc)
        return difference, sides / (a + b) + ab


def of_first_invariant(state: State, slope: Interval, curvature: Interval) -> Tangent:
    """Return the ranges of ``u(I1)``, ``I1 = sum l_i^2``, from those of u' and u''."""
    twice = slope * 2.0
    entries = {
        (i, j): curvature * 4.0 * state.stretch[i] * state.stretch[j]
        for i, j in ((0, 0), (1, 1), (2, 2), *PAIRS)
    }
    for i in range(3):
        entries[i, i] = entries[i, i] + twice
    return Tangent(entries, (twice,) * 3, (twice,) * 3)


def first_invariant(state: State) -> Interval:
    """Return the range of the sum of the squared stretches."""
    a, b, c = (s * s for s in state.stretch)
    return a + b + c


@dataclass(frozen=True)
class Logarithm:
    """``-t ln z`` for positive z."""

    t: Interval

    def slope(self, z: Interval) -> Interval:
        """Return the range of ``-t / z``."""
        return -(self.t / z)

    def curvature(self, z: Interval) -> Interval:
        """Return the range of ``t / z^2``."""
        return self.t / (z * z)


@dataclass(frozen=True)
class Total:
    """The sum of some functions."""

    terms: tuple[Scalar, ...]

    def slope(self, z: Interval) -> Interval:
        """Return the sum of the ranges of the slopes."""
        return _total([term.slope(z) for term in self.terms], z)

    def curvature(self, z: Interval) -> Interval:
        """Return the sum of the ranges of the curvatures."""
        return _total([term.curvature(z) for term in self.terms], z)


def _total(ranges: list[Interval], z: Interval) -> Interval:
    out = Interval(np.zeros_like(z.lo), np.zeros_like(z.lo))
    for each in ranges:
        out = out + each
    return out


class WithLogarithm:
    """Ranges of slope and curvature of ``psi(z) - t ln z``, both terms taken together, t >= 0."""

    def __init__(self, spline: SplineRange, t: Interval) -> None:
        self.spline, self.t = spline, t
        at_knots = Interval.point(spline.knots[1:])  # the first knot is 0: in no interval
        values = spline.curvature(at_knots) + t / (at_knots * at_knots)
        self._largest = range_table(np.append(-np.inf, values.hi), np.maximum, -np.inf)

    def slope(self, z: Interval) -> Interval:
        """Return the range of ``psi'(z) - t / z``."""
        return self.spline.slope(z) - self.t / z

    def curvature(self, z: Interval) -> Interval:
        """Between knots it is convex, so largest at an end or at a knot inside."""
        whole = self.spline.curvature(z) + self.t / (z * z)
        points = (Interval.point(z.lo), Interval.point(z.hi))
        ends = [(self.spline.curvature(e) + self.t / (e * e)).hi for e in points]
        largest = np.maximum(np.maximum(*ends), self._largest[self.spline.inside(z)])
        return Interval(whole.lo, np.minimum(whole.hi, largest))


class Volumetric:
    """``kappa/2 (J - 1)^2``, with [Pa] kappa."""

    def __init__(self, kappa: float) -> None:
        self.kappa = kappa

    def __call__(self, state: State) -> Tangent:
        """Return the ranges over boxes: the two quotients of a pair differ by their sign."""
        cofactor, change = state.area, state.volume - 1.0
        shift = [change * s * self.kappa for s in state.stretch]
        entries = {(i, i): cofactor[i] * cofactor[i] * self.kappa for i in range(3)}
        for i, j in PAIRS:
            entries[i, j] = cofactor[i] * cofactor[j] * self.kappa + shift[3 - i - j]
        sums = tuple(shift[3 - i - j] for i, j in PAIRS)
        return Tangent(entries, tuple(-s for s in sums), sums)


def _quotient(function: Scalar, a: Interval, b: Interval) -> Interval:
    """Return the range of ``(psi'(a) - psi'(b)) / (a - b)``, a mean of ``psi''`` between them."""
    mean = function.curvature(a.hull(b))
    direct = (function.slope(a) - function.slope(b)) / (a - b)
    return mean.intersection(direct)
