r"""The default finite-strain law: isotropic, polyconvex, with bounded-slope splines.

    W(F) = sum_i f(l_i) + sum_{i<j} g(l_i l_j) - t ln J + kappa/2 (J - 1)^2,   t = f'(1) + 2 g'(1)

with f and g convex and non-decreasing, so that W is polyconvex (Ball, Arch. Ration. Mech. Anal. 63
(1977) 337) and free of stress at rest for every choice of weights. The last term is a part of its
own because hexahedra take its mean over the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Bound, Part, Provenance
from lipmat.materials.polyconvex_bound import certify
from lipmat.materials.stretches import forces_and_hessian
from lipmat.spectral.splines import SplineRange, spline_energy, spline_slope


class PolyconvexStretch(nn.Module):  # type: ignore[misc]  # torch is not followed
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
    parts = (
        Part("distortional", "stretches"),
        Part("volumetric", "volume_ratio", reduced=True),
    )
    convex = False
    isotropic = True
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
        super().__init__()
        arrays = locals()
        for key in self.array_names:
            self.register_buffer(key, torch.as_tensor(arrays[key], dtype=torch.float64).clone())
        self.domain = domain
        self.provenance = provenance or Provenance()
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
        for key in self.array_names:
            if not bool(torch.isfinite(getattr(self, key)).all()):
                raise ValueError(f"{key} is not finite")
        if self.bulk_modulus.ndim != 0 or float(self.bulk_modulus) <= 0:
            raise ValueError("bulk_modulus must be one positive number")

    def distortional(self, stretches: Tensor) -> Tensor:
        """Return the energy density of the stretches (3,) without the bulk term [J/m^3].

        It is zero at rest.
        """
        rest = self.stretch_knots.new_ones(3)
        return self._distortional(stretches) - self._distortional(rest)

    def _distortional(self, stretches: Tensor) -> Tensor:
        a, b, c = stretches[0], stretches[1], stretches[2]
        areas = torch.stack([b * c, a * c, a * b])
        f = spline_energy(stretches, *self._weights("stretch")).sum()
        g = spline_energy(areas, *self._weights("area")).sum()
        return f + g - self.rest_tension() * torch.log(stretches).sum()

    def volumetric(self, volume_ratio: Tensor) -> Tensor:
        """Return the bulk energy density of the volume ratio (1,) [J/m^3]."""
        change = volume_ratio[0] - 1.0
        return 0.5 * self.bulk_modulus * change * change

    def energy(self, stretches: Tensor) -> Tensor:
        """Return the whole energy density of the stretches (3,) [J/m^3]."""
        return self.distortional(stretches) + self.volumetric(stretches.prod().reshape(1))

    def rest_tension(self) -> Tensor:
        """Return t = f'(1) + 2 g'(1) [Pa], which frees the reference state of stress."""
        one = self.stretch_knots.new_ones(1)
        f = spline_slope(one, *self._weights("stretch"))[0]
        return f + 2.0 * spline_slope(one, *self._weights("area"))[0]

    def rest_moduli(self) -> tuple[float, float]:
        """Return bulk and shear modulus at rest [Pa], from the Hessian of the energy there."""
        rest = torch.ones(1, 3, dtype=torch.float64)
        hessian = forces_and_hessian(self.energy, rest)[1][0]
        return float(hessian.sum()) / 9.0, 0.5 * float(hessian[0, 0] - hessian[0, 1])

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

    def bound(self) -> Bound:
        """Return the certified bound over the ladder of domains, see ``polyconvex_bound``."""
        return self._bound

    @cached_property
    def _bound(self) -> Bound:
        return certify(self)

    def arrays(self) -> dict[str, Tensor]:
        """Return the seven arrays that define the law."""
        return {key: getattr(self, key) for key in self.array_names}

    def settings(self) -> dict[str, Any]:
        """Return the domain."""
        return {"domain": self.domain.as_dict()}

    @classmethod
    def restore(
        cls, arrays: Mapping[str, Tensor], settings: Mapping[str, Any], provenance: Provenance
    ) -> Self:
        """Build the law from what :meth:`arrays` and :meth:`settings` return."""
        domain = StretchDomain(**settings["domain"])
        return cls(**arrays, domain=domain, provenance=provenance)
