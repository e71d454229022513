"""The forms of a body: internal force, stored energy, bounding operator, state of stretch.

One function gives the measure of every part, so the bounding operator K0 has the quadrature of
the internal force by construction, as the theory asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import ufl
from numpy.typing import NDArray
from torch import nn

from lipmat.fem.lift import ARGUMENTS_OF, STRESS_OF, principal_stretches
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.fem.trace import energy_in_ufl, gradient_in_ufl
from lipmat.materials.law import Law, Part

# isort: split
from dolfinx import fem, mesh

JIT = {"cffi_extra_compile_args": ["-O3", "-march=native", "-ffast-math"]}
GRADIENT_MEASURES = ("stretches", "volume_ratio")
FULL_DEGREE = {"hexahedron": 2, "tetrahedron": 1}
REDUCED_DEGREE = {"hexahedron": 1, "tetrahedron": 1}


Integrals = dict[int, Any]  # UFL forms by quadrature degree


class Measure(Protocol):
    """A UFL measure that can be given a quadrature."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the measure with other settings."""
        ...


def quadrature_degree(part: Part, cell: str) -> int:
    """Return the quadrature of a part: eight points or, if reduced, one on a hexahedron."""
    return (REDUCED_DEGREE if part.reduced else FULL_DEGREE)[cell]


def merged(integrals: Iterable[Integrals]) -> Integrals:
    """Return the sums over materials, kept apart by quadrature degree.

    Forms of different quadrature must be compiled apart: FFCx 0.11 keeps what a one-point rule
    computes (Jacobian, gradient) for the other rules of the same kernel, which is then wrong.
    """
    out: Integrals = {}
    for terms in integrals:
        for degree, term in terms.items():
            out[degree] = out[degree] + term if degree in out else term
    return out


class MaterialForms:
    """Forms of one material over its cells.

    Args:
        law: The law; a torch module.
        domain: The mesh.
        dx: Measure over the material's cells.
    """

    def __init__(self, law: Law, domain: mesh.Mesh, dx: Measure) -> None:
        assert isinstance(law, nn.Module)
        self.law, self.mesh, self.dx = law, domain, dx
        self.cell = str(domain.topology.cell_name())

    def _constant(self, values: NDArray[np.float64]) -> Any:
        return fem.Constant(self.mesh, values)

    def internal_force(self, u: fem.Function, v: Any) -> Integrals:
        """Return the virtual work ``sum_parts int P : grad v`` of the displacement u."""
        f = ufl.Identity(3) + ufl.grad(u)
        out: Integrals = {}
        for part in self.law.parts:

            def forces(x: Any, name: str = part.name) -> list[Any]:
                return gradient_in_ufl(self.law, name, x, self._constant)

            stress = STRESS_OF[part.measure](f, forces)
            self._add(out, part, ufl.inner(stress, ufl.grad(v)))
        return out

    def stored_energy(self, u: fem.Function) -> Integrals:
        """Return the stored energy ``sum_parts int W``, by the quadrature of the force."""
        out: Integrals = {}
        for part in self.law.parts:
            x = ARGUMENTS_OF[part.measure](ufl.Identity(3) + ufl.grad(u))
            energy = energy_in_ufl(self.law, part.name, x, self._constant)
            self._add(out, part, energy)
        return out

    def _add(self, out: Integrals, part: Part, integrand: Any) -> None:
        degree = quadrature_degree(part, self.cell)
        term = integrand * self.dx(metadata={"quadrature_degree": degree})
        out[degree] = out[degree] + term if degree in out else term

    def reference(self, u: Any, v: Any, weights: Mapping[str, Any], scale: Any = 1) -> Integrals:
        """Return the bounding operator K0: ``sum_parts a_part int grad u : grad v`` or its like.

        Args:
            u: Trial or known function; scalar functions serve where all parts bound ``A ⪯ a I``.
            v: Test function.
            weights: Bound a of each part.
            scale: A factor inside the integral, for shares of cells.
        """
        out: Integrals = {}
        for part in self.law.parts:
            self._add(out, part, scale * weights[part.name] * _reference_density(part, u, v))
        return out

    def state(self, u: fem.Function) -> Any:
        """Return (largest stretch, smallest stretch, volume ratio) as a UFL vector."""
        f = ufl.Identity(3) + ufl.grad(u)
        stretch = principal_stretches(f)
        return ufl.as_vector([stretch[0], stretch[2], ufl.det(f)])


def _reference_density(part: Part, u: Any, v: Any) -> Any:
    if part.measure in GRADIENT_MEASURES:
        return ufl.inner(ufl.grad(u), ufl.grad(v))
    e, d = (ufl.sym(ufl.grad(w)) for w in (u, v))
    volume = ufl.tr(e) * ufl.tr(d) / 3
    return volume if part.measure == "dilatation" else ufl.inner(e, d) - volume


def is_gradient_bound(law: Law) -> bool:
    """Tell whether the law's bound is a multiple of ``grad : grad``, so that scalars suffice."""
    return all(part.measure in GRADIENT_MEASURES for part in law.parts)
