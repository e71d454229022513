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

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lipmat.errors import InputError
from lipmat.fem.body import Array, Body
from lipmat.fem.bulk import BulkRows
from lipmat.fem.eigenvalue import FAILURE_PROBABILITY as STILL_FAILURE
from lipmat.fem.eigenvalue import ReferenceOperator, randomised_bound
from lipmat.fem.gram import Gram
from lipmat.fem.lanczos import Lanczos
from lipmat.fem.mpi import MPI
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Matrix
from lipmat.materials.stretch_law import StretchLaw

# isort: split
from dolfinx import fem, la

FAILURE_PROBABILITY = 1e-7  # of one refresh
TOLERANCE = 0.01  # of the eigenvalue: half of it of the step
STILL_TOLERANCE = 0.02  # of the eigenvalue of the rest
BAND, SPREAD = 0.003, 0.2  # of the volume ratio: the neighbourhood of a refresh
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
            i: BulkRows(body, forms, body.cells[i])
            for i, forms in enumerate(body.forms)
            if isinstance(forms.law, StretchLaw)
        }
        parts = [rows.nodes for rows in self._bulk.values()]
        nodes = np.concatenate(parts) if len(parts) > 1 else parts[0]
        values, start = np.zeros((nodes.size, 3)), 0
        for rows in self._bulk.values():
            start += rows.put_into(values.ravel()[start:])
        alone = body.comm.size == 1
        self._product = Gram(nodes, values) if alone else _SharedRows(body, nodes, values)
        smallest = [dict(m.law.bound().rungs[0].tangent) for m in body.materials]
        for i in self._bulk:
            smallest[i]["volumetric"] = 0.0
        operator = operator or ReferenceOperator(body)
        self._still = randomised_bound(operator, smallest, seed, STILL_TOLERANCE).upper

    def refresh(
        self, displacement: fem.Function, rungs: Rungs, wider: float = 1.0
    ) -> SharpFrequency:
        """Return the bound at a displacement whose stretches lie in the rungs' domains.

        It holds for the geometry of this displacement and all states in the domains that it names.

        Args:
            displacement: Of the body.
            rungs: Of each material.
            wider: Factor on the width of the neighbourhood in the volume ratio [-].
        """
        u = displacement.x.array.reshape(-1, 3)
        domains: list[StretchDomain | None] = [
            m.law.bound().rungs[k].domain for m, k in zip(self.body.materials, rungs, strict=True)
        ]
        betas: dict[int, float] = {}
        for i, rows in self._bulk.items():
            domains[i] = domain = self._neighbourhood(domains[i], rows.update(u), wider)
            alpha, betas[i] = _split(float(rows.law.bulk_modulus), domain)
            rows.scale(alpha)
        self._product.update()
        lanczos = Lanczos(self._product.__matmul__, self._start(), self.body.comm)
        bulk = lanczos.bounded(TOLERANCE, FAILURE_PROBABILITY)
        rest = self._rest(rungs, betas)
        omega, failure = sqrt(bulk.upper + rest), FAILURE_PROBABILITY + STILL_FAILURE
        found = bulk.upper, rest, bulk.ritz, bulk.products
        return SharpFrequency(omega, *found, failure, tuple(domains))

    def _neighbourhood(
        self, domain: StretchDomain | None, ratios: Array, wider: float
    ) -> StretchDomain:
        """Return a rung's domain with a band around the present volume ratios."""
        assert domain is not None
        extremes = (float(ratios.min(initial=1.0)), -float(ratios.max(initial=1.0)))
        low, high = (self.body.comm.allreduce(x, op=MPI.MIN) for x in extremes)
        band = wider * (BAND + SPREAD * max(1.0 - low, -high - 1.0))
        return StretchDomain(
            domain.stretch_min, domain.stretch_max, low / (1.0 + band), -high * (1.0 + band)
        )

    def _start(self) -> Array:
        self.refreshes += 1
        rng = np.random.default_rng([self.seed, self.body.comm.rank, self.refreshes])
        count = sum(len(rows.nodes) for rows in self._bulk.values())
        return np.asarray(rng.standard_normal(count))

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


class _SharedRows:
    """``R R^T`` of rows whose nodes belong to several ranks, by products with R alone.

    On one rank it is formed instead (:class:`lipmat.fem.gram.Gram`), which halves the cost.

    Args:
        body: The body.
        nodes: Of the rows of this rank, shape (rows, width).
        values: Their numbers, (rows * width, 3): the array stays, its numbers may change.
    """

    def __init__(self, body: Body, nodes: NDArray[np.int32], values: Array) -> None:
        columns = (3 * nodes[..., None] + np.arange(3)).ravel()
        starts = 3 * nodes.shape[1] * np.arange(len(nodes) + 1)
        size = (len(nodes), len(body.mass))
        self._rows = csr_matrix((values.ravel(), columns, starts), size)
        self._vector = la.vector(body.space.dofmap.index_map, 3)

    def update(self) -> None:
        """Take over the present values: they are those of the matrix."""

    def __matmul__(self, y: Array) -> Array:
        """Return the product with a vector of the rows that this rank owns."""
        self._vector.array[:] = self._rows.T @ y
        self._vector.scatter_reverse(la.InsertMode.add)
        self._vector.scatter_forward()
        return np.asarray(self._rows @ self._vector.array)


def applies(body: Body) -> bool:
    """Tell whether some law of a body has a bulk term that can be kept apart."""
    return any(isinstance(m.law, StretchLaw) for m in body.materials)


def _split(kappa: float, domain: StretchDomain) -> tuple[float, float]:
    """Return alpha and beta [Pa] of ``kappa/2 (J - 1)^2`` over a domain that holds J = 1."""
    compressed = sqrt(2.0) * kappa * (1.0 - domain.volume_min) * domain.stretch_max
    extended = kappa * (domain.volume_max - 1.0) * domain.stretch_max
    return kappa * (2.0 - 1.0 / domain.volume_max), max(compressed, extended)
