"""The states on which an adopted law is certified: a range of the principal values of a measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import exp
from typing import Any

import torch
from torch import Tensor

from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import SMALL_STRAIN, Measure
from lipmat.materials.mandel import ROOT2, to_tensor, to_vector

SIZES: Mapping[Measure, int] = {
    "strain": 6,
    "principal_strains": 3,
    "log_strain": 6,
    "principal_log_strains": 3,
    "stretches": 3,
}
"""Measures that a network can be adopted in, and how many numbers they are."""
_SLACK = 1e-12


@dataclass(frozen=True)
class AdoptedDomain:
    """All states whose principal strains or stretches are in ``[low, high]``.

    Attributes:
        measure: What the network takes.
        low: Smallest principal value [-].
        high: Largest principal value [-].
    """

    measure: Measure
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.measure not in SIZES:
            raise ValueError(f"measure: found {self.measure!r}, expected one of {', '.join(SIZES)}")
        least = {"stretches": 0.0}.get(self.measure, -1 / 3 if self.small else -torch.inf)
        if not least < self.low < self.rest < self.high < torch.inf:
            raise ValueError(
                f"domain: found {self.low:g} to {self.high:g} for {self.measure}, expected a range "
                f"around {self.rest:g}" + (f" above {least:.3g}" if least > -torch.inf else "")
            )

    @property
    def rest(self) -> float:
        """The principal values at rest."""
        return 1.0 if self.measure == "stretches" else 0.0

    @property
    def small(self) -> bool:
        """Whether the measure is one of small strain."""
        return self.measure in SMALL_STRAIN

    @property
    def size(self) -> int:
        """How many numbers the measure has."""
        return SIZES[self.measure]

    def at_rest(self) -> Tensor:
        """Return the numbers of the measure at rest."""
        return torch.full((self.size,), self.rest, dtype=torch.float64)

    def in_stretches(self) -> StretchDomain:
        """Return the domain that a run watches.

        Of small strain e the principal values of ``1 + e`` are its stretches and ``1 + tr e`` its
        volume ratio; else the volume ratio is free within the stretches.
        """
        if self.small:
            a, b = 1.0 + self.low, 1.0 + self.high
            return StretchDomain(a, b, 1.0 + 3.0 * self.low, 1.0 + 3.0 * self.high)
        logarithmic = self.measure != "stretches"
        a, b = (exp(x) if logarithmic else x for x in (self.low, self.high))
        return StretchDomain(a, b, a**3, b**3)

    def box(self) -> tuple[Tensor, Tensor]:
        """Return the corners of a box around the domain."""
        lo, hi = (torch.full((self.size,), x, dtype=torch.float64) for x in (self.low, self.high))
        if self.size == 6:
            shear = 0.5 * (self.high - self.low) * (1.0 + _SLACK)
            lo[3:], hi[3:] = -ROOT2 * shear, ROOT2 * shear
        return lo, hi

    def outside(self, lo: Tensor, hi: Tensor) -> Tensor:
        """Tell which boxes, given by their corners (b, m), hold no state to be certified.

        Of principal values only states in descending order are needed. Of a tensor with its
        principal values in the range, the distance from the middle is at most that of a corner, and
        no block of two rows has a shear above the root of ``(e_ii - low)(e_jj - low)`` or
        ``(high - e_ii)(high - e_jj)``.
        """
        if self.size == 3:
            return (hi[:, 0] < lo[:, 1]) | (hi[:, 1] < lo[:, 2])
        middle = 0.5 * (self.low + self.high)
        centre = torch.tensor([middle] * 3 + [0.0] * 3, dtype=torch.float64)
        a, b = lo - centre, hi - centre
        near = torch.where(a > 0, a, torch.where(b < 0, b, 0.0))
        radius = 0.5 * (self.high - self.low)
        out = near.square().sum(1) > 3.0 * radius**2 * (1.0 + _SLACK)
        for k, (i, j) in enumerate(((1, 2), (0, 2), (0, 1)), 3):
            shear = 0.5 * near[:, k] ** 2
            above = (hi[:, i] - self.low) * (hi[:, j] - self.low)
            below = (self.high - lo[:, i]) * (self.high - lo[:, j])
            out |= shear > torch.minimum(above, below) + _SLACK * radius**2
        return out

    def nearest(self, points: Tensor) -> Tensor:
        """Return the states (n, m) with their principal values moved into the range."""
        if self.size == 3:
            return points.clamp(self.low, self.high).sort(dim=1, descending=True).values
        values, vectors = torch.linalg.eigh(to_tensor(points))
        clipped = values.clamp(self.low, self.high)
        return to_vector((vectors * clipped.unsqueeze(-2)) @ vectors.mT)

    def holds(self, points: Tensor, slack: float = 0.0) -> Tensor:
        """Tell which states (n, m) lie inside, up to a share of the range."""
        values = points if self.size == 3 else torch.linalg.eigvalsh(to_tensor(points))
        margin = slack * (self.high - self.low)
        out: Tensor = ((values >= self.low - margin) & (values <= self.high + margin)).all(1)
        return out

    def random(self, count: int, seed: int = 0) -> Tensor:
        """Return random states (n, m) inside, the first of them at rest; many at the corners."""
        generator = torch.Generator().manual_seed(seed)
        kind = {"generator": generator, "dtype": torch.float64}
        values = self.low + (self.high - self.low) * torch.rand(count, 3, **kind)
        third = count // 3
        ends = torch.randint(2, (third, 3), generator=generator, dtype=torch.float64)
        values[:third] = self.low + (self.high - self.low) * ends
        if self.size == 3:
            points = values.sort(dim=1, descending=True).values
        else:
            q = torch.linalg.qr(torch.randn(count, 3, 3, **kind)).Q
            points = to_vector((q * values.unsqueeze(-2)) @ q.mT)
        points[0] = self.at_rest()
        return points

    def as_dict(self) -> dict[str, Any]:
        """Return the measure and the range."""
        return asdict(self)
