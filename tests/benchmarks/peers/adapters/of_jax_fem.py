"""jax-fem: a Problem with a tensor map, its residual compiled as a whole."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import jax.numpy as jnp
from jax_fem.generate_mesh import Mesh
from jax_fem.problem import Problem as JaxFemProblem

from tests.benchmarks.peers.adapters.with_jax import JaxCode, tensor_map
from tests.benchmarks.peers.problem import Problem


class JaxFem(JaxCode):
    """jax-fem."""

    name = "jax-fem"
    way = "compute_residual, whole loop of steps in one jax.jit"

    def __init__(self, problem: Problem) -> None:
        stress = tensor_map(problem)

        class Column(JaxFemProblem):  # type: ignore[misc]
            def get_tensor_map(self) -> Any:
                return stress

        mesh = Mesh(jnp.asarray(problem.points), jnp.asarray(problem.cells), "HEX8")
        column = Column(mesh, vec=3, dim=3, ele_type="HEX8", quadrature_order=2)

        def force(u: Any, data: Any) -> Any:
            return column.compute_residual([u])[0]

        super().__init__(problem, force, ())

    def version(self) -> str:
        return version("jax-fem")
