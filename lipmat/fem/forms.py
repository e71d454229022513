"""The forms of a body: internal force, stored energy, bounding operator, state of stretch.

One function gives the measure of every part, so the bounding operator K0 has the quadrature of
the internal force by construction, as the theory asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

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
FORMULATIONS = ("selective", "full")
FULL_DEGREE = {"hexahedron": 2, "tetrahedron": 1}
REDUCED_DEGREE = {"hexahedron": 1, "tetrahedron": 1}

Integrals = dict[int, Any]  # UFL integrands by quadrature degree


class Measure(Protocol):
    """A UFL measure that can be given a quadrature."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the measure with other settings."""
        ...


def quadrature_degree(part: Part, cell: str, formulation: str) -> int:
    """Return the quadrature of a part.

    On a hexahedron eight points or, if the part is reduced and the formulation ``selective``, one.
    """
    reduced = part.reduced and formulation == "selective"
    return (REDUCED_DEGREE if reduced else FULL_DEGREE)[cell]


def over_body(parts: Iterable[tuple[MaterialForms, Integrals]]) -> list[ufl.Form]:
    """Return the forms of integrals over the cells of all materials, one for each quadrature.

    Forms of different quadrature must be compiled apart: FFCx 0.11 keeps what a one-point rule
    computes (Jacobian, gradient) for the other rules of the same kernel, which is then wrong.
    """
    out: dict[int, ufl.Form] = {}
    for forms, integrals in parts:
        for degree, integrand in integrals.items():
            term = integrand * forms.dx(metadata={"quadrature_degree": degree})
            out[degree] = out[degree] + term if degree in out else term
    return list(out.values())


class MaterialForms:
    """Forms of one material over its cells.

    Args:
        law: The law; a torch module.
        domain: The mesh.
        dx: Measure over the material's cells.
        formulation: ``selective`` or ``full``.
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
        self.law, self.mesh, self.dx, self.axes = law, domain, dx, axes
        cell = str(domain.topology.cell_name())
        self.degrees = [quadrature_degree(part, cell, formulation) for part in law.parts]

    def _constant(self, values: NDArray[np.float64]) -> Any:
        return fem.Constant(self.mesh, values)

    def _sum(self, integrand: Callable[[Part], Any]) -> Integrals:
        """Return the sums over the parts of each quadrature."""
        out: Integrals = {}
        for part, degree in zip(self.law.parts, self.degrees, strict=True):
            term = integrand(part)
            out[degree] = out[degree] + term if degree in out else term
        return out

    def internal_force(self, u: fem.Function, v: Any) -> Integrals:
        """Return the virtual work ``sum_parts P : grad v`` of the displacement u."""
        h = ufl.grad(u)

        def work(part: Part) -> Any:
            def forces(x: Any) -> list[Any]:
                return gradient_in_ufl(self.law, part.name, x, self._constant)

            return ufl.inner(stress_of(part.measure, h, forces, self.axes), ufl.grad(v))

        return self._sum(work)

    def stored_energy(self, u: fem.Function) -> Integrals:
        """Return the stored energy ``sum_parts W``, by the quadrature of the force."""
        h = ufl.grad(u)

        def energy(part: Part) -> Any:
            x = arguments_of(part.measure, h, self.axes)
            return energy_in_ufl(self.law, part.name, x, self._constant)

        return self._sum(energy)

    def bound_constants(self) -> dict[str, fem.Constant]:
        """Return a constant of the right shape for the bound of every part."""
        shapes = {p.name: (6, 6) if is_matrix_bound(p) else () for p in self.law.parts}
        return {name: fem.Constant(self.mesh, np.ones(shape)) for name, shape in shapes.items()}

    def reference(self, u: Any, v: Any, weights: Mapping[str, Any], scale: Any = 1) -> Integrals:
        """Return the bounding operator K0: ``sum_parts a_part grad u : grad v`` or its like.

        Args:
            u: Trial or known function; scalar functions serve where all parts bound ``A ⪯ a I``.
            v: Test function.
            weights: Bound of each part, of the shape of :meth:`bound_constants`.
            scale: A factor, for shares of cells.
        """
        return self._sum(lambda part: scale * self._reference(part, weights[part.name], u, v))

    def _reference(self, part: Part, bound: Any, u: Any, v: Any) -> Any:
        if is_gradient_bound(part):
            return bound * ufl.inner(ufl.grad(u), ufl.grad(v))
        if part.measure == "dilatation":
            return bound * ufl.div(u) * ufl.div(v) / 3
        e, d = (ufl.as_vector(strain_vector(ufl.grad(w), self.axes)) for w in (u, v))
        return ufl.inner(bound * e, d)

    def state(self, u: fem.Function) -> Any:
        """Return (largest stretch, smallest stretch, volume ratio) as a UFL vector."""
        h = ufl.grad(u)
        stretch = principal_stretches(h)
        return ufl.as_vector([stretch[0], stretch[2], ufl.det(ufl.Identity(3) + h)])


def is_gradient_bound(part: Part) -> bool:
    """Tell whether a part's bound is a multiple of ``grad : grad``."""
    return part.measure not in SMALL_STRAIN


def is_matrix_bound(part: Part) -> bool:
    """Tell whether a part's bound is a matrix of the six strain components."""
    return part.measure in SMALL_STRAIN and part.measure != "dilatation"


def suits_scalars(law: Law) -> bool:
    """Tell whether scalar functions suffice for the bounding operator of a law."""
    return all(is_gradient_bound(part) for part in law.parts)
