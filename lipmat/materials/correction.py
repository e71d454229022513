r"""The correction of a classical law: bounded-slope splines of stretches and areas.

    C(F) = sum_i f(l_i - 1) + sum_{i<j} g(l_i l_j - 1)

with two-sided splines f and g, whose second derivatives lie between their smallest and largest
knot values, of either sign. ``f(0) = f'(0) = 0`` and likewise g, so the correction adds neither
energy nor stress at rest. The outer knot values are 0: beyond the outer knots its forces are
constant, and whatever it adds to the tangent there falls with the stretch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lipmat.materials.tangent_ranges import Scalar
from lipmat.spectral.interval import Interval
from lipmat.spectral.slope_range import OneSlopeRange
from lipmat.spectral.two_sided import two_sided_energy, zero_column

NAMES = ("stretch_knots", "stretch_curvature", "area_knots", "area_curvature")
"""Arrays of a law with a correction, all empty where it has none."""


class Correction:
    """The correction that four arrays define.

    Args:
        stretch_knots: Increasing knots of f, one of them 0, shape (n,) [-]; empty: no f.
        stretch_curvature: f'' at the knots, the first and the last 0, shape (n,) [Pa].
        area_knots: Those of g, shape (m,) [-].
        area_curvature: g'' at the knots, shape (m,) [Pa].

    Raises:
        ValueError: An array is not admissible.
    """

    def __init__(
        self,
        stretch_knots: Tensor,
        stretch_curvature: Tensor,
        area_knots: Tensor,
        area_curvature: Tensor,
    ) -> None:
        self._f = _checked("stretch", stretch_knots, stretch_curvature)
        self._g = _checked("area", area_knots, area_curvature)

    def energy(self, stretches: Tensor) -> Tensor:
        """Return the energy density of the stretches (3,) [J/m^3]."""
        a, b, c = stretches[0], stretches[1], stretches[2]
        areas = torch.stack([b * c, a * c, a * b])
        return _energy(stretches, *self._f) + _energy(areas, *self._g)

    def of_stretch(self) -> tuple[Scalar, ...]:
        """Return f with its ranges, nothing if there is none."""
        return _ranges(*self._f)

    def of_area(self) -> tuple[Scalar, ...]:
        """Return g with its ranges, nothing if there is none."""
        return _ranges(*self._g)


class _FromRest:
    """Ranges of ``phi(l - 1)``."""

    def __init__(self, spline: OneSlopeRange) -> None:
        self._spline = spline

    def slope(self, z: Interval) -> Interval:
        return self._spline.slope(z - 1.0)

    def curvature(self, z: Interval) -> Interval:
        return self._spline.curvature(z - 1.0)


def _checked(kind: str, knots: Tensor, curvature: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return knots and curvature as one unit (1, n), and the column of the knots that is 0."""
    found = f"{kind}_knots and {kind}_curvature"
    if knots.ndim != 1 or knots.shape != curvature.shape or len(knots) in (1, 2):
        shapes = f"{tuple(knots.shape)} and {tuple(curvature.shape)}"
        raise ValueError(f"{found}: found shapes {shapes}, expected equal ones (n,), n = 0 or >= 3")
    if len(knots) == 0:
        return knots[None], curvature[None], 0
    if not bool((torch.diff(knots) > 0).all()):
        raise ValueError(f"{kind}_knots: found some that do not increase")
    if float(curvature[0]) != 0.0 or float(curvature[-1]) != 0.0:
        ends = (float(curvature[0]), float(curvature[-1]))
        raise ValueError(f"{kind}_curvature: found {ends} at its ends, expected zeros")
    try:
        zero = zero_column(knots[None])
    except ValueError as error:
        raise ValueError(f"{kind}_{error}") from None
    return knots[None], curvature[None], zero


def _energy(z: Tensor, knots: Tensor, curvature: Tensor, zero: int) -> Tensor:
    if knots.shape[1] == 0:
        return torch.zeros_like(z[0])
    return two_sided_energy((z - 1.0).unsqueeze(-1), knots, curvature, zero).sum()


def _ranges(knots: Tensor, curvature: Tensor, zero: int) -> tuple[Scalar, ...]:
    if knots.shape[1] == 0:
        return ()
    return (_FromRest(OneSlopeRange(knots[0].numpy(), curvature[0].numpy())),)
