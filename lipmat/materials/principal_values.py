r"""The isotropic default: a network of the three principal strains.

    W = sum_i sum_pi phi_i(b_i . pi lambda),   b_i = whitened a_i,   pi over the six permutations

with two-sided splines ``phi_i`` of bounded slope. A symmetric function of the principal values is
convex, and its tangent below ``C0 = 3K P_vol + 2G P_dev``, exactly if it is so as a function of the
three numbers (Davis, Arch. Math. 8 (1957) 276; Lewis, SIAM J. Optim. 6 (1996) 164; Lewis & Sendov,
SIAM J. Matrix Anal. Appl. 23 (2001) 368). With ``o = (1, 1, 1) / sqrt 3`` and ``phi_i'' <= M_i``
the Hessian is below ``sum_i M_i sum_pi (pi b_i)(pi b_i)^T``, which commutes with permutations, so

    3K = 6 sum_i M_i (b_i . o)^2,      2G = 3 sum_i M_i |b_i - (b_i . o) o|^2.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lipmat.materials.domain import StretchDomain
from lipmat.materials.isotropic import (
    checked_stiffness,
    coaxial_stress,
    rescaled,
    whitened,
)
from lipmat.materials.law import Provenance
from lipmat.materials.mandel import isotropic_stiffness
from lipmat.materials.network import Array, Kinematics, NetworkLaw
from lipmat.materials.spline_units import (
    certified_flattest,
    certified_steepest,
    check_positive,
    checked_zero,
    steepest,
)
from lipmat.spectral.loewner import largest_ratio, rounding_margin
from lipmat.spectral.sampling import largest_found, ray_points
from lipmat.spectral.slope_range import SlopeRange
from lipmat.spectral.two_sided import two_sided_curvature, two_sided_energy, two_sided_slope

PERMUTATIONS = tuple(permutations(range(3)))


def turned(vectors: Tensor) -> Tensor:
    """Return the six permutations of vectors (n, 3), shape (6, n, 3)."""
    return torch.stack([vectors[:, p] for p in PERMUTATIONS])


def energy_of(
    strain: Tensor,
    directions: Tensor,
    knots: Tensor,
    curvature: Tensor,
    stiffness: Tensor,
    zero: int,
) -> Tensor:
    """Return the energy density at principal strains (..., 3), shape (...) [J/m^3].

    Args:
        strain: Principal strains in any order [-].
        directions: ``a_i``, shape (n, 3) [-].
        knots: Knots of the units, shape (n, k) [Pa^(1/2)].
        curvature: ``phi_i''`` at the knots, shape (n, k) [-].
        stiffness: ``(3K, 2G)`` of the whitening [Pa].
        zero: Column of the knots that is 0.
    """
    z = torch.einsum("...c,pnc->...pn", strain, turned(whitened(directions, stiffness)))
    return two_sided_energy(z, knots, curvature, zero).sum((-1, -2))


def stress_of(
    strain: Tensor,
    directions: Tensor,
    knots: Tensor,
    curvature: Tensor,
    stiffness: Tensor,
    zero: int,
) -> Tensor:
    """Return the principal stresses (..., 3) [Pa]; arguments as of :func:`energy_of`."""
    b = turned(whitened(directions, stiffness))
    z = torch.einsum("...c,pnc->...pn", strain, b)
    return torch.einsum("...pn,pnc->...c", two_sided_slope(z, knots, curvature, zero), b)


def gram(vectors: Tensor, weights: Tensor) -> Tensor:
    """Return the stiffness (3K, 2G) of units with vectors (n, 3) and curvatures (n,).

    Of whitened directions it is in [Pa]; of plain ones it is (h_v, h_d), at most 1 each if the
    stiffness of the whitening is to be a bound.
    """
    mean = vectors.mean(1)
    rest = vectors - mean[:, None]
    volumetric = 18.0 * (weights * mean * mean).sum()  # (b . o)^2 = 3 mean^2
    return torch.stack([volumetric, 3.0 * (weights * (rest * rest).sum(1)).sum()])


def normalised(directions: Tensor, curvature: Tensor) -> Tensor:
    """Return directions scaled so that the bound is the stiffness of the whitening.

    The volumetric part of all directions is divided by ``sqrt h_v``, the rest by ``sqrt h_d``; it
    is differentiable. A part in which no unit points stays as it is.
    """
    return rescaled(directions, _inverse_root(gram(directions, steepest(curvature))))


def sealed(directions: Tensor, knots: Tensor, curvature: Tensor) -> Tensor:
    """Return directions shrunk so that the certified bound is at most that of the whitening."""
    h = gram(directions, certified_steepest(knots, curvature))
    h = h * (1.0 + 8.0 * rounding_margin(len(directions)))
    return rescaled(directions, h.clamp_min(1.0).rsqrt())


def _inverse_root(h: Tensor) -> Tensor:
    return torch.where(h > 0, h, 1.0).rsqrt()


class PrincipalValues(NetworkLaw):
    """Isotropic network in the principal strains.

    Args:
        directions: ``a_i`` in whitened principal strains, shape (n, 3) [-].
        knots: Increasing knots of each unit, one column of them 0, shape (n, k) [Pa^(1/2)].
        curvature: ``phi_i''`` at the knots, shape (n, k) [-]; negative where the law softens.
        bulk_modulus: Modulus of the volumetric part [Pa]; 0: there is none.
        stiffness: ``(3K, 2G)`` of the whitening [Pa], positive.
        kinematics: ``small`` or ``log``.
        domain: Stretch domain of a ``log`` law.
        provenance: Where the law comes from.

    Raises:
        ValueError: An array or a setting is not admissible.
    """

    name: ClassVar[str] = "principal-values"
    array_names: ClassVar[tuple[str, ...]] = (
        "directions",
        "knots",
        "curvature",
        "bulk_modulus",
        "stiffness",
    )

    def __init__(
        self,
        directions: Any,
        knots: Any,
        curvature: Any,
        bulk_modulus: Any,
        stiffness: Any,
        kinematics: Kinematics = "small",
        domain: StretchDomain | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        values = (directions, knots, curvature, bulk_modulus, stiffness)
        arrays = dict(zip(self.array_names, values, strict=True))
        super().__init__(arrays, kinematics, domain, provenance)
        checked_stiffness(self.stiffness)
        self.zero = checked_zero("", self.directions, 3, self.knots, self.curvature)
        check_positive(self.curvature)

    def vectors(self) -> Tensor:
        """Return ``b_i``, the directions in plain principal strains, shape (n, 3) [Pa^(1/2)]."""
        return whitened(self.directions, self.stiffness)

    def network(self, strain: Tensor) -> Tensor:
        """Return the energy density at principal strains (3,) [J/m^3]."""
        s = [strain[0], strain[1], strain[2]]
        orders = torch.stack([torch.stack([s[k] for k in p]) for p in PERMUTATIONS])
        z = (orders.unsqueeze(1) * self.vectors()).sum(-1)
        return two_sided_energy(z, self.knots, self.curvature, self.zero).sum()

    def network_stress(self, strain: Tensor) -> Tensor:
        """Return the stress of the network at Mandel strains (n, 6), shape (n, 6) [Pa]."""
        return coaxial_stress(strain, lambda values: stress_of(values, *self._weights()))

    def _weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        return self.directions, self.knots, self.curvature, self.stiffness, self.zero

    def smallest_curvature(self) -> float:
        """Return the smallest curvature of any unit."""
        return float(self.curvature.min())

    def reference(self) -> Array:
        """Return C0 = 3K P_vol + 2G P_dev of the network, shape (6, 6) [Pa]."""
        moduli = gram(self.vectors(), certified_steepest(self.knots, self.curvature)).numpy()
        return isotropic_stiffness(*(moduli * (1.0 + rounding_margin(len(self.directions)))))

    def lower_reference(self) -> Array:
        """Return an isotropic stiffness below the tangent of the network, shape (6, 6) [Pa]."""
        lowest = certified_flattest(self.knots, self.curvature)
        margin = rounding_margin(len(lowest)) * gram(self.vectors(), lowest.abs())
        return isotropic_stiffness(*(gram(self.vectors(), lowest) - margin).numpy())

    def rest_stiffness(self) -> Array:
        """Return the tangent of the network at zero strain, shape (6, 6) [Pa]."""
        return isotropic_stiffness(*gram(self.vectors(), self.curvature[:, self.zero]).numpy())

    def largest_sampled_ratio(self) -> float:
        """Return the largest eigenvalue of the tangent against C0 that sampling finds [-]."""
        rng = np.random.default_rng(0)
        start = ray_points(self.vectors().numpy(), self.knots.numpy(), rng)
        return largest_found(self._ratios, start, rng)

    def _ratios(self, strain: Array) -> Array:
        """Return the largest eigenvalue of the tangent against C0 at principal strains (m, 3).

        Shear entries of the tangent are left out: each is a mean over other states of a quadratic
        form of the Hessian, so that they are nowhere larger than that.
        """
        _, hessian = self.principal_response(torch.from_numpy(strain))
        return largest_ratio(hessian.numpy(), self.reference()[:3, :3])

    def principal_response(self, strain: Tensor) -> tuple[Tensor, Tensor]:
        """Return principal stresses (n, 3) and their derivative (n, 3, 3) [Pa]."""
        b = turned(self.vectors())
        z = torch.einsum("mc,pnc->mpn", strain, b)
        bend = two_sided_curvature(z, self.knots, self.curvature, self.zero)
        hessian = torch.einsum("mpn,pnc,pnd->mcd", bend, b, b)
        return stress_of(strain, *self._weights()), hessian

    def stress_limit(self, low: float, high: float) -> float:
        """Return a bound of all principal stresses where principal strains are in [low, high]."""
        b = self.vectors().numpy()
        ends = np.stack([b * low, b * high])
        slope = SlopeRange(self.knots.numpy(), self.curvature.numpy())
        lo, hi = slope(ends.min(0).sum(1), ends.max(0).sum(1))
        # each component of b_i meets each axis in two of the six permutations
        most = 2.0 * np.maximum(b * lo[:, None], b * hi[:, None]).sum()
        least = 2.0 * np.minimum(b * lo[:, None], b * hi[:, None]).sum()
        return float(max(most, -least)) * (1.0 + rounding_margin(b.size))
