"""lipmat: all parts of the law at eight points, as peers integrate it; and as its users run it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import h5py  # noqa: F401  (where numba is installed, not after dolfinx.fem.petsc: it loads HDF5 for all)
import numpy as np

import lipmat
from lipmat.fem.body import Material
from lipmat.fem.grid import box
from tests.benchmarks.peers.peer import Array, State, central_difference, seconds
from tests.benchmarks.peers.problem import Problem

# isort: split
from dolfinx import fem, la

LEVEL = "linearised"


class _Lipmat:
    """A body of a law with the nodes' numbers of the problem."""

    formulation = "full"
    rule = "certified"

    def __init__(self, problem: Problem, law: Any) -> None:
        self.problem = problem
        self.way = f"formulation {self.formulation!r}; the step is lipmat.march with all its checks"
        size, counts = map(tuple, (problem.size, problem.counts.tolist()))
        material = Material(law, problem.density)
        self.body = lipmat.Body(box(size, counts, "hexahedron"), [material], self.formulation)
        at = np.rint(self.body.places / problem.size * problem.counts).astype(np.int64)
        nx, ny, _ = problem.counts + 1
        self._node = at[:, 0] + nx * (at[:, 1] + ny * at[:, 2])
        self._u = fem.Function(self.body.space)
        self._out = la.vector(self.body.space.dofmap.index_map, 3)
        self._assemble = self.body.internal_force(self._u)

    def version(self) -> str:
        return lipmat.__version__

    def force(self, u: Array) -> Array:
        self._u.x.array[:] = u[self._node].ravel()
        self._assemble(self._out)
        out = np.empty_like(u)
        out[self._node] = self._out.array.reshape(-1, 3)
        return out

    def repeated(self, u: Array) -> Callable[[], object]:
        self._u.x.array[:] = u[self._node].ravel()
        return lambda: self._assemble(self._out)

    def march(self, start: State, step: float, count: int) -> State:
        """Take plain steps without certificate, for other codes' steps to be tried on."""
        return central_difference(self.force, self.problem, start, step, count)

    @cached_property
    def _certificate(self) -> tuple[Any, float]:
        """The certified step, and the seconds it takes when its forms are compiled."""
        steps: list[Any] = []
        call = lambda: steps.append(lipmat.critical_step(self.body, level=LEVEL))  # noqa: E731
        took = seconds(call, 2)
        return steps[-1], took[-1]

    def own_step(self) -> float | None:
        return float(self._certificate[0].value)

    def run(self, end: float) -> tuple[dict[str, Any], Array]:
        """Run the problem with ``lipmat.march``; return what it says, and the displacement.

        Its steps and seconds are those from the first to the last of its checks, without what comes
        before.
        """
        marks: list[tuple[int, float]] = []
        velocity, node = self.problem.velocity, self._node
        step, certify = self._certificate
        record = lipmat.march(
            self.body,
            step,
            end,
            loads=[lipmat.Motion("z-min", (0.0, 0.0, 0.0))],
            velocity=lambda _: velocity[node].T,
            every=self.problem.every,
            progress=lambda now: marks.append((now.steps, time.process_time())),
        )
        (first, start), (last, stop) = marks[0], marks[-1]
        says = {
            "outcome": str(record.summary["outcome"]),
            "steps": last - first,
            "seconds": stop - start,
            "certify": certify,
        }
        u = np.empty_like(self.problem.points)
        u[self._node] = record.displacement
        return says, u


class Learned(_Lipmat):
    """The learned law."""

    name, law = "lipmat", "learned"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, lipmat.load(problem.material))


class Selective(Learned):
    """The default formulation, which keeps nearly incompressible laws from locking."""

    name, formulation = "lipmat, default", "selective"
    rule = "certified at the present state"


class Reduced(Learned):
    """One evaluation of the law for each cell, and hourglass stiffness."""

    name, formulation = "lipmat, reduced", "reduced"
    rule = "certified at the present state"


class Elastic(_Lipmat):
    """Hooke's law with the moduli at rest, to compare with akantu."""

    name, law = "lipmat, elastic", "elastic"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, lipmat.LinearElastic(*problem.elastic))
