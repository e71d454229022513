"""The effective law of the cell: its mean stress under an affine displacement of its boundary.

The displacement is ``u = E x + w`` with ``w = 0`` on the boundary, so E is the mean strain whatever
w is. Equilibrium makes the mean energy least among all w; the effective law is the gradient of that
least energy, ``dW/dE = <sigma>``, and convex because the phases are. Every integral uses one
quadrature, exact for the divergence of w on curved cells, so the discrete cell has the same
properties to rounding: ``<sigma> : E = <sigma : eps>`` (Hill and Mandel), symmetry, convexity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import ufl
from cell import INCLUSION, MATRIX
from numpy.typing import NDArray

from lipmat.fem.lift import mandel_vector
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.materials.mandel import to_tensor

# isort: split
from dolfinx import fem, mesh
from dolfinx.fem.petsc import NonlinearProblem

Array = NDArray[np.float64]
DEGREE = 3
JIT = {"cffi_extra_compile_args": ["-O3", "-march=native", "-ffast-math"]}
SOLVER = {
    "snes_linesearch_type": "bt",
    "snes_rtol": 1e-9,
    "snes_atol": 1e-9,
    "snes_stol": 0.0,
    "snes_max_it": 60,
    "snes_error_if_not_converged": True,
    # Newton with conjugate gradients; the tangent at rest, factorised once, is the preconditioner
    "snes_lag_preconditioner": -2,
    "snes_lag_preconditioner_persists": True,
    "snes_ksp_ew": True,
    "ksp_type": "cg",
    "ksp_error_if_not_converged": True,
    "pc_type": "cholesky",
    "pc_factor_mat_solver_type": "mumps",
}


@dataclass(frozen=True)
class Linear:
    """Hooke's law; moduli and density in [MPa] and [kg/m^3]."""

    bulk: float
    shear: float
    density: float

    def energy(self, strain: Any) -> Any:
        """Return ``K/2 tr(e)^2 + G |dev e|^2`` [MPa] of a UFL tensor."""
        dev = ufl.dev(strain)
        return self.bulk / 2 * ufl.tr(strain) ** 2 + self.shear * ufl.inner(dev, dev)


@dataclass(frozen=True)
class Softening:
    """Convex law whose shear modulus falls from ``shear`` to ``last_shear``, linear in volume.

    ``W = K/2 tr(e)^2 + G1 q^2 + 2 (G0 - G1) q0^2 (sqrt(1 + (q/q0)^2) - 1)``, q = |dev e|: its
    deviatoric tangent lies between 2 G1 and 2 G0 for every q0 > 0.

    Attributes:
        bulk, shear, last_shear: K, G0 and G1 [MPa].
        yielding: q0, the |dev e| about which it softens [-].
        density: [kg/m^3].
    """

    bulk: float
    shear: float
    last_shear: float
    yielding: float
    density: float

    def energy(self, strain: Any) -> Any:
        """Return the energy density [MPa] of a UFL tensor."""
        dev = ufl.dev(strain)
        square = ufl.inner(dev, dev)
        lost = 2 * (self.shear - self.last_shear) * self.yielding**2
        soft = self.last_shear * square + lost * (ufl.sqrt(1 + square / self.yielding**2) - 1)
        return self.bulk / 2 * ufl.tr(strain) ** 2 + soft


@dataclass(frozen=True)
class Response:
    """What a mean strain brings forth.

    Attributes:
        stress: mean stress, Mandel components (6,) [MPa].
        energy: mean energy density [MPa].
        work: mean of ``sigma : eps`` [MPa].
    """

    stress: Array
    energy: float
    work: float


class EffectiveLaw:
    """The cell as a law: mean strain in, mean stress out.

    Args:
        domain: mesh of the unit cube.
        tags: phase of each cell, ``MATRIX`` or ``INCLUSION``.
        matrix, inclusion: their laws.

    Attributes:
        domain, tags, laws: as given, the laws by phase.
        fluctuation: w of the last state, in cell edges.
        stress: of each phase, UFL tensors [MPa].
    """

    def __init__(
        self, domain: mesh.Mesh, tags: mesh.MeshTags, matrix: Softening, inclusion: Linear
    ) -> None:
        self.domain, self.tags = domain, tags
        self.laws: dict[int, Softening | Linear] = {MATRIX: matrix, INCLUSION: inclusion}
        space = fem.functionspace(domain, ("Lagrange", 2, (3,)))
        self.fluctuation = fem.Function(space)
        self.mean = fem.Constant(domain, np.zeros((3, 3)))
        self.strain = ufl.variable(self.mean + ufl.sym(ufl.grad(self.fluctuation)))
        self._dx = ufl.Measure(
            "dx", domain=domain, subdomain_data=tags, metadata={"quadrature_degree": DEGREE}
        )
        energy = {tag: law.energy(self.strain) for tag, law in self.laws.items()}
        self.stress = {tag: ufl.diff(w, self.strain) for tag, w in energy.items()}
        self._energy = self._form(energy)
        self._work = self._form({t: ufl.inner(s, self.strain) for t, s in self.stress.items()})
        self._chosen = fem.Constant(domain, np.zeros(6))  # one form serves all components
        chosen = {t: ufl.dot(self._chosen, _vector(s)) for t, s in self.stress.items()}
        self._component = self._form(chosen)
        self._problem = self._equilibrium(space)

    def _form(self, integrands: dict[int, Any]) -> fem.Form:
        total = sum(f * self._dx(tag) for tag, f in integrands.items())
        return fem.form(total, jit_options=JIT)

    def _equilibrium(self, space: fem.FunctionSpace) -> NonlinearProblem:
        test = ufl.TestFunction(space)
        residual = sum(
            ufl.inner(s, ufl.sym(ufl.grad(test))) * self._dx(tag) for tag, s in self.stress.items()
        )
        topology = self.domain.topology
        topology.create_connectivity(2, 3)
        facets = mesh.exterior_facet_indices(topology)
        held = fem.locate_dofs_topological(space, 2, facets)
        return NonlinearProblem(
            residual,
            self.fluctuation,
            petsc_options_prefix="cell_",
            bcs=[fem.dirichletbc(np.zeros(3), held, space)],
            petsc_options=SOLVER,
            jit_options=JIT,
        )

    def volume(self, tag: int) -> float:
        """Return the volume of a phase, in that of the cell."""
        return float(fem.assemble_scalar(self._form({tag: fem.Constant(self.domain, 1.0)})))

    def respond(self, strain: Array) -> Response:
        """Return the equilibrium at a mean strain, Mandel components (6,) [-].

        Raises:
            PETSc.Error: Newton's method or its linear solver has not converged.
        """
        self.mean.value[:] = to_tensor(torch.from_numpy(strain)).numpy()
        self.fluctuation.x.array[:] = 0.0
        self._problem.solve()
        return Response(
            self._mean_stress(), fem.assemble_scalar(self._energy), fem.assemble_scalar(self._work)
        )

    def _mean_stress(self) -> Array:
        stress = np.empty(6)
        for i in range(6):
            self._chosen.value[:] = np.eye(6)[i]
            stress[i] = fem.assemble_scalar(self._component)
        return stress


def _vector(tensor: Any) -> Any:
    return ufl.as_vector(mandel_vector(tensor))
