"""Certified bound of the tangent of a law in principal stretches over a stretch domain.

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
from lipmat.materials.stretches import largest_tangent
from lipmat.materials.tangent_ranges import State, Volumetric, volume_ratio
from lipmat.spectral.branch_and_bound import Enclosure, maximise
from lipmat.spectral.interval import Interval

if TYPE_CHECKING:
    from lipmat.materials.stretch_law import StretchLaw

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
RULE = "interval arithmetic with branch and bound over the principal stretches"
_ROUNDING = 1.0 + 1e-12  # covers the rounding of 3 x 3 eigenvalues and of the midpoint


def certify(law: StretchLaw) -> Bound:
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
    law: StretchLaw,
    part: str,
    domains: tuple[StretchDomain, ...],
    least: Array | None = None,
) -> list[Enclosure]:
    """Enclose the largest tangent eigenvalue [Pa] of one part over each of the domains.

    With ``least`` (domains,) the larger of it and that is enclosed.
    """
    volumetric = Volumetric(float(law.bulk_modulus))
    ranges = law.tangent_range() if part == "distortional" else volumetric
    limits = np.array([[*d.as_dict().values()] for d in domains])
    lo, hi = (np.repeat(limits[:, k : k + 1], 3, axis=1) for k in (0, 1))

    def upper(box: Interval, number: Numbers) -> Array:
        out = np.full(len(number), -np.inf)
        volume = Interval(limits[number, 2], limits[number, 3])
        keep = _admissible(box, volume)
        if keep.any():
            out[keep] = ranges(State(box[keep], volume[keep])).largest() * _ROUNDING
        return out

    def sample(points: Array, number: Numbers) -> Array:
        moved = np.stack([_repaired(points, limits[number], axis) for axis in (0, 2)])
        inside = np.stack([_inside(states, limits[number]) for states in moved])
        out = np.full(inside.shape, -np.inf)
        if inside.any():
            out[inside] = _sampled(law, part, moved[inside])
        return np.asarray(out.max(axis=0))

    return maximise(upper, sample, lo, hi, least=least)


def _sampled(law: StretchLaw, part: str, stretches: Array) -> Array:
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
    j = volume_ratio(box)
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
