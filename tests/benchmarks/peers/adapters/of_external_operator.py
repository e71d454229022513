"""dolfinx-external-operator: the stress at quadrature points comes from torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from lipmat.fem.mpi import MPI
from tests.benchmarks.peers.adapters.with_torch import compiled_stress
from tests.benchmarks.peers.peer import Array, State, central_difference
from tests.benchmarks.peers.problem import Problem

# isort: split
import basix.ufl
import ufl
from dolfinx import fem, la, mesh
from dolfinx_external_operator import (
    FEMExternalOperator,
    evaluate_external_operators,
    evaluate_operands,
    replace_external_operators,
)

FLAGS = {"cffi_extra_compile_args": ["-O3", "-march=native", "-ffast-math"]}
DEGREE = 2


class ExternalOperator:
    """dolfinx-external-operator with torch."""

    name, law, rule = "external operator", "learned", ""
    way = "FEMExternalOperator of F on eight points, stress by torch.compile"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        block = mesh.create_box(
            MPI.COMM_SELF, [[0, 0, 0], problem.size], problem.counts, mesh.CellType.hexahedron
        )
        space = fem.functionspace(block, ("Lagrange", 1, (3,)))
        at = np.rint(space.tabulate_dof_coordinates() / problem.size * problem.counts).astype(int)
        nx, ny, _ = problem.counts + 1
        self._node = at[:, 0] + nx * (at[:, 1] + ny * at[:, 2])
        self._u = fem.Function(space)
        self._out = la.vector(space.dofmap.index_map, 3)
        points = basix.ufl.quadrature_element(
            block.basix_cell(), value_shape=(3, 3), degree=DEGREE, scheme="default"
        )
        gradient = ufl.Identity(3) + ufl.grad(self._u)
        operator = FEMExternalOperator(
            gradient,
            function_space=fem.functionspace(block, points),
            external_function=lambda derivatives: _operator(compiled_stress(problem)),
        )
        dx = ufl.dx(metadata={"quadrature_degree": DEGREE, "quadrature_scheme": "default"})
        work = ufl.inner(operator, ufl.grad(ufl.TestFunction(space))) * dx
        replaced, self._operators = replace_external_operators(work)
        self._form = fem.form(replaced, jit_options=FLAGS)

    def version(self) -> str:
        return version("dolfinx-external-operator")

    def _assemble(self) -> None:
        operands = evaluate_operands(self._operators)
        evaluate_external_operators(self._operators, operands)
        self._out.array[:] = 0.0
        fem.assemble_vector(self._out.array, self._form)

    def force(self, u: Array) -> Array:
        self._u.x.array[:] = u[self._node].ravel()
        self._assemble()
        out = np.empty_like(u)
        out[self._node] = self._out.array.reshape(-1, 3)
        return out

    def repeated(self, u: Array) -> Callable[[], object]:
        self._u.x.array[:] = u[self._node].ravel()
        return self._assemble

    def march(self, start: State, step: float, count: int) -> State:
        return central_difference(self.force, self.problem, start, step, count)

    def own_step(self) -> float | None:
        return None


def _operator(stress: Callable[[Any], Any]) -> Callable[[Array], Array]:
    def evaluate(gradient: Array) -> Array:
        with torch.inference_mode():
            out: Array = stress(torch.from_numpy(gradient).reshape(-1, 3, 3)).numpy().ravel()
        return out

    return evaluate
