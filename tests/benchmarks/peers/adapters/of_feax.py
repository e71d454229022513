"""feax: a Problem with a tensor map, its structure handed over as ``TracedStructure``."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import feax
import jax.numpy as jnp

from tests.benchmarks.peers.adapters.with_jax import JaxCode, tensor_map
from tests.benchmarks.peers.problem import Problem


class Feax(JaxCode):
    """feax."""

    name = "feax"
    way = "get_res with TracedStructure, whole loop of steps in one jax.jit"

    def __init__(self, problem: Problem) -> None:
        stress = tensor_map(problem)

        class Column(feax.Problem):  # type: ignore[misc]
            def get_tensor_map(self) -> Any:
                return stress

        mesh = feax.Mesh(jnp.asarray(problem.points), jnp.asarray(problem.cells), "HEX8")
        column = Column(mesh, vec=3, dim=3, ele_type="HEX8", gauss_order=2)
        structure = feax.TracedStructure.from_problem(column)

        def force(u: Any, data: Any) -> Any:
            return feax.get_res(column, [u], feax.TracedParams(), data)[0]

        super().__init__(problem, force, structure)

    def version(self) -> str:
        return version("feax")
