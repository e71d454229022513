"""The integrands of a body: internal force, stored energy, bounding operator, state of stretch.

One function gives the gradient that a part is computed with, so the bounding operator K0 has the
formulation of the internal force by construction, as the theory asks.

On hexahedra a part is computed with the gradient at each of the eight points, or with the cell's
mean gradient (Flanagan & Belytschko, Int. J. Numer. Meth. Engng 17 (1981) 679), which keeps nearly
incompressible laws from locking and passes the patch test on cells of every shape:

    full        every part at eight points
    selective   parts that are ``reduced``, those of the volume, with the mean
    reduced     every part with the mean, one evaluation of the law for each cell; what the mean
                does not see is held by the energy ``G/2 |grad u - mean|^2`` of hourglass stiffness

On tetrahedra the gradient is constant, and the three are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import basix.ufl
import numpy as np
import ufl
from numpy.typing import NDArray
from torch import nn

from lipmat.fem.lift import arguments_of, principal_stretches, strain_vector, stress_of
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.fem.trace import energy_in_ufl, gradient_in_ufl
from lipmat.materials.law import SMALL_STRAIN, Law, Part

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


def moments(domain: mesh.Mesh, size: int) -> ufl.FunctionSpace:
    """Return the space of the integrals over each cell of a gradient of some size, and of 1."""
    cell = str(domain.topology.cell_name())
    element = basix.ufl.element("DG", cell, 0, shape=(size + 1,))
    return ufl.FunctionSpace(domain.ufl_domain(), element)


def moments_of(gradient: Any, test: Any) -> Any:
    """Return the integrand of a gradient's moments, linear in a test function of their space."""
    flat = [gradient[i] for i in np.ndindex(gradient.ufl_shape)]
    return sum(g * test[k] for k, g in enumerate(flat)) + test[len(flat)]


def mean_of(found: Any, shape: tuple[int, ...]) -> Any:
    """Return the mean gradient of the given shape from its moments."""
    size = int(np.prod(shape))
    values = np.array([found[k] / found[size] for k in range(size)], dtype=object)
    return ufl.as_tensor(values.reshape(shape).tolist())


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
        hexahedra = str(domain.topology.cell_name()) == "hexahedron"
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
        self._moments: dict[Any, Any] = {}

    def _constant(self, values: NDArray[np.float64]) -> Any:
        return fem.Constant(self.mesh, values)

    def mean_gradient(self, u: fem.Function) -> Any:
        """Return the mean gradient over each cell of a function.

        Its moments are a coefficient that :class:`lipmat.fem.assembly.CellIntegrals` computes,
        cell by cell, from the function that it ``averages``.
        """
        gradient = ufl.grad(u)
        if u not in self._moments:
            size = int(np.prod(gradient.ufl_shape))
            self._moments[u] = ufl.Coefficient(moments(self.mesh, size))
            self._moments[u].averages = u
        return mean_of(self._moments[u], gradient.ufl_shape)

    def _gradient(self, part: Part, u: fem.Function) -> Any:
        return self.mean_gradient(u) if self.meaned[part.name] else ufl.grad(u)

    def internal_force(self, u: fem.Function, v: Any) -> Any:
        """Return the virtual work ``sum_parts P : grad v`` of the displacement u."""
        g = ufl.grad(v)
        work = sum(self.work(part, self._gradient(part, u), g) for part in self.law.parts)
        if self.hourglass:
            beyond = ufl.grad(u) - self.mean_gradient(u)
            work += self._constant(np.array(self.hourglass)) * ufl.inner(beyond, g)
        return work

    def work(self, part: Part, h: Any, g: Any) -> Any:
        """Return ``P : g`` of a part at a displacement gradient h."""

        def forces(x: Any) -> list[Any]:
            return gradient_in_ufl(self.law, part.name, x, self._constant)

        return ufl.inner(stress_of(part.measure, h, forces, self.axes), g)

    def stored_energy(self, u: fem.Function) -> Any:
        """Return the stored energy ``sum_parts W``, without that of the hourglass stiffness."""
        return sum(self._energy(part, self._gradient(part, u)) for part in self.law.parts)

    def _energy(self, part: Part, h: Any) -> Any:
        x = arguments_of(part.measure, h, self.axes)
        return energy_in_ufl(self.law, part.name, x, self._constant)

    def hourglass_energy(self, u: fem.Function) -> Any:
        """Return the energy of the hourglass stiffness."""
        beyond = ufl.grad(u) - self.mean_gradient(u)
        return 0.5 * self._constant(np.array(self.hourglass)) * ufl.inner(beyond, beyond)

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
        g = ufl.grad(v)
        out = self.pointwise_reference(ufl.grad(u), g, weights, factor)
        if not self.means:
            return out
        mean = self.mean_reference(self.mean_gradient(u), g, weights, factor)
        return mean if out is None else out + mean

    def pointwise_reference(
        self, h: Any, g: Any, weights: Mapping[str, Any], factor: float = 1.0
    ) -> Any:
        """Return the share of K0 in the gradients h and g at the points; None if there is none."""
        return self._reference(False, factor * self.hourglass, h, g, weights)

    def mean_reference(
        self, h: Any, g: Any, weights: Mapping[str, Any], factor: float = 1.0
    ) -> Any:
        """Return the share of K0 in the mean gradients h and g; None if there is none."""
        return self._reference(True, -factor * self.hourglass, h, g, weights)

    def _reference(
        self, meaned: bool, hourglass: float, h: Any, g: Any, weights: Mapping[str, Any]
    ) -> Any:
        parts = [p for p in self.law.parts if self.meaned[p.name] == meaned]
        terms = [self._part_reference(p, weights[p.name], h, g) for p in parts]
        if hourglass:
            terms.append(self._constant(np.array(hourglass)) * ufl.inner(h, g))
        return sum(terms[1:], terms[0]) if terms else None

    def _part_reference(self, part: Part, bound: Any, h: Any, g: Any) -> Any:
        if is_gradient_bound(part):
            return bound * ufl.inner(h, g)
        if part.measure == "dilatation":
            return bound * ufl.tr(h) * ufl.tr(g) / 3
        e, d = (ufl.as_vector(strain_vector(x, self.axes)) for x in (h, g))
        return ufl.inner(bound * e, d)

    def state(self, u: fem.Function) -> list[Any]:
        """Return largest and smallest stretch, and the volume ratios of the cell and of the law.

        The first is that of the gradient at a point, unless no part is computed there.
        """
        seen = self.mean_gradient(u) if all(self.meaned.values()) else ufl.grad(u)
        volumetric = [p for p in self.law.parts if p.measure in VOLUMETRIC]
        means = bool(volumetric) and all(self.meaned[p.name] for p in volumetric)
        stretch = principal_stretches(seen)
        gradients = (seen, self.mean_gradient(u) if means else seen)
        ratios = [ufl.det(ufl.Identity(3) + h) for h in gradients]
        return [stretch[0], stretch[2], *ratios]


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
