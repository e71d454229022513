"""Certified bound of the polyconvex law's tangent over a stretch domain.

Upper bounds over boxes of principal stretches come from interval arithmetic: each spline's slope
and curvature is exact on an interval, difference quotients of a slope lie in the range of its
curvature, and the largest eigenvalue of an interval matrix is at most that of its midpoint plus
the norm of its radius. Branch and bound closes the gap to what sampling finds. By symmetry
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
from lipmat.spectral.splines import SplineRange

if TYPE_CHECKING:
    from lipmat.materials.polyconvex import PolyconvexStretch

Array = NDArray[np.float64]
RULE = "interval arithmetic with branch and bound over the principal stretches"
_ROUNDING = 1.0 + 1e-12  # covers the rounding of 3 x 3 eigenvalues and of the midpoint


def certify(law: PolyconvexStretch) -> Bound:
    """Return the bounds of both parts over the law's ladder of domains."""
    rungs = []
    for domain in ladder(law.domain):
        parts = {name: enclose(law, name, domain) for name in ("distortional", "volumetric")}
        rungs.append(
            Rung(
                domain,
                {name: e.bound for name, e in parts.items()},
                {name: e.sampled for name, e in parts.items()},
            )
        )
    return Bound(RULE, tuple(rungs))


def enclose(law: PolyconvexStretch, part: str, domain: StretchDomain) -> Enclosure:
    """Enclose the largest tangent eigenvalue [Pa] of one part over a domain."""
    bounds = _Distortional(law) if part == "distortional" else _Volumetric(law)

    def potential(x: torch.Tensor) -> torch.Tensor:
        if part == "distortional":
            return law.distortional(x)
        return law.volumetric(x.prod().reshape(1))

    def upper(box: Interval) -> Array:
        out = np.full(len(box.lo), -np.inf)
        keep = _admissible(box, domain)
        if keep.any():
            out[keep] = bounds.upper(Interval(box.lo[keep], box.hi[keep])) * _ROUNDING
        return out

    def sample(points: Array) -> Array:
        out = np.full(len(points), -np.inf)
        points = _repaired(points, domain)
        keep = domain.contains(points)
        if keep.any():
            with torch.no_grad():
                out[keep] = largest_tangent(potential, torch.from_numpy(points[keep])).numpy()
        return out

    return maximise(upper, sample, np.full(3, domain.stretch_min), np.full(3, domain.stretch_max))


def _admissible(box: Interval, domain: StretchDomain) -> NDArray[np.bool_]:
    """Tell which boxes can hold an ordered state with an admissible volume ratio."""
    ordered = (box.hi[:, 0] >= box.lo[:, 1]) & (box.hi[:, 1] >= box.lo[:, 2])
    j = _volume_ratio(box)
    out: NDArray[np.bool_] = ordered & (j.hi >= domain.volume_min) & (j.lo <= domain.volume_max)
    return out


def _repaired(points: Array, domain: StretchDomain) -> Array:
    """Move the smallest stretch so that the volume ratio is admissible: maxima lie on that edge."""
    area = points[:, 0] * points[:, 1]
    slack = 1e-13  # keeps the rounded product inside
    lowest, highest = domain.volume_min * (1 + slack), domain.volume_max * (1 - slack)
    smallest = np.clip(points[:, 2], lowest / area, highest / area)
    return np.column_stack([points[:, :2], smallest])


def _component(box: Interval, i: int) -> Interval:
    return Interval(box.lo[:, i], box.hi[:, i])


def _volume_ratio(box: Interval) -> Interval:
    return _component(box, 0) * _component(box, 1) * _component(box, 2)


class _Distortional:
    """Upper bounds of the tangent of sum f + sum g - t ln J over boxes."""

    def __init__(self, law: PolyconvexStretch) -> None:
        self.f, self.g = law.ranges("stretch"), law.ranges("area")
        one = Interval.point(np.ones(1))
        self.t = self.f.slope(one) + self.g.slope(one) * 2.0

    def upper(self, box: Interval) -> Array:
        stretch = [_component(box, i) for i in range(3)]
        bounds = [self._hessian(stretch)]
        for i, j in PAIRS:
            bounds += self._pair(stretch[i], stretch[j], stretch[3 - i - j])
        out: Array = np.maximum.reduce(bounds)
        return out

    def _hessian(self, s: list[Interval]) -> Array:
        entries: dict[tuple[int, int], Interval] = {}
        for i in range(3):
            j, k = (n for n in range(3) if n != i)
            area = self.g.curvature(s[i] * s[k]) * s[k] * s[k]
            area += self.g.curvature(s[i] * s[j]) * s[j] * s[j]
            entries[i, i] = self.f.curvature(s[i]) + area + self.t / (s[i] * s[i])
        for i, j in PAIRS:
            m = s[i] * s[j]
            entries[i, j] = self.g.slope(m) + m * self.g.curvature(m)
        return largest_eigenvalue(entries)

    def _pair(self, a: Interval, b: Interval, c: Interval) -> list[Array]:
        area, rest = self.g.slope(a * b), self.t / (a * b)
        difference = _quotient(self.f, a, b) + c * c * _quotient(self.g, a * c, b * c) - area + rest
        sides = self.f.slope(a) + self.f.slope(b)
        sides += c * (self.g.slope(a * c) + self.g.slope(b * c))
        total = sides / (a + b) + area - rest
        return [difference.hi, total.hi]


class _Volumetric:
    """Upper bounds of the tangent of kappa/2 (J - 1)^2 over boxes."""

    def __init__(self, law: PolyconvexStretch) -> None:
        self.kappa = float(law.bulk_modulus)

    def upper(self, box: Interval) -> Array:
        s = [_component(box, i) for i in range(3)]
        change = _volume_ratio(box) - 1.0
        cofactor = [s[1] * s[2], s[0] * s[2], s[0] * s[1]]
        entries = {(i, i): cofactor[i] * cofactor[i] * self.kappa for i in range(3)}
        for i, j in PAIRS:
            entries[i, j] = (cofactor[i] * cofactor[j] + change * s[3 - i - j]) * self.kappa
        pairs = [(change * s[k] * self.kappa).magnitude for k in range(3)]
        out: Array = np.maximum.reduce([largest_eigenvalue(entries), *pairs])
        return out


def _quotient(spline: SplineRange, a: Interval, b: Interval) -> Interval:
    """Return the range of ``(psi'(a) - psi'(b)) / (a - b)``, a mean of ``psi''`` between them."""
    mean = spline.curvature(a.hull(b))
    direct = (spline.slope(a) - spline.slope(b)) / (a - b)
    return mean.intersection(direct)


def largest_eigenvalue(entries: dict[tuple[int, int], Interval]) -> Array:
    """Return upper bounds of the largest eigenvalue of symmetric 3 x 3 interval matrices.

    ``lambda_max(X) <= lambda_max(mid) + lambda_max(rad)`` (Rohn, 1998).
    """
    first = entries[0, 0]
    middle = np.zeros((*first.lo.shape, 3, 3))
    radius = np.zeros_like(middle)
    for (i, j), e in entries.items():
        middle[..., i, j] = middle[..., j, i] = 0.5 * (e.lo + e.hi)
        radius[..., i, j] = radius[..., j, i] = 0.5 * (e.hi - e.lo)
    top: Array = np.linalg.eigvalsh(middle)[..., -1] + np.linalg.eigvalsh(radius)[..., -1]
    scale = np.abs(middle).sum(axis=(-1, -2)) + radius.sum(axis=(-1, -2))
    return top + 1e-14 * scale
