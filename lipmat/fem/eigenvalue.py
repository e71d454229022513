"""The highest frequency of K0 over the lumped mass, as a guaranteed upper bound.

Lanczos alone gives a lower bound. Where a factorisation fits, the inertia of ``theta M - K0``
proves ``lambda_max < theta``; otherwise the theorem of Kuczyński and Woźniakowski (SIAM J. Matrix
Anal. Appl. 13 (1992) 1094, Theorem 4.2) bounds the probability that the randomly started Lanczos
value is too small; the theorem is one of exact arithmetic. The body is taken without constraints:
constraints lower every frequency.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import ufl
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from lipmat.fem.assembly import Assembler, CellIntegrals, Term
from lipmat.fem.body import Body
from lipmat.fem.forms import MaterialForms, suits_scalars
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
RANDOM_STEPS = 200
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
    operator.set_bounds(bounds)
    scale = 1.0 / np.sqrt(operator.mass)
    comm = operator.body.comm
    start = np.random.default_rng([seed, comm.rank]).standard_normal(operator.owned)

    def multiply(x: Array) -> Array:
        return scale * operator.apply(scale * x)

    fits = operator.size <= INERTIA_LIMIT
    theta, vector = lanczos(multiply, start, comm, RANDOM_STEPS, 1e-9 if fits else 0.0)
    upper, rule, failure = _proved(operator, theta) if fits else (0.0, "", 0.0)
    if not rule:
        if fits:  # no factorisation at hand: all steps are needed for the theorem
            theta, vector = lanczos(multiply, start, comm, RANDOM_STEPS, 0.0)
        epsilon = randomised_margin(operator.size, RANDOM_STEPS, FAILURE_PROBABILITY)
        upper, failure = theta / (1.0 - epsilon), FAILURE_PROBABILITY
        rule = f"randomised Lanczos, {RANDOM_STEPS} steps"
    cell, centre = _limiting_cell(operator, scale * vector)
    return HighestFrequency(
        float(np.sqrt(upper)), float(np.sqrt(theta)), rule, failure, cell, centre
    )


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


def randomised_margin(size: int, steps: int, probability: float) -> float:
    """Return epsilon with ``P[lambda_max > theta / (1 - epsilon)] <= probability``."""
    return float((np.log(1.648 * np.sqrt(size) / probability) / (2 * steps - 1)) ** 2)


def lanczos(
    multiply: Callable[[Array], Array],
    start: Array,
    comm: MPI.Intracomm,
    steps: int,
    tolerance: float,
) -> tuple[float, Array]:
    """Return the largest Ritz value of a symmetric operator, and its vector.

    The vector comes from a second pass of the same recurrence, so that none is stored.

    Args:
        multiply: Maps owned entries to owned entries.
        start: Random start, owned entries.
        comm: The ranks.
        steps: Steps at most.
        tolerance: Relative change of the Ritz value at which to stop; 0: never.
    """
    alphas: list[float] = []
    betas: list[float] = []
    theta = 0.0
    for q, alpha, beta in _recurrence(multiply, start, comm):
        del q
        alphas.append(alpha)
        previous, theta = theta, _largest_ritz(alphas, betas)
        betas.append(beta)
        settled = len(alphas) > 20 and abs(theta - previous) <= tolerance * theta
        if len(alphas) == steps or settled or beta <= 1e-12 * theta:
            break
    _, coefficients = eigh_tridiagonal(
        alphas, betas[:-1], select="i", select_range=(len(alphas) - 1,) * 2
    )
    vector = np.zeros_like(start)
    for c, (q, _, _) in zip(coefficients[:, 0], _recurrence(multiply, start, comm), strict=False):
        vector += c * q
    return theta, vector


def _largest_ritz(alphas: list[float], betas: list[float]) -> float:
    last = len(alphas) - 1
    values = eigh_tridiagonal(alphas, betas, True, select="i", select_range=(last, last))
    return float(values[0])


def _recurrence(multiply: Callable[[Array], Array], start: Array, comm: MPI.Intracomm) -> Any:
    """Yield the Lanczos vectors with their coefficients alpha and beta."""

    def dot(a: Array, b: Array) -> float:
        return float(comm.allreduce(float(a @ b)))

    q = start / np.sqrt(dot(start, start))
    before, beta = np.zeros_like(q), 0.0
    while True:
        w = multiply(q) - beta * before
        alpha = dot(w, q)
        w -= alpha * q
        beta = float(np.sqrt(dot(w, w)))
        yield q, alpha, beta
        before, q = q, w / beta if beta > 0 else w


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
