r"""The default finite-strain law: isotropic, polyconvex, with bounded-slope splines.

    W(F) = sum_i f(l_i) + sum_{i<j} g(l_i l_j) - t ln J + kappa/2 (J - 1)^2,   t = f'(1) + 2 g'(1)

with f and g convex and non-decreasing, so that W is polyconvex (Ball, Arch. Ration. Mech. Anal. 63
(1977) 337) and free of stress at rest for every choice of weights. The last term is a part of its
own because hexahedra take its mean over the cell.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Provenance
from lipmat.materials.stretch_law import StretchLaw
from lipmat.materials.tangent_ranges import Separable, TangentRange, WithLogarithm
from lipmat.spectral.interval import Interval
from lipmat.spectral.splines import SplineRange, spline_energy, spline_slope


class PolyconvexStretch(StretchLaw):
    """Separable polyconvex law in the principal stretches and their products.

    Args:
        stretch_knots: Knots of f, the first of them 0, shape (n,) [-].
        stretch_tension: f'(0) [Pa], not negative.
        stretch_curvature: f'' at the knots [Pa], not negative, shape (n,).
        area_knots: Knots of g, the first of them 0, shape (m,) [-].
        area_tension: g'(0) [Pa], not negative.
        area_curvature: g'' at the knots [Pa], not negative, shape (m,).
        bulk_modulus: kappa [Pa], positive.
        domain: Stretch domain on which the law is certified.

    Raises:
        ValueError: An array is not admissible.
    """

    name: ClassVar[str] = "polyconvex-stretch"
    array_names: ClassVar[tuple[str, ...]] = (
        "stretch_knots",
        "stretch_tension",
        "stretch_curvature",
        "area_knots",
        "area_tension",
        "area_curvature",
        "bulk_modulus",
    )

    def __init__(
        self,
        stretch_knots: Tensor,
        stretch_tension: Tensor,
        stretch_curvature: Tensor,
        area_knots: Tensor,
        area_tension: Tensor,
        area_curvature: Tensor,
        bulk_modulus: Tensor,
        domain: StretchDomain,
        provenance: Provenance | None = None,
    ) -> None:
        weights = (stretch_knots, stretch_tension, stretch_curvature)
        values = (*weights, area_knots, area_tension, area_curvature, bulk_modulus)
        super().__init__(dict(zip(self.array_names, values, strict=True)), domain, provenance)
        self._check()

    def _check(self) -> None:
        for kind in ("stretch", "area"):
            knots, curvature = getattr(self, f"{kind}_knots"), getattr(self, f"{kind}_curvature")
            if knots.ndim != 1 or knots.shape != curvature.shape or len(knots) < 2:
                raise ValueError(f"{kind}_knots and {kind}_curvature must be equal vectors")
            if knots[0] != 0 or not bool((torch.diff(knots) > 0).all()):
                raise ValueError(f"{kind}_knots must start at 0 and increase")
            tension = getattr(self, f"{kind}_tension")
            if not (bool((curvature >= 0).all()) and tension.ndim == 0 and float(tension) >= 0):
                raise ValueError(f"{kind}_curvature and {kind}_tension must not be negative")

    def potential(self, stretches: Tensor) -> Tensor:
        """Return the distortional energy density of the stretches (3,), to a constant [J/m^3]."""
        a, b, c = stretches[0], stretches[1], stretches[2]
        areas = torch.stack([b * c, a * c, a * b])
        f = spline_energy(stretches, *self._weights("stretch")).sum()
        g = spline_energy(areas, *self._weights("area")).sum()
        return f + g - self.rest_tension() * torch.log(stretches).sum()

    def rest_tension(self) -> Tensor:
        """Return t = f'(1) + 2 g'(1) [Pa], which frees the reference state of stress."""
        one = self.stretch_knots.new_ones(1)
        f = spline_slope(one, *self._weights("stretch"))[0]
        return f + 2.0 * spline_slope(one, *self._weights("area"))[0]

    def _weights(self, kind: str) -> tuple[Tensor, Tensor, Tensor]:
        return (
            getattr(self, f"{kind}_knots"),
            getattr(self, f"{kind}_tension"),
            getattr(self, f"{kind}_curvature"),
        )

    def ranges(self, kind: str) -> SplineRange:
        """Return the exact ranges of f (``stretch``) or g (``area``)."""
        knots, tension, curvature = (w.detach().numpy() for w in self._weights(kind))
        return SplineRange(knots, float(tension), curvature)

    def tangent_range(self) -> TangentRange:
        """Return the ranges of the tangent of the distortional part over boxes of stretches."""
        f, g = self.ranges("stretch"), self.ranges("area")
        one = Interval.point(np.ones(1))
        return Separable(WithLogarithm(f, f.slope(one) + g.slope(one) * 2.0), g)
