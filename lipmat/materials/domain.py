"""Domains of stretch on which a law is certified, and the ladder of nested ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RUNGS = (1.05, 1.1, 1.2, 1.4, 1.7, 2.2, 3.0, 4.5, 7.0, 10.0)


@dataclass(frozen=True)
class StretchDomain:
    """All states with ``stretch_min <= principal stretch <= stretch_max`` and bounded volume ratio.

    The stretches are those at every quadrature point, the volume ratio that at the points where the
    volumetric part is integrated.

    Attributes:
        stretch_min: Smallest principal stretch [-].
        stretch_max: Largest principal stretch [-].
        volume_min: Smallest volume ratio J [-].
        volume_max: Largest volume ratio J [-].
    """

    stretch_min: float
    stretch_max: float
    volume_min: float
    volume_max: float

    def __post_init__(self) -> None:
        if not 0 < self.stretch_min < 1 < self.stretch_max < np.inf:
            raise ValueError(f"stretches must hold 0 < min < 1 < max, found {self}")
        if not 0 < self.volume_min < 1 < self.volume_max < np.inf:
            raise ValueError(f"volume ratios must hold 0 < min < 1 < max, found {self}")

    def holds(self, stretch_min: float, stretch_max: float, j_min: float, j_max: float) -> bool:
        """Tell whether all states with these extremes lie inside."""
        return (
            self.stretch_min <= stretch_min
            and stretch_max <= self.stretch_max
            and self.volume_min <= j_min
            and j_max <= self.volume_max
        )

    def contains(self, stretches: Array) -> NDArray[np.bool_]:
        """Tell which states lie inside; ``stretches`` (n, 3)."""
        j = stretches.prod(axis=1)
        inside = (stretches >= self.stretch_min) & (stretches <= self.stretch_max)
        out: NDArray[np.bool_] = inside.all(1) & (j >= self.volume_min) & (j <= self.volume_max)
        return out

    def any_volume(self) -> StretchDomain:
        """Return all states within the same stretches, whatever their volume ratio.

        Parts in stretches are certified there: at the corners of a hexahedron the volume ratio
        wanders far from that of the point that the volumetric part sees.
        """
        low, high = self.stretch_min, self.stretch_max
        return StretchDomain(low, high, low**3, high**3)

    def as_dict(self) -> dict[str, float]:
        """Return the four limits by name."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"stretch {self.stretch_min:.3g}…{self.stretch_max:.3g}, "
            f"volume {self.volume_min:.3g}…{self.volume_max:.3g}"
        )


def ladder(last: StretchDomain) -> tuple[StretchDomain, ...]:
    """Return nested domains that grow from near the reference state to ``last``.

    A run uses the step of the smallest one that holds every point of the body.
    """
    rungs = []
    for a in RUNGS:
        swell = 1.0 + 0.4 * (a - 1.0)
        rung = StretchDomain(
            max(1.0 / a, last.stretch_min),
            min(a, last.stretch_max),
            max(1.0 / swell, last.volume_min),
            min(swell, last.volume_max),
        )
        if rung != last and a < max(last.stretch_max, 1.0 / last.stretch_min):
            rungs.append(rung)
    return (*rungs, last)
