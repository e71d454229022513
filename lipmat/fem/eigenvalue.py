"""The highest frequency of K0 over the lumped mass, as a guaranteed upper bound.

Lanczos alone gives a lower bound. Where a factorisation fits, the inertia of ``theta M - K0``
proves ``lambda_max < theta``; otherwise the vectors of the randomly started Lanczos bound it from
above but for a known probability, see :mod:`lipmat.fem.lanczos`; that bound is one of exact
arithmetic. The body is taken without constraints: constraints lower every frequency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import ufl
from numpy.typing import NDArray

from lipmat.fem.assembly import Assembler, CellIntegrals, Term
from lipmat.fem.body import Body
from lipmat.fem.forms import MaterialForms, suits_scalars
from lipmat.fem.lanczos import Extreme, Lanczos
from lipmat.fem.matrix import ReferenceForms, petsc_reference, reference_forms
from lipmat.fem.mpi import MPI
from lipmat.materials.law import Matrix

# isort: split
from dolfinx import fem, la

Array = NDArray[np.float64]
Bounds = Sequence[Mapping[str, float | Matrix]]
"""Bound of every part of every material [Pa]."""
INERTIA_LIMIT = 60_000  # unknowns that a factorisation handles in a few seconds
INERTIA_MARGIN = 5e-4  # of the eigenvalue: half of it of the step
SETTLED = 1e-9  # of the eigenvalue: change of the Lanczos value that the inertia then proves
TOLERANCE = 0.0075  # of the eigenvalue, between its bounds where no factorisation fits
FAILURE_PROBABILITY = 1e-12


@dataclass(frozen=True)
class HighestFrequency:
    """An upper bound of the highest frequency.

    Attributes:
        omega: The bound [rad/s].
        lower: What Lanczos found from below [rad/s].
        rule: How the bound is proved.
        failure_probability: Zero where the rule is a proof.
        cell: Number of the cell with the largest share of the mode's energy, in the mesh file's
            order.
        centre: Its centre [m].
    """

    omega: float
    lower: float
    rule: str
    failure_probability: float
    cell: int
    centre: tuple[float, float, float]


class ReferenceOperator:
    """K0 and M of a body; scalar where the bound is a multiple of ``grad : grad``.

    Args:
        body: The body.
        contact: Stiffness of the walls at the owned displacement components [N/m]; None: no walls.
    """

    def __init__(self, body: Body, contact: Array | None = None) -> None:
        self.body = body
        scalar = all(suits_scalars(m.law) for m in body.materials)
        mesh = body.mesh
        self.space = fem.functionspace(mesh, ("Lagrange", 1)) if scalar else body.space
        self.weights = [f.bound_constants() for f in body.forms]
        self.field = fem.Function(self.space)
        self._result = la.vector(self.space.dofmap.index_map, self.space.dofmap.bs)
        self.size = int(self.space.dofmap.index_map.size_global * self.space.dofmap.bs)
        self.owned = int(self.space.dofmap.index_map.size_local * self.space.dofmap.bs)
        self.contact = np.zeros(self.owned)
        """Stiffness of the walls at the owned unknowns [N/m]: a diagonal part of K0."""
        if contact is not None:
            nodal = contact.reshape(-1, 3).max(axis=1, initial=0.0)
            self.contact = nodal if scalar else contact.copy()

    def set_bounds(self, bounds: Bounds) -> None:
        """Set the bound of every part of every material [Pa]."""
        for weights, values in zip(self.weights, bounds, strict=True):
            for name, constant in weights.items():
                constant.value = np.array(values[name])
        self._action.pack_constants()

    def _over_cells(self, factor: Any) -> list[CellIntegrals]:
        """Return K0 times the field, for a test function or for shares of the cells' energy."""
        pairs = zip(self.body.forms, self.weights, strict=True)
        return self.body.integrals([Term(factor(f, w))] for f, w in pairs)

    @cached_property
    def _action(self) -> Assembler:
        v = ufl.TestFunction(self.space)
        return Assembler(self._over_cells(lambda f, w: f.reference(self.field, v, w)))

    @cached_property
    def _forms(self) -> ReferenceForms:
        return reference_forms(self.body, self.space, self.weights)

    @cached_property
    def mass(self) -> Array:
        """Lumped mass of the owned unknowns [kg]."""
        if self.space is self.body.space:
            return self.body.mass[: self.owned]
        vector = fem.assemble_vector(fem.form(self.body.lumped_mass_form(self.space)))
        vector.scatter_reverse(la.InsertMode.add)
        return np.array(vector.array[: self.owned])

    def apply(self, x: Array) -> Array:
        """Return ``K0 x`` for the owned entries of a vector."""
        self.field.x.array[: self.owned] = x
        self.field.x.scatter_forward()
        self._action(self._result)
        total: Array = self._result.array[: self.owned] + self.contact * x
        return total

    def is_below(self, theta: float) -> bool | None:
        """Prove ``lambda_max(M^-1 K0) < theta`` by the inertia of ``theta M - K0``.

        Returns:
            True when proved, False when refuted, None where no factorisation is at hand.
        """
        try:
            from petsc4py import PETSc
        except ImportError:
            return None
        a = petsc_reference(self._forms)
        a.scale(-1.0)
        diagonal = a.createVecLeft()
        diagonal.setArray(theta * self.mass - self.contact)
        a.setDiagonal(a.getDiagonal() + diagonal)
        return _is_positive_definite(PETSc, a)

    def cell_shares(self, x: Array) -> Array:
        """Return each owned cell's share of the energy of a vector, shape (n_cells,)."""
        self.field.x.array[: self.owned] = x
        self.field.x.scatter_forward()
        constants = fem.functionspace(self.body.mesh, ("DG", 0))
        w, total = ufl.TestFunction(constants), la.vector(constants.dofmap.index_map)

        def share(forms: MaterialForms, weights: Mapping[str, Any]) -> Any:
            return w * forms.reference(self.field, self.field, weights)

        Assembler(self._over_cells(share))(total)
        owned = self.body.mesh.topology.index_map(3).size_local
        shares: Array = total.array[constants.dofmap.list[:owned, 0]]
        return shares


def _is_positive_definite(petsc: Any, matrix: Any) -> bool | None:
    """Count the negative pivots of a Cholesky factorisation by MUMPS."""
    solver = petsc.PC().create(matrix.comm)
    solver.setOperators(matrix)
    solver.setType("cholesky")
    solver.setFactorSolverType("mumps")
    try:
        solver.setFactorSetUpSolverType()
        factor = solver.getFactorMatrix()
        factor.setMumpsIcntl(24, 1)
        factor.setMumpsIcntl(13, 1)
        solver.setUp()
        negative, zero, _ = factor.getInertia()
    except petsc.Error:
        return None
    return bool(negative == 0 and zero == 0)


def highest_frequency(
    operator: ReferenceOperator, bounds: Bounds, seed: int = 0
) -> HighestFrequency:
    """Return a guaranteed upper bound of the highest frequency of K0 over M.

    Args:
        operator: K0 and M of a body.
        bounds: Bound of every part of every material [Pa].
        seed: Of the random start of Lanczos.
    """
    lanczos = _lanczos(operator, bounds, seed)
    rule = ""
    if operator.size <= INERTIA_LIMIT:
        found = lanczos.settled(SETTLED)
        upper, rule, failure = _proved(operator, found.ritz)
    if not rule:
        found = lanczos.bounded(TOLERANCE, FAILURE_PROBABILITY)
        upper, failure = found.upper, FAILURE_PROBABILITY
        rule = f"randomised Lanczos, {found.products} products"
    cell, centre = _limiting_cell(operator, lanczos.vector(found) / np.sqrt(operator.mass))
    return HighestFrequency(
        float(np.sqrt(upper)), float(np.sqrt(found.ritz)), rule, failure, cell, centre
    )


def randomised_bound(
    operator: ReferenceOperator, bounds: Bounds, seed: int, tolerance: float
) -> Extreme:
    """Return bounds of the largest eigenvalue of K0 over M by products alone [1/s^2].

    The upper one is too small with :data:`FAILURE_PROBABILITY`.

    Args:
        operator: K0 and M of a body.
        bounds: Bound of every part of every material [Pa].
        seed: Of the random start of Lanczos.
        tolerance: Relative distance between the bounds.
    """
    return _lanczos(operator, bounds, seed).bounded(tolerance, FAILURE_PROBABILITY)


def _lanczos(operator: ReferenceOperator, bounds: Bounds, seed: int) -> Lanczos:
    """Return the recurrence of ``M^-1/2 K0 M^-1/2`` under the bounds."""
    operator.set_bounds(bounds)
    scale, comm = 1.0 / np.sqrt(operator.mass), operator.body.comm
    start = np.random.default_rng([seed, comm.rank]).standard_normal(operator.owned)
    return Lanczos(lambda x: scale * operator.apply(scale * x), start, comm)


def _proved(operator: ReferenceOperator, theta: float) -> tuple[float, str, float]:
    margin = INERTIA_MARGIN
    while margin < 0.1:
        below = operator.is_below(theta * (1.0 + margin))
        if below is None:
            break
        if below:
            return theta * (1.0 + margin), "Lanczos, proved by the inertia of theta M - K0", 0.0
        margin *= 4.0
    return 0.0, "", 0.0


def _limiting_cell(operator: ReferenceOperator, x: Array) -> tuple[int, tuple[float, float, float]]:
    """Return the cell with the largest share of a mode's energy."""
    mesh = operator.body.mesh
    shares = operator.cell_shares(x)
    local = int(np.argmax(shares)) if len(shares) else -1
    best = float(shares[local]) if len(shares) else -np.inf
    _, rank = operator.body.comm.allreduce((best, -operator.body.comm.rank), op=MPI.MAX)
    found = None
    if operator.body.comm.rank == -rank:
        corners = mesh.geometry.x[mesh.geometry.dofmap[local]]
        centre = tuple(float(c) for c in corners.mean(axis=0))
        found = (int(mesh.topology.original_cell_index[local]), centre)
    out: tuple[int, tuple[float, float, float]] = operator.body.comm.bcast(found, root=-rank)
    return out
