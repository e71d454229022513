"""Certified bound of the polyconvex law's tangent over a stretch domain.

Upper bounds over boxes of principal stretches come from interval arithmetic: each spline's slope
and curvature is exact on an interval, difference quotients of a slope lie in the range of its
curvature, and the largest eigenvalue of an interval matrix follows from its middle and radius.
Branch and bound closes the gap to what sampling finds. By symmetry
only ordered stretches are searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from lipmat.materials.domain import StretchDomain, ladder
from lipmat.materials.law import Bound, Rung
from lipmat.materials.stretches import PAIRS, largest_tangent
from lipmat.spectral.branch_and_bound import Enclosure, maximise
from lipmat.spectral.interval import Interval
from lipmat.spectral.interval_eigenvalue import largest_eigenvalue
from lipmat.spectral.splines import SplineRange, range_table

if TYPE_CHECKING:
    from lipmat.materials.polyconvex import PolyconvexStretch

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
RULE = "interval arithmetic with branch and bound over the principal stretches"
_ROUNDING = 1.0 + 1e-12  # covers the rounding of 3 x 3 eigenvalues and of the midpoint


def certify(law: PolyconvexStretch) -> Bound:
    """Return the bounds of both parts over the law's ladder of domains.

    The distortional part is bounded for every volume ratio, see :meth:`StretchDomain.any_volume`.
    """
    domains = ladder(law.domain)
    everywhere = tuple(d.any_volume() for d in domains)
    parts = {
        "distortional": enclose(law, "distortional", everywhere),
        "volumetric": enclose(law, "volumetric", domains),
    }
    rungs = (
        Rung(
            domain,
            {name: found[k].bound for name, found in parts.items()},
            {name: found[k].sampled for name, found in parts.items()},
        )
        for k, domain in enumerate(domains)
    )
    return Bound(RULE, tuple(rungs))


def enclose(
    law: PolyconvexStretch, part: str, domains: tuple[StretchDomain, ...]
) -> list[Enclosure]:
    """Enclose the largest tangent eigenvalue [Pa] of one part over each of the domains."""
    bounds = _Distortional(law) if part == "distortional" else _Volumetric(law)
    limits = np.array([[*d.as_dict().values()] for d in domains])
    lo, hi = (np.repeat(limits[:, k : k + 1], 3, axis=1) for k in (0, 1))

    def upper(box: Interval, number: Numbers) -> Array:
        out = np.full(len(number), -np.inf)
        volume = Interval(limits[number, 2], limits[number, 3])
        keep = _admissible(box, volume)
        if keep.any():
            out[keep] = bounds.upper(_State(box[keep], volume[keep])) * _ROUNDING
        return out

    def sample(points: Array, number: Numbers) -> Array:
        out = np.full(len(points), -np.inf)
        for axis in (0, 2):
            moved = _repaired(points, limits[number], axis)
            inside = _inside(moved, limits[number])
            if inside.any():
                values = _sampled(law, part, moved[inside])
                out[inside] = np.maximum(out[inside], values)
        return out

    return maximise(upper, sample, lo, hi)


def _sampled(law: PolyconvexStretch, part: str, stretches: Array) -> Array:
    """Return the largest tangent eigenvalue of one part at states (n, 3), shape (n,) [Pa]."""

    def volumetric(x: torch.Tensor) -> torch.Tensor:
        return law.volumetric(x.prod().reshape(1))

    potential = law.distortional if part == "distortional" else volumetric
    with torch.no_grad():
        values: Array = largest_tangent(potential, torch.from_numpy(stretches)).numpy()
    return values


def _admissible(box: Interval, volume: Interval) -> NDArray[np.bool_]:
    """Tell which boxes can hold an ordered state with an admissible volume ratio."""
    ordered = (box.hi[:, 0] >= box.lo[:, 1]) & (box.hi[:, 1] >= box.lo[:, 2])
    j = _volume_ratio(box)
    out: NDArray[np.bool_] = ordered & (j.hi >= volume.lo) & (j.lo <= volume.hi)
    return out


def _inside(stretches: Array, limits: Array) -> NDArray[np.bool_]:
    """Tell which states (n, 3) lie inside the limits (n, 4) of their domains."""
    stretch_min, stretch_max, volume_min, volume_max = limits.T
    j = stretches.prod(axis=1)
    volume = (j >= volume_min) & (j <= volume_max)
    smallest, largest = stretches.min(axis=1), stretches.max(axis=1)
    out: NDArray[np.bool_] = volume & (smallest >= stretch_min) & (largest <= stretch_max)
    return out


def _repaired(points: Array, limits: Array, axis: int) -> Array:
    """Move one stretch so that the volume ratio is admissible: maxima lie on that edge."""
    area = points.prod(axis=1) / points[:, axis]
    slack = 1e-13  # keeps the rounded product inside
    moved = points.copy()
    moved[:, axis] = np.clip(
        points[:, axis], limits[:, 2] * (1 + slack) / area, limits[:, 3] * (1 - slack) / area
    )
    return moved


def _volume_ratio(box: Interval) -> Interval:
    a, b, c = (box.column(i) for i in range(3))
    return a * b * c


class _State:
    """Ranges of stretches, volume ratio and areas (products of two stretches) over boxes."""

    def __init__(self, box: Interval, volume: Interval) -> None:
        s = [box.column(i) for i in range(3)]
        self.stretch = s
        self.volume = _volume_ratio(box).intersection(volume)
        self.area = [
            (s[i] * s[j]).intersection(self.volume / s[k])
            for i, j, k in ((1, 2, 0), (0, 2, 1), (0, 1, 2))
        ]


class _WithLogarithm:
    """Ranges of slope and curvature of ``psi(z) - t ln z``, both terms taken together."""

    def __init__(self, spline: SplineRange, t: Interval) -> None:
        self.spline, self.t = spline, t
        at_knots = Interval.point(spline.knots[1:])  # the first knot is 0: in no interval
        values = spline.curvature(at_knots) + t / (at_knots * at_knots)
        self._largest = range_table(np.append(-np.inf, values.hi), np.maximum, -np.inf)

    def slope(self, z: Interval) -> Interval:
        return self.spline.slope(z) - self.t / z

    def curvature(self, z: Interval) -> Interval:
        """Between knots it is convex, so largest at an end or at a knot inside."""
        whole = self.spline.curvature(z) + self.t / (z * z)
        points = (Interval.point(z.lo), Interval.point(z.hi))
        ends = [(self.spline.curvature(e) + self.t / (e * e)).hi for e in points]
        largest = np.maximum(np.maximum(*ends), self._largest[self.spline.inside(z)])
        return Interval(whole.lo, np.minimum(whole.hi, largest))


class _Distortional:
    """Upper bounds of the tangent of sum (f - t ln) + sum g over boxes."""

    def __init__(self, law: PolyconvexStretch) -> None:
        f, self.g = law.ranges("stretch"), law.ranges("area")
        one = Interval.point(np.ones(1))
        self.f = _WithLogarithm(f, f.slope(one) + self.g.slope(one) * 2.0)

    def upper(self, state: _State) -> Array:
        bounds = [self._hessian(state)]
        for i, j in PAIRS:
            bounds += self._pair(state, i, j)
        out: Array = np.maximum.reduce(bounds)
        return out

    def _hessian(self, state: _State) -> Array:
        s, area = state.stretch, state.area
        bend = [self.g.curvature(m) for m in area]
        entries: dict[tuple[int, int], Interval] = {}
        for i in range(3):
            j, k = (n for n in range(3) if n != i)
            entries[i, i] = self.f.curvature(s[i]) + bend[j] * s[k] * s[k] + bend[k] * s[j] * s[j]
        for i, j in PAIRS:
            k = 3 - i - j
            entries[i, j] = self.g.slope(area[k]) + area[k] * bend[k]
        return largest_eigenvalue(entries)

    def _pair(self, state: _State, i: int, j: int) -> list[Array]:
        k = 3 - i - j
        a, b, c = (state.stretch[n] for n in (i, j, k))
        ac, bc, ab = (self.g.slope(state.area[n]) for n in (j, i, k))
        area_quotient = _quotient(self.g, state.area[j], state.area[i])
        difference = _quotient(self.f, a, b) + c * c * area_quotient - ab
        sides = self.f.slope(a) + self.f.slope(b) + c * (ac + bc)
        return [difference.hi, (sides / (a + b) + ab).hi]


class _Volumetric:
    """Upper bounds of the tangent of kappa/2 (J - 1)^2 over boxes."""

    def __init__(self, law: PolyconvexStretch) -> None:
        self.kappa = float(law.bulk_modulus)

    def upper(self, state: _State) -> Array:
        cofactor, change = state.area, state.volume - 1.0
        shift = [change * s * self.kappa for s in state.stretch]
        entries = {(i, i): cofactor[i] * cofactor[i] * self.kappa for i in range(3)}
        for i, j in PAIRS:
            entries[i, j] = cofactor[i] * cofactor[j] * self.kappa + shift[3 - i - j]
        bounds = [largest_eigenvalue(entries), *(s.magnitude for s in shift)]
        out: Array = np.maximum.reduce(bounds)
        return out


def _quotient(spline: SplineRange | _WithLogarithm, a: Interval, b: Interval) -> Interval:
    """Return the range of ``(psi'(a) - psi'(b)) / (a - b)``, a mean of ``psi''`` between them."""
    mean = spline.curvature(a.hull(b))
    direct = (spline.slope(a) - spline.slope(b)) / (a - b)
    return mean.intersection(direct)
