r"""Isotropic network of the invariants p and q: cheap, and blind to the Lode angle.

    W = sum_i [phi_i(a_p p + a_q q) + phi_i(a_p p - a_q q)]

with ``p = sqrt(3K) tr e / sqrt 3`` and ``q = sqrt(2G) ||dev e||``, parts of the whitened strain.
W is even in q, so that it is smooth at ``q = 0``. In the plane of p and q its Hessian lies below
``2 sum_i M_i diag(a_p^2, a_q^2)``: the mixed terms of the two splines cancel in the sum of their
bounds. The other four curvatures are ``W'(q)/q``, each a mean of ``W''`` along q because
``W'(0) = 0``; so the second number bounds them too, and

    C0 = 3K h_p P_vol + 2G h_q P_dev,     h_p = 2 sum_i M_i a_p^2,     h_q = 2 sum_i M_i a_q^2.

In place of ``||dev e||`` stands ``sqrt(||dev e||^2 + d^2)``, d = 1e-9, which has derivatives at
rest. The bound holds for it as it stands: with ``s = ||dev e|| / sqrt(...) <= 1`` the Hessian is
``diag(1, s)`` times that above times ``diag(1, s)`` plus ``(1 - s^2) W'(q)/q`` in the second place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lipmat.materials.domain import StretchDomain
from lipmat.materials.isotropic import checked_stiffness
from lipmat.materials.law import Measure, Provenance
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

FLOOR = 1e-9  # d, a strain [-]


def invariants(strain: Tensor, stiffness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return p, q and the deviator of strains (..., 3) or (..., 6).

    Args:
        strain: Principal strains or Mandel vectors [-]; both have the same invariants.
        stiffness: ``(3K, 2G)`` of the whitening [Pa].

    Returns:
        p and q, shape (...) [Pa^(1/2)], and ``dev e``, shape of the strain [-].
    """
    trace = strain[..., 0] + strain[..., 1] + strain[..., 2]
    deviator = strain - (trace / 3.0).unsqueeze(-1) * _volume(strain)
    square = (deviator * deviator).sum(-1) + FLOOR * FLOOR
    return (stiffness[0] / 3.0).sqrt() * trace, (stiffness[1] * square).sqrt(), deviator


def _volume(strain: Tensor) -> Tensor:
    """Return (1, 1, 1) or, for Mandel vectors, (1, 1, 1, 0, 0, 0)."""
    return torch.tensor([1.0] * 3 + [0.0] * (strain.shape[-1] - 3), dtype=torch.float64)


def energy_of(
    strain: Tensor,
    directions: Tensor,
    knots: Tensor,
    curvature: Tensor,
    stiffness: Tensor,
    zero: int,
) -> Tensor:
    """Return the energy density at strains (..., 3) or (..., 6), shape (...) [J/m^3].

    Args:
        strain: Principal strains or Mandel vectors [-].
        directions: ``(a_p, a_q)``, shape (n, 2) [-].
        knots: Knots of the units, shape (n, k) [Pa^(1/2)].
        curvature: ``phi_i''`` at the knots, shape (n, k) [-].
        stiffness: ``(3K, 2G)`` of the whitening [Pa].
        zero: Column of the knots that is 0.
    """
    p, q, _ = invariants(strain, stiffness)
    z = _arguments(p, q, directions)
    return two_sided_energy(z, knots, curvature, zero).sum(-1).sum(-1)


def stress_of(
    strain: Tensor,
    directions: Tensor,
    knots: Tensor,
    curvature: Tensor,
    stiffness: Tensor,
    zero: int,
) -> Tensor:
    """Return the stress, shape of the strain [Pa]; arguments as of :func:`energy_of`."""
    p, q, deviator = invariants(strain, stiffness)
    in_p, in_q = forces_of(p, q, directions, knots, curvature, zero)
    spherical = ((stiffness[0] / 3.0).sqrt() * in_p).unsqueeze(-1) * _volume(strain)
    return spherical + (stiffness[1] * in_q / q).unsqueeze(-1) * deviator


def forces_of(
    p: Tensor, q: Tensor, directions: Tensor, knots: Tensor, curvature: Tensor, zero: int
) -> tuple[Tensor, Tensor]:
    """Return ``dW/dp`` and ``dW/dq``, shape (...) [Pa^(1/2)]."""
    slope = two_sided_slope(_arguments(p, q, directions), knots, curvature, zero)
    plus, minus = slope[..., 0, :], slope[..., 1, :]
    in_p = (directions[:, 0] * (plus + minus)).sum(-1)
    return in_p, (directions[:, 1] * (plus - minus)).sum(-1)


def _arguments(p: Tensor, q: Tensor, directions: Tensor) -> Tensor:
    """Return ``a_p p + a_q q`` and ``a_p p - a_q q``, shape (..., 2, n)."""
    along, across = p.unsqueeze(-1) * directions[:, 0], q.unsqueeze(-1) * directions[:, 1]
    return torch.stack([along + across, along - across], -2)


def gram(directions: Tensor, weights: Tensor) -> Tensor:
    """Return ``(h_p, h_q) = 2 sum_i w_i (a_p^2, a_q^2)``, at most 1 to keep (3K, 2G)."""
    return 2.0 * (weights.unsqueeze(-1) * directions * directions).sum(0)


def normalised(directions: Tensor, curvature: Tensor) -> Tensor:
    """Return directions scaled so that the bound is the stiffness of the whitening.

    It is differentiable. A column that is 0 stays as it is.
    """
    h = gram(directions, steepest(curvature))
    return directions * torch.where(h > 0, h, 1.0).rsqrt()


def sealed(directions: Tensor, knots: Tensor, curvature: Tensor) -> Tensor:
    """Return directions shrunk so that the certified bound is at most that of the whitening."""
    h = gram(directions, certified_steepest(knots, curvature))
    h = h * (1.0 + 8.0 * rounding_margin(len(directions)))
    return directions * h.clamp_min(1.0).rsqrt()


class PQ(NetworkLaw):
    """Isotropic network in the invariants p and q.

    It needs no principal values at small strain, where its measure is the strain itself.

    Args:
        directions: ``(a_p, a_q)``, shape (n, 2) [-].
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

    name: ClassVar[str] = "pq"
    measures: ClassVar[Mapping[str, Measure]] = {"small": "strain", "log": "principal_log_strains"}
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
        self.zero = checked_zero("", self.directions, 2, self.knots, self.curvature)
        check_positive(self.curvature)

    def network(self, strain: Tensor) -> Tensor:
        """Return the energy density at one Mandel strain (6,) or at principal strains (3,) [J/m^3].

        At rest it is that of the floor d, 1e-18 of the moduli.
        """
        return energy_of(strain, *self._weights())

    def network_stress(self, strain: Tensor) -> Tensor:
        """Return the stress of the network at Mandel strains (n, 6), shape (n, 6) [Pa]."""
        return stress_of(strain, *self._weights())

    def _weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        return self.directions, self.knots, self.curvature, self.stiffness, self.zero

    def smallest_curvature(self) -> float:
        """Return the smallest curvature of any unit."""
        return float(self.curvature.min())

    def _isotropic(self, weights: Tensor) -> Array:
        return isotropic_stiffness(*(self.stiffness * gram(self.directions, weights)).numpy())

    def reference(self) -> Array:
        """Return C0 = 3K h_p P_vol + 2G h_q P_dev of the network, shape (6, 6) [Pa]."""
        margin = rounding_margin(len(self.directions))
        return self._isotropic(certified_steepest(self.knots, self.curvature)) * (1.0 + margin)

    def lower_reference(self) -> Array:
        """Return an isotropic stiffness below the tangent of the network, shape (6, 6) [Pa]."""
        lowest = certified_flattest(self.knots, self.curvature)
        margin = rounding_margin(len(lowest)) * self._isotropic(lowest.abs())
        return self._isotropic(lowest) - margin

    def rest_stiffness(self) -> Array:
        """Return the tangent of the network at zero strain, shape (6, 6) [Pa]."""
        return self._isotropic(self.curvature[:, self.zero])

    def largest_sampled_ratio(self) -> float:
        """Return the largest eigenvalue of the tangent against C0 that sampling finds [-]."""
        rng = np.random.default_rng(0)
        start = ray_points(self.directions.numpy(), self.knots.numpy(), rng)
        return largest_found(self._ratios, start, rng)

    def _ratios(self, points: Array) -> Array:
        """Return the largest eigenvalue of the tangent against C0 at points (p, q), (m, 2)."""
        p, q = torch.from_numpy(points).unbind(1)
        z = _arguments(p, q, self.directions)
        bend = two_sided_curvature(z, self.knots, self.curvature, self.zero)
        mirror = torch.tensor([1.0, -1.0], dtype=torch.float64)
        both = torch.stack([self.directions, self.directions * mirror])
        hessian = torch.einsum("msn,snc,snd->mcd", bend, both, both)
        margin = rounding_margin(len(self.directions))
        h = gram(self.directions, certified_steepest(self.knots, self.curvature)) * (1.0 + margin)
        return np.asarray(largest_ratio(hessian.numpy(), np.diag(h.numpy())))

    def stress_limit(self, low: float, high: float) -> float:
        """Return a bound of all principal stresses where principal strains are in [low, high]."""
        three_bulk, two_shear = np.sqrt(self.stiffness.numpy())
        along, across = self.directions.numpy().T
        p = np.sort(np.sqrt(3.0) * three_bulk * np.outer(along, [low, high]), axis=1)
        q = np.abs(across) * two_shear * (np.sqrt(2.0 / 3.0) * (high - low) + FLOOR)
        lo, hi = SlopeRange(self.knots.numpy(), self.curvature.numpy())(p[:, 0] - q, p[:, 1] + q)
        largest = np.maximum(np.abs(lo), np.abs(hi))
        in_p = (2.0 * np.abs(along) * largest).sum() * three_bulk / np.sqrt(3.0)
        in_q = (np.abs(across) * (hi - lo)).sum() * two_shear * np.sqrt(2.0 / 3.0)
        return float(in_p + in_q) * (1.0 + rounding_margin(self.directions.numel()))
