"""Rate of a learned law's compiled force against dolfinx's own compiled neo-Hookean law.

``OMP_NUM_THREADS=1 python -m tests.benchmarks.rate`` prints the rates and their ratio: medians of
interleaved repetitions in one process, 20 x 20 x 20 hexahedra with eight points, or as many cubes
of six tetrahedra with one, one thread, the same flags. The learned law has 24 + 24 knots.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lipmat.fem.body import Body, Material
from lipmat.fem.forms import DEGREE, JIT
from lipmat.fem.grid import box
from lipmat.fem.mpi import MPI
from tests.fem.laws import polyconvex

# isort: split
import ufl
from dolfinx import fem, la

COUNT = 20


class Case:
    """The compiled internal force of both laws at one smooth deformation.

    Args:
        cell: ``hexahedron`` or ``tetrahedron``.
    """

    def __init__(self, cell: str) -> None:
        grid = box((1.0, 1.0, 1.0), (COUNT,) * 3, cell, MPI.COMM_SELF)
        self.body = Body(grid, [Material(polyconvex(knots=24), 1000.0)], "full")
        self.degree = DEGREE[cell]
        self.u = fem.Function(self.body.space)
        self.u.interpolate(
            lambda x: np.array(
                [
                    0.1 * np.sin(2 * x[1]) + 0.2 * x[0],
                    0.1 * x[0] * x[2],
                    0.1 * x[1] ** 2 - 0.05 * x[2],
                ]
            )
        )

    def learned(self) -> Callable[[], Any]:
        """Return the assembly of the learned law, as a run does it."""
        assemble = self.body.internal_force(self.u)
        out = la.vector(self.body.space.dofmap.index_map, 3)

        def call() -> Any:
            assemble(out)
            return out.array

        return call

    def neo_hookean(self) -> Callable[[], Any]:
        """Return dolfinx's assembly of ``P = mu (F - F^-T) + lambda ln J F^-T``."""
        mu, lame = (fem.Constant(self.body.mesh, value) for value in (1.5e5, 2e6))
        f = ufl.Identity(3) + ufl.grad(self.u)
        inverse = ufl.inv(f).T
        stress = mu * (f - inverse) + lame * ufl.ln(ufl.det(f)) * inverse
        v = ufl.TestFunction(self.body.space)
        dx = ufl.dx(metadata={"quadrature_degree": self.degree})
        form = fem.form(ufl.inner(stress, ufl.grad(v)) * dx, jit_options=JIT)
        constants = fem.pack_constants(form)
        out = np.zeros_like(self.u.x.array)

        def call() -> Any:
            out[:] = 0.0
            return fem.assemble_vector(
                out, form, constants=constants, coeffs=fem.pack_coefficients(form)
            )

        return call


def rates(case: Case, repetitions: int) -> tuple[float, float]:
    """Return cells per second of the learned and of the neo-Hookean law."""
    learned, classical = medians([case.learned(), case.neo_hookean()], repetitions)
    return case.body.number_of_cells / learned, case.body.number_of_cells / classical


def medians(calls: Sequence[Callable[[], Any]], repetitions: int) -> list[float]:
    """Return the median time of each call [s], of repetitions that take turns."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repetitions):
        for call, found in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            found.append(time.perf_counter() - start)
    return [float(np.median(found)) for found in seconds]


if __name__ == "__main__":
    for cell in ("hexahedron", "tetrahedron"):
        learned, classical = rates(Case(cell), 100)
        print(f"{cell}: learned law {learned / 1e6:.2f}, neo-Hookean {classical / 1e6:.2f}", end="")
        print(f" million cells/s, ratio {learned / classical:.3f}")
