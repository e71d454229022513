"""The integrands of a body: internal force, stored energy, bounding operator, state of stretch.

One function gives the gradient that a part is computed with, so the bounding operator K0 has the
formulation of the internal force by construction, as the theory asks.

On hexahedra a part is computed with the gradient at each of the eight points, or with the cell's
mean gradient (Flanagan & Belytschko, Int. J. Numer. Meth. Engng 17 (1981) 679), which keeps nearly
incompressible laws from locking and passes the patch test on cells of every shape:

    full        every part at eight points
    selective   parts that are ``reduced``, those of the volume, with the mean
    reduced     every part with the mean, one evaluation of the law for each cell; what the mean
                does not see is held by the energy ``G/4 |grad u - mean|^2`` of hourglass stiffness

Means and hourglass energy are closed forms, see :mod:`lipmat.fem.hexahedra`.

On tetrahedra the gradient is constant, and the three are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import ufl
from numpy.typing import NDArray
from torch import nn

from lipmat.fem.flow import elastic_stretches, flow, spring_energy
from lipmat.fem.hexahedra import Hexahedra, coordinate_modes, modes_of
from lipmat.fem.history import History
from lipmat.fem.lift import (
    arguments_of,
    eigenvalues,
    mandel_vector,
    principal_stretches,
    strain_vector,
    stress_of,
    symmetric_tensor,
)
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.fem.trace import energy_in_ufl, gradient_in_ufl
from lipmat.materials.law import SMALL_STRAIN, WITH_MEMORY, Law, Part, is_small_strain
from lipmat.materials.memory import MemoryLaw

# isort: split
from dolfinx import fem, mesh

JIT = {"cffi_extra_compile_args": ["-O3", "-march=native", "-ffast-math"]}
FORMULATIONS = ("selective", "full", "reduced")
DEGREE = {"hexahedron": 2, "tetrahedron": 1}
"""Of the quadrature: eight points on hexahedra, one on tetrahedra."""
HOURGLASS = 0.5
"""Modulus of the hourglass energy over the shear modulus at rest [-].

A beam of two cells across then swings within 8 % of its frequency, one of four within 2.5 %.
"""


class Measure(Protocol):
    """A UFL measure that can be given a quadrature."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the measure with other settings."""
        ...


def degree_of(domain: mesh.Mesh) -> int:
    """Return the degree of the quadrature of a mesh's cells."""
    return DEGREE[str(domain.topology.cell_name())]


def is_hexahedral(domain: mesh.Mesh) -> bool:
    """Tell whether the cells of a mesh are hexahedra."""
    return str(domain.topology.cell_name()) == "hexahedron"


class MaterialForms:
    """Integrands of one material.

    Args:
        law: The law; a torch module.
        domain: The mesh.
        dx: Measure over the material's cells.
        formulation: One of ``FORMULATIONS``.
        axes: UFL tensor whose rows are the material axes; None for an isotropic law.
    """

    def __init__(
        self,
        law: Law,
        domain: mesh.Mesh,
        dx: Measure,
        formulation: str = FORMULATIONS[0],
        axes: Any = None,
    ) -> None:
        assert isinstance(law, nn.Module)
        self.law, self.mesh, self.axes = law, domain, axes
        self.dx = dx(metadata={"quadrature_degree": degree_of(domain)})
        hexahedra = is_hexahedral(domain)
        reduced = hexahedra and formulation == "reduced"
        self.meaned = {
            p.name: reduced or (hexahedra and formulation == "selective" and p.reduced)
            for p in law.parts
        }
        """Whether each part is computed with the mean gradient."""
        self.hourglass = HOURGLASS * law.rest_moduli()[1] if reduced else 0.0
        """Modulus of the hourglass energy [Pa]."""
        self.means = any(self.meaned.values())
        """Whether any part is."""
        self.compact = True
        """Whether splines are single operations, which only the kernels over lanes know."""
        self._modes: dict[Any, Any] = {}

    def _constant(self, values: NDArray[np.float64]) -> Any:
        return fem.Constant(self.mesh, values)

    @cached_property
    def _cells(self) -> Hexahedra:
        return Hexahedra(coordinate_modes(self.mesh))

    def _modes_of(self, u: Any) -> Any:
        if u not in self._modes:
            self._modes[u] = modes_of(u)
        return self._modes[u]

    def mean_gradient(self, u: Any) -> Any:
        """Return the mean gradient over each cell of a function or a test function.

        It is made of its modes, which :class:`lipmat.fem.assembly.CellIntegrals` passes on.
        """
        mean = self._cells.mean_gradient(self._modes_of(u))
        return ufl.as_tensor(mean.reshape(ufl.grad(u).ufl_shape).tolist())

    def _variation(self, v: Any) -> Any:
        """Return the gradient of a test function, the mean one if all parts take the mean."""
        return self.mean_gradient(v) if all(self.meaned.values()) else ufl.grad(v)

    def _hourglass_forces(self, u: Any, factor: float = 1.0) -> Any:
        """Return the forces of the hourglass stiffness on what lies beyond the mean of v."""
        forces = self._cells.forces(self._cells.beyond(self._modes_of(u)))
        return self._constant(np.array(factor * self.hourglass)) * forces

    def new_history(self) -> History | None:
        """Return what the points of the material remember, nothing yet; None without memory."""
        if not isinstance(self.law, MemoryLaw):
            return None
        several = is_hexahedral(self.mesh) and not self.meaned["springs"]
        degree = degree_of(self.mesh) if several else None
        return History(self.mesh, degree, self.law.history_size)

    def _gradient(self, part: Part, u: fem.Function) -> Any:
        return self.mean_gradient(u) if self.meaned[part.name] else ufl.grad(u)

    def internal_force(self, u: fem.Function, v: Any, history: History | None = None) -> Any:
        """Return the virtual work ``sum_parts P : grad v`` of the displacement u.

        Args:
            u: Displacement.
            v: Test function.
            history: Of a law with memory; to evaluate the work advances it.
        """
        stress = sum(self._stresses(u, history))
        if not self.hourglass:
            return ufl.inner(stress, ufl.grad(v))
        numbers = np.array([stress[i] for i in np.ndindex(3, 3)], dtype=object).reshape(3, 3)
        return self._cells.work(self._hourglass_forces(u), self._modes_of(v), numbers)

    def _stresses(self, u: fem.Function, history: History | None) -> list[Any]:
        """Return the stresses of the parts; those that are computed with history as one."""
        law = self.law
        if not isinstance(law, MemoryLaw):
            return [self.stress(part, self._gradient(part, u)) for part in law.parts]
        assert history is not None
        *elastic, springs = law.parts
        with_it = [p for p in elastic if self.meaned[p.name] == self.meaned[springs.name]]
        h = self._gradient(springs, u)
        found = flow(law, h, history.values, history.step, self._constant)
        stress = sum((self.stress(part, h) for part in with_it), found.stress)
        others = [self.stress(p, self._gradient(p, u)) for p in elastic if p not in with_it]
        if springs.measure in SMALL_STRAIN:
            six = history.advancing(mandel_vector(stress), found.history)
            return [*others, symmetric_tensor([six[i] for i in range(6)])]
        nine = history.advancing([stress[i] for i in np.ndindex(3, 3)], found.history)
        return [*others, ufl.as_matrix([[nine[3 * i + j] for j in range(3)] for i in range(3)])]

    def stress(self, part: Part, h: Any) -> Any:
        """Return the first Piola–Kirchhoff stress of a part at a displacement gradient h."""

        def forces(x: Any) -> list[Any]:
            return gradient_in_ufl(self.law, part.name, x, self._constant, self.compact)

        return stress_of(part.measure, h, forces, self.axes)

    def stored_energy(self, u: fem.Function, history: History | None = None) -> Any:
        """Return the stored energy ``sum_parts W``, without that of the hourglass stiffness."""
        return sum(self._energy(part, self._gradient(part, u), history) for part in self.law.parts)

    def dissipated_energy(self, history: History, at_end: bool = False) -> Any:
        """Return what the branches have dissipated, by the mean or the end stress of the steps."""
        return history.values[-2 if at_end else -1]

    def _energy(self, part: Part, h: Any, history: History | None) -> Any:
        if part.measure in WITH_MEMORY:
            assert history is not None
            assert isinstance(self.law, MemoryLaw)
            return spring_energy(self.law, h, history.values, self._constant)
        x = arguments_of(part.measure, h, self.axes)
        return energy_in_ufl(self.law, part.name, x, self._constant, self.compact)

    def hourglass_energy(self, u: fem.Function) -> Any:
        """Return the energy of the hourglass stiffness."""
        return 0.5 * self._cells.work(self._hourglass_forces(u), self._modes_of(u))

    def bound_constants(self) -> dict[str, fem.Constant]:
        """Return a constant of the right shape for the bound of every part."""
        shapes = {p.name: (6, 6) if is_matrix_bound(p) else () for p in self.law.parts}
        return {name: fem.Constant(self.mesh, np.ones(shape)) for name, shape in shapes.items()}

    def reference(
        self, u: fem.Function, v: Any, weights: Mapping[str, Any], factor: float = 1.0
    ) -> Any:
        """Return K0 times a function: ``sum_parts a_part grad u : grad v`` or its like.

        Args:
            u: Known function; scalar functions serve where all parts bound ``A ⪯ a I``.
            v: Test function.
            weights: Bound of each part, of the shape of :meth:`bound_constants`.
            factor: Of the hourglass stiffness, if the weights are not K0 but a multiple of it.
        """
        g = self._variation(v)
        shares = []
        if not all(self.meaned.values()):
            shares.append(self.pointwise_reference(ufl.grad(u), g, weights))
        if self.means:
            shares.append(self.mean_reference(self.mean_gradient(u), g, weights))
        if self.hourglass:
            forces = self._hourglass_forces(u, factor)
            shares.append(self._cells.work(forces, self._modes_of(v)))
        return sum(shares[1:], shares[0])

    def pointwise_reference(self, h: Any, g: Any, weights: Mapping[str, Any]) -> Any:
        """Return the share of K0 in the gradients h and g at the points; None if there is none."""
        return self._reference(False, h, g, weights)

    def mean_reference(self, h: Any, g: Any, weights: Mapping[str, Any]) -> Any:
        """Return the share of K0 in the mean gradients h and g; None if there is none."""
        return self._reference(True, h, g, weights)

    def hourglass_reference(self, first: Any, second: Any, coordinates: Any) -> Any:
        """Return the share of K0 in what lies beyond the means; None if there is none.

        Args:
            first: Modes of a function.
            second: Modes of another.
            coordinates: Modes of the coordinates, a function.
        """
        if not self.hourglass:
            return None
        cells = Hexahedra(coordinates)
        return self.hourglass * cells.work(cells.forces(cells.beyond(first)), second)

    def _reference(self, meaned: bool, h: Any, g: Any, weights: Mapping[str, Any]) -> Any:
        parts = [p for p in self.law.parts if self.meaned[p.name] == meaned]
        terms = [self._part_reference(p, weights[p.name], h, g) for p in parts]
        return sum(terms[1:], terms[0]) if terms else None

    def _part_reference(self, part: Part, bound: Any, h: Any, g: Any) -> Any:
        if is_gradient_bound(part):
            return bound * ufl.inner(h, g)
        if part.measure == "dilatation":
            return bound * ufl.tr(h) * ufl.tr(g) / 3
        e, d = (ufl.as_vector(strain_vector(x, self.axes)) for x in (h, g))
        return ufl.inner(bound * e, d)

    def state(self, u: fem.Function, history: History | None = None) -> list[Any]:
        """Return largest and smallest stretch, and the volume ratios of the cell and of the law.

        The first is that of the gradient at a point, unless no part is computed there. Of a law of
        small strain e that is certified in a domain, stretches are the principal values of 1 + e,
        and the volume ratio of the law is 1 + tr e. Branches that flow at large strain add their
        largest and smallest elastic stretch.
        """
        seen = self.mean_gradient(u) if all(self.meaned.values()) else ufl.grad(u)
        volumetric = [p for p in self.law.parts if p.measure in VOLUMETRIC]
        means = bool(volumetric) and all(self.meaned[p.name] for p in volumetric)
        stretch = principal_stretches(seen)
        gradients = (seen, self.mean_gradient(u) if means else seen)
        ratios = [ufl.det(ufl.Identity(3) + h) for h in gradients]
        if is_small_strain(self.law) and self.law.bound().rungs[-1].domain is not None:
            first, second, third = eigenvalues(ufl.sym(seen))
            stretch = 1 + first, 1 + second, 1 + third
            ratios[1] = 1 + ufl.tr(gradients[1])
        found = [stretch[0], stretch[2], *ratios]
        if history is not None and isinstance(self.law, MemoryLaw) and has_limit(self.law):
            found += elastic_stretches(self.law, seen, history.values)
        return found


def has_limit(law: Law) -> bool:
    """Tell whether a law is certified up to some elastic stretch of branches that flow."""
    return any(part.measure == "log_elastic_strains" for part in law.parts)


VOLUMETRIC = ("volume_ratio", "dilatation", "log_dilatation")


def is_gradient_bound(part: Part) -> bool:
    """Tell whether a part's bound is a multiple of ``grad : grad``."""
    return part.measure not in SMALL_STRAIN


def is_matrix_bound(part: Part) -> bool:
    """Tell whether a part's bound is a matrix of the six strain components."""
    return part.measure in SMALL_STRAIN and part.measure != "dilatation"


def suits_scalars(law: Law) -> bool:
    """Tell whether scalar functions suffice for the bounding operator of a law."""
    return all(is_gradient_bound(part) for part in law.parts)
