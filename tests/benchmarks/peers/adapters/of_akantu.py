"""akantu: its own linear elasticity and explicit solver in C++, the yardstick."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import akantu
import numpy as np

from tests.benchmarks.peers.peer import Array, State
from tests.benchmarks.peers.problem import Problem

FACTOR = 0.8
"""On the stable step, in akantu's manual and examples."""


class Akantu:
    """akantu, linear elastic."""

    name, law = "akantu", "elastic"
    way = "SolidMechanicsModel, _explicit_lumped_mass, solveStep"
    rule = f"{FACTOR} getStableTimeStep"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        young, poisson = problem.elastic
        text = f"material elastic [\n name = rubber\n rho = {problem.density:.17g}\n"
        text += f" E = {young:.17g}\n nu = {poisson:.17g}\n]\n"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "material.dat"
            file.write_text(text)
            akantu.parseInput(str(file))
        self._mesh = _mesh(problem)
        self._model = akantu.SolidMechanicsModel(self._mesh)
        self._model.initFull(_analysis_method=akantu._explicit_lumped_mass)
        self._model.getBlockedDOFs()[problem.fixed] = True
        self._u, self._v = self._model.getDisplacement(), self._model.getVelocity()

    def version(self) -> str:
        return str(akantu.getVersion())

    def force(self, u: Array) -> Array:
        self._u[:] = u
        self._model.assembleInternalForces()
        return -np.array(self._model.getInternalForce())

    def repeated(self, u: Array) -> Callable[[], object]:
        self._u[:] = u
        return lambda: self._model.assembleInternalForces()

    def march(self, start: State, step: float, count: int) -> State:
        """Take akantu's own steps, which keep the velocity at whole steps."""
        self._u[:], self._v[:] = start
        self._model.getAcceleration()[:] = 0.0
        self._model.setTimeStep(step)
        for _ in range(count):
            self._model.solveStep()
        return np.array(self._u), np.array(self._v)

    def own_step(self) -> float | None:
        return FACTOR * float(self._model.getStableTimeStep())


def _mesh(problem: Problem) -> akantu.Mesh:
    mesh = akantu.Mesh(3)
    accessor = akantu.MeshAccessor(mesh)
    accessor.resizeNodes(len(problem.points))
    mesh.getNodes()[:] = problem.points
    mesh.addConnectivityType(akantu._hexahedron_8)
    accessor.resizeConnectivity(len(problem.cells), akantu._hexahedron_8)
    mesh.getConnectivity(akantu._hexahedron_8)[:] = problem.cells
    accessor.makeReady()
    return mesh
