r"""The anisotropic network: ridges and group ridges of the strain in material axes.

    W = sum_i phi_i(a_i . x) + sum_j psi_j(||B_j x||),   x = S^(1/2) e,   psi_j'(0) = 0

with two-sided splines ``phi_i`` and splines ``psi_j`` on ``r >= 0``, all of bounded slope. A ridge
has the Hessian ``phi'' a a^T``. A group ridge has, with ``u = B x / r``, ``B^T [psi'' u u^T +
(psi' / r)(1 - u u^T)] B``, and ``psi' / r`` is a mean of ``psi''`` because ``psi'(0) = 0``. So

    C0 = S^(1/2) H S^(1/2),    H = sum_i M_i a_i a_i^T + sum_j N_j B_j^T B_j.

In place of ``||B x||`` stands ``sqrt(||B x||^2 + d^2)``, d = 1e-9 of the last knot, which has
derivatives at rest and the same bound: then ``|u| <= 1``.

Symmetry is made by orbits: the arrays hold every image of a ridge under the group, with the same
spline, and this is checked (``symmetry.orbit`` makes them). Under transverse isotropy, whose orbits
are infinite, ridges are functions of the two linear invariants, and all else is done by groups.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lipmat.materials import symmetry as groups
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Measure, Provenance
from lipmat.materials.mandel import to_tensor
from lipmat.materials.network import Array, Kinematics, NetworkLaw
from lipmat.materials.spline_units import (
    certified_flattest,
    certified_steepest,
    check_positive,
    checked_zero,
    steepest,
)
from lipmat.spectral.loewner import enclosed, inverse_root, largest_ratio, rounding_margin, shrinker
from lipmat.spectral.loewner import gram as gram_of_vectors
from lipmat.spectral.sampling import largest_found, ray_points
from lipmat.spectral.slope_range import SlopeRange
from lipmat.spectral.two_sided import two_sided_curvature, two_sided_energy, two_sided_slope

FLOOR = 1e-9  # d over the last knot


def root(stiffness: Tensor) -> Tensor:
    """Return ``S^(1/2)`` of a symmetric positive definite stiffness (6, 6)."""
    values, vectors = torch.linalg.eigh(stiffness)
    return (vectors * values.sqrt()) @ vectors.T


def stress_of(
    strain: Tensor,
    ridges: tuple[Tensor, Tensor, Tensor],
    group_ridges: tuple[Tensor, Tensor, Tensor],
    zero: int,
) -> Tensor:
    """Return the stress at Mandel strains (..., 6), shape (..., 6) [Pa].

    Args:
        strain: Mandel strains in material axes [-].
        ridges: Vectors ``S^(1/2) a_i`` (n, 6) [Pa^(1/2)], knots and curvature (n, k).
        group_ridges: Matrices ``B_j S^(1/2)`` (m, r, 6), knots from 0 and curvature (m, l).
        zero: Column of the ridges' knots that is 0.
    """
    vectors, knots, curvature = ridges
    stress = two_sided_slope(strain @ vectors.T, knots, curvature, zero) @ vectors
    matrices, group_knots, group_curvature = group_ridges
    if len(matrices) == 0:
        return stress
    moved, length = lengths(strain, matrices, group_knots)
    pull = two_sided_slope(length, group_knots, group_curvature, 0) / length
    return stress + torch.einsum("...m,...mr,mri->...i", pull, moved, matrices)


def lengths(strain: Tensor, matrices: Tensor, knots: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``B_j x`` (..., m, r) and its floored length (..., m) at strains (..., 6)."""
    moved = (matrices * strain.unsqueeze(-2).unsqueeze(-2)).sum(-1)
    floor = FLOOR * knots[:, -1]
    return moved, ((moved * moved).sum(-1) + floor * floor).sqrt()


def gram(vectors: Tensor, steep: Tensor, matrices: Tensor, group_steep: Tensor) -> Tensor:
    """Return ``sum M a a^T + sum N B^T B``, shape (6, 6), of vectors (n, 6), matrices (m, r, 6)."""
    rows = matrices.shape[1] if matrices.ndim == 3 else 0
    weights = torch.cat([steep, group_steep.repeat_interleave(rows)])
    return gram_of_vectors(torch.cat([vectors, matrices.reshape(-1, 6)]), weights)


def normalised(
    directions: Tensor, curvature: Tensor, group_matrices: Tensor, group_curvature: Tensor
) -> tuple[Tensor, Tensor]:
    """Return directions and group matrices whose Gram matrix H is 1; differentiable.

    Both are multiplied by ``H^(-1/2)``, which commutes with every symmetry that H has.
    """
    h = gram(directions, steepest(curvature), group_matrices, steepest(group_curvature))
    t = inverse_root(h)
    return directions @ t, group_matrices @ t


def sealed(
    ridges: tuple[Tensor, Tensor, Tensor],
    group_ridges: tuple[Tensor, Tensor, Tensor],
    stiffness: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return directions and group matrices shrunk so that the certified C0 is at most S.

    The margin of C0 is a share of its diagonal, which is at most so much of ``diag S``.

    Args:
        ridges: Directions (n, 6) in whitened strain, knots and curvature (n, k).
        group_ridges: Matrices (m, r, 6) in whitened strain, knots and curvature (m, l).
        stiffness: S, shape (6, 6) [Pa].
    """
    (directions, *splines), (matrices, *group_splines) = ridges, group_ridges
    steep, group_steep = certified_steepest(*splines), certified_steepest(*group_splines)
    s = stiffness.numpy()
    share = float(largest_ratio(np.diag(np.diag(s)), s))
    margin = 8.0 * share * rounding_margin(_terms(directions, matrices))
    t = shrinker(gram(directions, steep, matrices, group_steep) * (1.0 + margin))
    return directions @ t, matrices @ t


def _terms(directions: Tensor, matrices: Tensor) -> int:
    return len(directions) + int(matrices.shape[0] * matrices.shape[1])


class Ridge(NetworkLaw):
    """Anisotropic network of the strain in material axes.

    Args:
        directions: ``a_i`` in whitened Mandel strain, full orbits, shape (n, 6) [-].
        knots: Increasing knots of each ridge, one column of them 0, shape (n, k) [Pa^(1/2)].
        curvature: ``phi_i''`` at the knots, shape (n, k) [-]; negative where the law softens.
        group_matrices: ``B_j``, shape (m, r, 6) [-]; m may be 0.
        group_knots: Increasing knots of each group from 0, shape (m, l) [Pa^(1/2)].
        group_curvature: ``psi_j''`` at the knots, shape (m, l) [-].
        bulk_modulus: Modulus of the volumetric part [Pa]; 0: there is none.
        stiffness: S of the whitening, symmetric positive definite, shape (6, 6) [Pa].
        symmetry: ``orthotropic`` (planes normal to the axes), ``transversely-isotropic`` (fibres
            along axis 1), ``cubic`` or ``none``; checked.
        kinematics: ``small`` or ``log``.
        domain: Stretch domain of a ``log`` law.
        provenance: Where the law comes from.

    Raises:
        ValueError: An array or a setting is not admissible, or the arrays lack the symmetry.
    """

    name: ClassVar[str] = "ridge"
    isotropic = False
    measures: ClassVar[dict[str, Measure]] = {"small": "strain", "log": "log_strain"}
    array_names: ClassVar[tuple[str, ...]] = (
        "directions",
        "knots",
        "curvature",
        "group_matrices",
        "group_knots",
        "group_curvature",
        "bulk_modulus",
        "stiffness",
    )

    def __init__(
        self,
        directions: Any,
        knots: Any,
        curvature: Any,
        group_matrices: Any,
        group_knots: Any,
        group_curvature: Any,
        bulk_modulus: Any,
        stiffness: Any,
        symmetry: groups.Symmetry = "none",
        kinematics: Kinematics = "small",
        domain: StretchDomain | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        arrays = {key: value for key, value in locals().items() if key in self.array_names}
        super().__init__(arrays, kinematics, domain, provenance)
        self.symmetry = groups.checked_symmetry(symmetry)
        self.zero = checked_zero("", self.directions, 6, self.knots, self.curvature)
        self._check_groups()
        check_positive(self.curvature, self.group_curvature)
        self._check_stiffness()
        self._check_symmetry()

    def _check_groups(self) -> None:
        matrices = self.group_matrices
        if matrices.ndim != 3 or matrices.shape[2] != 6:
            raise ValueError(
                f"group_matrices: found shape {tuple(matrices.shape)}, expected (m, r, 6)"
            )
        rows = matrices.flatten(1)
        zero = checked_zero("group_", rows, rows.shape[1], self.group_knots, self.group_curvature)
        if zero != 0:
            raise ValueError("group_knots: found negative knots, expected the first one to be 0")

    def _check_stiffness(self) -> None:
        s = self.stiffness
        if s.shape != (6, 6) or not torch.equal(s, s.T):
            raise ValueError(f"stiffness: found shape {tuple(s.shape)}, expected symmetric (6, 6)")
        smallest = float(torch.linalg.eigvalsh(s)[0])
        if smallest <= 0:
            raise ValueError(f"stiffness: found the eigenvalue {smallest:.3g} Pa, expected > 0")

    def _check_symmetry(self) -> None:
        s = self.symmetry
        ridges = torch.cat([self.knots, self.curvature], 1)
        forms = self.group_matrices.transpose(1, 2) @ self.group_matrices
        group_labels = torch.cat([self.group_knots, self.group_curvature], 1)
        checks = {
            "directions": groups.has_symmetry(s, self.directions, ridges),
            "group_matrices": groups.forms_have_symmetry(s, forms, group_labels),
            "stiffness": groups.forms_have_symmetry(s, self.stiffness[None], torch.zeros(1, 1)),
        }
        for key, holds in checks.items():
            if not holds:
                raise ValueError(f"{key}: found no {s} symmetry, expected full orbits of the group")

    def ridges(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return vectors (n, 6) in plain strain [Pa^(1/2)], knots and curvature (n, k)."""
        return self.directions @ root(self.stiffness), self.knots, self.curvature

    def group_ridges(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return matrices (m, r, 6) in plain strain [Pa^(1/2)], knots and curvature (m, l)."""
        matrices = self.group_matrices @ root(self.stiffness)
        return matrices, self.group_knots, self.group_curvature

    def network(self, strain: Tensor) -> Tensor:
        """Return the energy density at one Mandel strain (6,) in material axes [J/m^3].

        At rest it is that of the floor d, 1e-18 of the moduli.
        """
        vectors, knots, curvature = self.ridges()
        matrices, group_knots, group_curvature = self.group_ridges()
        parts = []
        if len(vectors):
            z = (vectors * strain).sum(-1)
            parts.append(two_sided_energy(z, knots, curvature, self.zero).sum())
        if len(matrices):
            _, length = lengths(strain, matrices, group_knots)
            parts.append(two_sided_energy(length, group_knots, group_curvature, 0).sum())
        return parts[0] + parts[1] if len(parts) == 2 else parts[0]

    def network_stress(self, strain: Tensor) -> Tensor:
        """Return the stress of the network at Mandel strains (n, 6), shape (n, 6) [Pa]."""
        return stress_of(strain, self.ridges(), self.group_ridges(), self.zero)

    def _splines(self) -> tuple[tuple[Tensor, Tensor, Tensor], ...]:
        return self.ridges(), self.group_ridges()

    def smallest_curvature(self) -> float:
        """Return the smallest curvature of any unit."""
        return float(torch.cat([self.curvature.flatten(), self.group_curvature.flatten()]).min())

    def _gram(self, steep: Tensor, group_steep: Tensor) -> Array:
        matrix: Array = gram(self.ridges()[0], steep, self.group_ridges()[0], group_steep).numpy()
        return 0.5 * (matrix + matrix.T)

    def reference(self) -> Array:
        """Return C0 of the network, shape (6, 6) [Pa]."""
        matrix = self._gram(*(certified_steepest(*x[1:]) for x in self._splines()))
        return enclosed(matrix, _terms(self.directions, self.group_matrices))

    def lower_reference(self) -> Array:
        """Return a stiffness below the tangent of the network, shape (6, 6) [Pa]."""
        low, group_low = (certified_flattest(*x[1:]) for x in self._splines())
        matrix, largest = self._gram(low, group_low), self._gram(low.abs(), group_low.abs())
        margin = enclosed(largest, _terms(self.directions, self.group_matrices)) - largest
        return matrix - margin

    def rest_stiffness(self) -> Array:
        """Return the tangent of the network at zero strain, shape (6, 6) [Pa]."""
        return self._gram(self.curvature[:, self.zero], self.group_curvature[:, 0])

    def largest_sampled_ratio(self) -> float:
        """Return the largest eigenvalue of the tangent against C0 that sampling finds [-]."""
        rng = np.random.default_rng(0)
        vectors, knots, _ = self.ridges()
        matrices, group_knots, _ = self.group_ridges()
        rows = matrices.flatten(0, 1)
        row_knots = group_knots.repeat_interleave(matrices.shape[1], 0)
        start = [
            ray_points(v.numpy(), t.numpy(), rng)
            for v, t in ((vectors, knots), (rows, row_knots))
            if len(v)
        ]
        return largest_found(self._ratios, np.concatenate(start), rng)

    def _ratios(self, strain: Array) -> Array:
        """Return the largest eigenvalue of the tangent against C0 at strains (m, 6)."""
        tangent = self.tangents(torch.from_numpy(strain)).numpy()
        return np.asarray(largest_ratio(tangent, self.reference()))

    def tangents(self, strain: Tensor) -> Tensor:
        """Return the tangent of the network at Mandel strains (n, 6), shape (n, 6, 6) [Pa]."""
        vectors, knots, curvature = self.ridges()
        bend = two_sided_curvature(strain @ vectors.T, knots, curvature, self.zero)
        out = torch.einsum("bn,ni,nj->bij", bend, vectors, vectors)
        matrices, knots, curvature = self.group_ridges()
        if len(matrices) == 0:
            return out
        moved, length = lengths(strain, matrices, knots)
        across = two_sided_slope(length, knots, curvature, 0) / length
        along = (two_sided_curvature(length, knots, curvature, 0) - across) / (length * length)
        pulled = torch.einsum("bmr,mri->bmi", moved, matrices)
        out = out + torch.einsum("bm,bmi,bmj->bij", along, pulled, pulled)
        return out + torch.einsum("bm,mri,mrj->bij", across, matrices, matrices)

    def stress_limit(self, low: float, high: float) -> float:
        """Return a bound of all principal stresses where principal strains are in [low, high].

        The sum over the units of the largest pull times the norm of what it pulls at.
        """
        vectors, knots, curvature = (x.numpy() for x in self.ridges())
        values = np.linalg.eigvalsh(to_tensor(torch.from_numpy(vectors)).numpy())
        ends = np.stack([values * low, values * high])
        pull = SlopeRange(knots, curvature)(ends.min(0).sum(1), ends.max(0).sum(1))
        total = (np.abs(pull).max(0) * np.abs(values).max(1)).sum()
        matrices, knots, curvature = (x.numpy() for x in self.group_ridges())
        norms = np.linalg.norm(matrices, axis=(1, 2))
        reach = norms * np.sqrt(3.0) * max(abs(low), abs(high)) + FLOOR * knots[:, -1]
        pull = SlopeRange(knots, curvature)(np.zeros_like(reach), reach)
        return float(total + (np.abs(pull).max(0) * norms).sum()) * (1.0 + 1e-12)

    def settings(self) -> dict[str, Any]:
        """Return symmetry, kinematics and, for ``log``, the domain."""
        return {"symmetry": self.symmetry, **super().settings()}
