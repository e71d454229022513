"""Certified bound of the distortional stress of a polyconvex law over a stretch domain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipmat.materials.domain import StretchDomain
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.tangent_ranges import State, WithLogarithm, volume_ratio
from lipmat.spectral.interval import Interval

Array = NDArray[np.float64]
PIECES = 30  # of each stretch's range


def largest_stress(law: PolyconvexStretch, domain: StretchDomain) -> float:
    """Return a bound of ``|P|`` of the distortional part over a domain, Frobenius norm [Pa].

    Interval arithmetic over small boxes of the ordered stretches: with f, g and t of the law
    ``p_i = f'(l_i) - t / l_i + sum_j l_j g'(l_i l_j)``.
    """
    boxes, volume = _boxes(domain)
    state = State(boxes, volume)
    f, g = law.ranges("stretch"), law.ranges("area")
    one = Interval.point(np.ones(1))
    own = WithLogarithm(f, f.slope(one) + g.slope(one) * 2.0)
    across = [g.slope(area) for area in state.area]
    squares: list[Array] = []
    for i in range(3):
        j, k = (n for n in range(3) if n != i)
        s = state.stretch
        force = own.slope(s[i]) + s[j] * across[k] + s[k] * across[j]
        squares.append(force.magnitude**2)
    return float(np.sqrt(np.sum(squares, axis=0)).max()) * (1.0 + 1e-14)


def _boxes(domain: StretchDomain) -> tuple[Interval, Interval]:
    """Return boxes (n, 3) that hold all ordered states of a domain, and its volume ratios (n,)."""
    ends = np.geomspace(domain.stretch_min, domain.stretch_max, PIECES + 1)
    ends[0], ends[-1] = domain.stretch_min, domain.stretch_max
    n = np.array([(a, b, c) for a in range(PIECES) for b in range(a + 1) for c in range(b + 1)])
    boxes = Interval(ends[n], ends[n + 1])
    volume = Interval(*(np.full(len(n), v) for v in (domain.volume_min, domain.volume_max)))
    j = volume_ratio(boxes)
    inside = (j.hi >= volume.lo) & (j.lo <= volume.hi)
    return boxes[inside], volume[inside]
