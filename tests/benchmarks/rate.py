"""Rate of a learned law's compiled force against dolfinx's own compiled neo-Hookean law.

``OMP_NUM_THREADS=1 python -m tests.benchmarks.rate`` prints the rates and their ratio: medians of
interleaved repetitions in one process, 20 x 20 x 20 hexahedra with eight points, one thread, the
same flags. The learned law has 24 + 24 knots, and both its parts are in one kernel.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lipmat.fem.forms import JIT
from lipmat.fem.lift import stress_of
from lipmat.fem.mpi import MPI
from lipmat.fem.trace import gradient_in_ufl
from tests.fem.laws import polyconvex

# isort: split
import ufl
from dolfinx import fem, mesh

COUNT = 20


class Case:
    """The compiled internal force of both laws at one smooth deformation."""

    def __init__(self) -> None:
        self.mesh = mesh.create_box(
            MPI.COMM_SELF, [[0, 0, 0], [1, 1, 1]], [COUNT] * 3, mesh.CellType.hexahedron
        )
        self.u = fem.Function(fem.functionspace(self.mesh, ("Lagrange", 1, (3,))))
        self.u.interpolate(
            lambda x: np.array(
                [
                    0.1 * np.sin(2 * x[1]) + 0.2 * x[0],
                    0.1 * x[0] * x[2],
                    0.1 * x[1] ** 2 - 0.05 * x[2],
                ]
            )
        )
        self.f = ufl.Identity(3) + ufl.grad(self.u)

    def learned(self) -> Callable[[], Any]:
        """Return the assembly of the learned law."""
        law = polyconvex(knots=24)

        def stress(part: Any) -> Any:
            return stress_of(
                part.measure,
                ufl.grad(self.u),
                lambda x: gradient_in_ufl(law, part.name, x, lambda a: fem.Constant(self.mesh, a)),
            )

        return self._assembly(sum(stress(part) for part in law.parts))

    def neo_hookean(self) -> Callable[[], Any]:
        """Return the assembly of ``P = mu (F - F^-T) + lambda ln J F^-T``."""
        mu, lame = (fem.Constant(self.mesh, value) for value in (1.5e5, 2e6))
        inverse = ufl.inv(self.f).T
        return self._assembly(mu * (self.f - inverse) + lame * ufl.ln(ufl.det(self.f)) * inverse)

    def _assembly(self, stress: Any) -> Callable[[], Any]:
        v = ufl.TestFunction(self.u.function_space)
        dx = ufl.dx(metadata={"quadrature_degree": 2})
        form = fem.form(ufl.inner(stress, ufl.grad(v)) * dx, jit_options=JIT)
        constants = fem.pack_constants(form)
        out = np.zeros_like(self.u.x.array)

        def assemble() -> Any:
            out[:] = 0.0
            return fem.assemble_vector(
                out, form, constants=constants, coeffs=fem.pack_coefficients(form)
            )

        return assemble


def rates(case: Case, repetitions: int) -> tuple[float, float]:
    """Return cells per second of the learned and of the neo-Hookean law."""
    assemblies = (case.learned(), case.neo_hookean())
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repetitions):
        for assemble, found in zip(assemblies, seconds, strict=True):
            start = time.perf_counter()
            assemble()
            found.append(time.perf_counter() - start)
    learned, classical = (COUNT**3 / float(np.median(s)) for s in seconds)
    return learned, classical


if __name__ == "__main__":
    learned, classical = rates(Case(), 200)
    print(f"learned law     {learned / 1e6:.2f} million cells/s")
    print(f"neo-Hookean law {classical / 1e6:.2f} million cells/s")
    print(f"ratio           {learned / classical:.3f}")
