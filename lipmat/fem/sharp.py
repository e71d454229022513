r"""The highest frequency of a rubber-like body at its present state, as a guaranteed upper bound.

The ladder of domains bounds the tangent of all states by one number. Nearly incompressible laws
lose half of the step by that: their bulk term ``h(J)`` is stiff in one direction of nine. Here that
direction is kept. With ``c = cof F`` and the principal stretches l, for every H

    D^2 h [H, H] <= alpha (c : H)^2 + beta |H|^2,
    alpha = h'' + h' / J,  beta = h' l_max          where h' >= 0,
    alpha = h'',           beta = sqrt(2) |h'| l_max  where h' < 0,

so the tangent stiffness is at most ``K_vol + K_rest``: K_vol has one vector r for each cell and
point, K_rest is the bounding operator of the ladder with the distortional bound and beta. Then

    omega^2 <= lambda_max(R^T M^-1 R) + lambda_max(M^-1 K_rest).

The first is a problem of one unknown for each cell and point, blind to rotations, solved anew at
each state; the second grows with the rungs from one constant of the body. Proofs:
docs/theory/sharp.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from lipmat.errors import InputError
from lipmat.fem.body import Array, Body
from lipmat.fem.eigenvalue import FAILURE_PROBABILITY as STILL_FAILURE
from lipmat.fem.eigenvalue import ReferenceOperator, randomised_bound
from lipmat.fem.forms import MaterialForms, degree_of
from lipmat.fem.lanczos import Lanczos
from lipmat.fem.mpi import MPI
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Matrix
from lipmat.materials.stretch_law import StretchLaw

# isort: split
import basix
from dolfinx import fem, la

FAILURE_PROBABILITY = 1e-7  # of one refresh
TOLERANCE = 0.02  # of the eigenvalue: half of it of the step
STILL_TOLERANCE = 0.02  # of the eigenvalue of the rest
BAND, SPREAD = 0.003, 0.2  # of the volume ratio: the neighbourhood of a refresh
_OTHERS = ((1, 2), (2, 0), (0, 1))  # axes, in the order of the cross product
Rungs = tuple[int, ...]


@dataclass(frozen=True)
class SharpFrequency:
    """An upper bound of the highest frequency in a neighbourhood of a state.

    Attributes:
        omega: The bound [rad/s].
        volumetric: Bound of the eigenvalue of the bulk term at the state [1/s^2].
        rest: Bound of the eigenvalue of all else [1/s^2].
        ritz: What Lanczos found of the bulk term, from below [1/s^2].
        products: Products with the matrix that this took.
        failure_probability: That the bound is too small.
        domains: Where the bounds of the laws hold, for each material; None: everywhere.
    """

    omega: float
    volumetric: float
    rest: float
    ritz: float
    products: int
    failure_probability: float
    domains: tuple[StretchDomain | None, ...]


class SharpBound:
    """Bounds the highest frequency of a body at its present state.

    Args:
        body: The body, with the mass it runs with; at least one of its laws is in stretches.
        operator: That of the ladder, with walls if there are some; None: one without walls.
        seed: Of the random starts.

    Raises:
        InputError: No law of the body has a bulk term that can be kept apart.
    """

    def __init__(
        self, body: Body, operator: ReferenceOperator | None = None, seed: int = 0
    ) -> None:
        if not applies(body):
            names = sorted({m.law.name for m in body.materials})
            raise InputError(f"sharp step: found the laws {names}, expected a law in stretches")
        self.body, self.seed = body, seed
        self.refreshes = 0
        """Bounds so far: with the seed it fixes the random starts, so a restart must set it."""
        self._bulk = {
            i: _BulkRows(body, forms, body.cells[i])
            for i, forms in enumerate(body.forms)
            if isinstance(forms.law, StretchLaw)
        }
        self._rows = vstack([rows.pattern for rows in self._bulk.values()], format="csr")
        start = 0
        for rows in self._bulk.values():
            start += rows.take_values(self._rows.data[start:])
        self._vector = la.vector(body.space.dofmap.index_map, 3)
        smallest = [dict(m.law.bound().rungs[0].tangent) for m in body.materials]
        for i in self._bulk:
            smallest[i]["volumetric"] = 0.0
        operator = operator or ReferenceOperator(body)
        self._still = randomised_bound(operator, smallest, seed, STILL_TOLERANCE).upper

    def refresh(self, displacement: fem.Function, rungs: Rungs) -> SharpFrequency:
        """Return the bound at a displacement whose stretches lie in the rungs' domains.

        It holds for the geometry of this displacement and all states in the domains that it names.
        """
        u = displacement.x.array.reshape(-1, 3)
        domains: list[StretchDomain | None] = [
            m.law.bound().rungs[k].domain for m, k in zip(self.body.materials, rungs, strict=True)
        ]
        betas: dict[int, float] = {}
        for i, rows in self._bulk.items():
            domains[i] = domain = self._neighbourhood(domains[i], rows.update(u))
            alpha, betas[i] = _split(float(rows.law.bulk_modulus), domain)
            rows.scale(alpha)
        lanczos = Lanczos(self._operator(), self._start(), self.body.comm)
        bulk = lanczos.bounded(TOLERANCE, FAILURE_PROBABILITY)
        rest = self._rest(rungs, betas)
        omega, failure = sqrt(bulk.upper + rest), FAILURE_PROBABILITY + STILL_FAILURE
        found = bulk.upper, rest, bulk.ritz, bulk.products
        return SharpFrequency(omega, *found, failure, tuple(domains))

    def _neighbourhood(self, domain: StretchDomain | None, ratios: Array) -> StretchDomain:
        """Return a rung's domain with a band around the present volume ratios."""
        assert domain is not None
        extremes = (float(ratios.min(initial=1.0)), -float(ratios.max(initial=1.0)))
        low, high = (self.body.comm.allreduce(x, op=MPI.MIN) for x in extremes)
        band = BAND + SPREAD * max(1.0 - low, -high - 1.0)
        return StretchDomain(
            domain.stretch_min, domain.stretch_max, low / (1.0 + band), -high * (1.0 + band)
        )

    def _start(self) -> Array:
        self.refreshes += 1
        rng = np.random.default_rng([self.seed, self.body.comm.rank, self.refreshes])
        return np.asarray(rng.standard_normal(self._rows.shape[0]))

    def _operator(self) -> Callable[[Array], Array]:
        """Return the products; on one rank the matrix is formed, which halves their cost."""
        if self.body.comm.size > 1:
            return self._product
        gram = self._rows @ self._rows.T
        return lambda y: np.asarray(gram @ y)

    def _product(self, y: Array) -> Array:
        """Return ``R^T M^-1 R y`` of the rows that this rank owns."""
        self._vector.array[:] = self._rows.T @ y
        self._vector.scatter_reverse(la.InsertMode.add)
        self._vector.scatter_forward()
        return np.asarray(self._rows @ self._vector.array)

    def _rest(self, rungs: Rungs, betas: Mapping[int, float]) -> float:
        """Return the bound of the eigenvalue of all but the bulk terms [1/s^2].

        That of the smallest rungs, times the largest factor by which a bound has grown: contact and
        hourglass stiffness, which do not grow, are counted as if they did.
        """
        factor = 1.0
        for i, (material, k) in enumerate(zip(self.body.materials, rungs, strict=True)):
            first, now = (material.law.bound().rungs[n].tangent for n in (0, k))
            if i in betas:
                grown = (_number(now, "distortional") + betas[i]) / _number(first, "distortional")
                factor = max(factor, grown)
            elif k:
                factor = max(factor, *(_number(now, n) / _number(first, n) for n in first))
        return factor * self._still * (1.0 + 1e-12)


def _number(tangent: Mapping[str, float | Matrix], name: str) -> float:
    """Return a bound that is a number; laws of small strain, whose are not, have one rung."""
    value = tangent[name]
    assert not isinstance(value, tuple)
    return value


class _BulkRows:
    """Vectors r with ``int alpha (cof F : grad u)^2 = sum (r . u)^2``, each over sqrt of the mass.

    Args:
        body: The body.
        forms: Those of a law in stretches.
        cells: Its cells.
    """

    def __init__(self, body: Body, forms: MaterialForms, cells: NDArray[np.int32]) -> None:
        self.law = forms.law
        self._dofs = body.space.dofmap.list[cells]
        gradient, weight = _gradients(body, cells)
        if forms.meaned["volumetric"]:
            gradient, weight = _means(gradient, weight)
        n, q, a, _ = gradient.shape
        mass = body.mass[::3][self._dofs]
        self._scaled = gradient * np.sqrt(weight[:, :, None] / mass[:, None, :])[..., None]
        self._gradient = np.ascontiguousarray(np.swapaxes(gradient, 2, 3))
        columns = 3 * self._dofs[:, None, :, None] + np.arange(3)
        columns = np.broadcast_to(columns, (n, q, a, 3)).ravel()
        starts = 3 * a * np.arange(n * q + 1)
        self.pattern = csr_matrix(
            (np.zeros(columns.size), columns, starts), (n * q, len(body.mass))
        )
        """A matrix of the rows' places."""

    def take_values(self, array: Array) -> int:
        """Put the rows' numbers into the beginning of an array; return how many there are."""
        self._values = array[: self._scaled.size].reshape(self._scaled.shape)
        return int(self._scaled.size)

    def update(self, u: Array) -> Array:
        """Take over a displacement (n_nodes, 3) [m]; return the volume ratios of the rows."""
        f = self._gradient @ np.take(u, self._dofs, axis=0)[:, None]
        for i in range(3):
            f[..., i, i] += 1.0
        cofactor, ratio = _cofactor(f)
        np.matmul(self._scaled, cofactor, out=self._values)
        return ratio

    def scale(self, alpha: float) -> None:
        """Multiply the energy of the rows by a modulus [Pa]."""
        self._values *= sqrt(alpha)


def applies(body: Body) -> bool:
    """Tell whether some law of a body has a bulk term that can be kept apart."""
    return any(isinstance(m.law, StretchLaw) for m in body.materials)


def _split(kappa: float, domain: StretchDomain) -> tuple[float, float]:
    """Return alpha and beta [Pa] of ``kappa/2 (J - 1)^2`` over a domain that holds J = 1."""
    compressed = sqrt(2.0) * kappa * (1.0 - domain.volume_min) * domain.stretch_max
    extended = kappa * (domain.volume_max - 1.0) * domain.stretch_max
    return kappa * (2.0 - 1.0 / domain.volume_max), max(compressed, extended)


def _gradients(body: Body, cells: NDArray[np.int32]) -> tuple[Array, Array]:
    """Return the gradients of the nodes' functions (n, q, a, 3) [1/m] and the weights [m^3]."""
    geometry = body.mesh.geometry
    kind = getattr(basix.CellType, str(body.mesh.topology.cell_name()))
    points, weights = basix.make_quadrature(kind, degree_of(body.mesh))
    element = basix.create_element(basix.ElementFamily.P, kind, 1)
    slopes = np.moveaxis(element.tabulate(1, points)[1:, :, :, 0], 0, -1)
    corners = np.swapaxes(geometry.x[geometry.dofmaps[0][cells]], 1, 2)
    jacobian = corners[:, None] @ slopes
    volume = np.abs(np.linalg.det(jacobian)) * weights
    return slopes @ np.linalg.inv(jacobian), volume


def _means(gradient: Array, weight: Array) -> tuple[Array, Array]:
    """Return the mean gradients over the cells (n, 1, a, 3) and the cells' volumes (n, 1)."""
    volume = weight.sum(axis=1, keepdims=True)
    mean = (weight[:, :, None, None] * gradient).sum(axis=1, keepdims=True)
    return mean / volume[..., None, None], volume


def _cofactor(f: Array) -> tuple[Array, Array]:
    """Return the cofactors and determinants of matrices (..., 3, 3), or both transposed."""
    out = np.empty_like(f)
    for i, (k, m) in enumerate(_OTHERS):
        for j, (p, q) in enumerate(_OTHERS):
            out[..., i, j] = f[..., k, p] * f[..., m, q] - f[..., k, q] * f[..., m, p]
    return out, (f[..., 0] * out[..., 0]).sum(-1)
