"""Rate of laws with memory against the elastic law that acts in them beside the branches.

``OMP_NUM_THREADS=1 python -m tests.benchmarks.memory_rate`` prints for each number of branches the
rates and their ratio: medians of interleaved repetitions in one process, on 20 x 20 x 20 hexahedra,
one thread. Branches are linear, or nonlinear with eight knots. At small strain the elastic law is
that of four units in p and q, at finite strain the one in stretches of 24 + 24 knots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.mpi import MPI
from lipmat.materials.law import Law, is_small_strain
from lipmat.materials.maxwell import Maxwell
from tests.benchmarks.rate import medians
from tests.fem.laws import polyconvex, pq

# isort: split
from dolfinx import fem, la

COUNT = 20
KNOTS = 8
STEP = 1e-5  # of the order of the stable one [s]
KINEMATICS = ("small", "log")


def elastic(kinematics: str) -> Law:
    """Return the elastic law."""
    return pq() if kinematics == "small" else polyconvex(knots=24)


def viscoelastic(kinematics: str, branches: int, knots: int) -> Maxwell:
    """Return the elastic law with branches of times of 1, 10, ... ms."""
    moduli = torch.full((branches,), 5e4, dtype=torch.float64)
    rates = 0.5 / (1e-3 * 10.0 ** torch.arange(branches, dtype=torch.float64))
    thresholds = torch.linspace(0.0, 0.5, knots, dtype=torch.float64).repeat(branches, 1)
    slopes = rates[:, None].repeat(1, knots) / knots
    return Maxwell(
        moduli,
        thresholds,
        slopes,
        moduli[:, None],
        equilibrium=elastic(kinematics),
        kinematics=kinematics,
    )


def force(law: Law) -> Callable[[], Any]:
    """Return the assembly of a law's internal force, as a run does it, at a smooth deformation."""
    size = 0.01 if is_small_strain(law) else 0.1
    grid = box((1.0, 1.0, 1.0), (COUNT,) * 3, "hexahedron", MPI.COMM_SELF)
    body = Body(grid, [Material(law, 1000.0)])
    u = fem.Function(body.space)
    u.interpolate(lambda x: size * np.array([np.sin(2 * x[1]), x[0] * x[2], x[1] ** 2]))
    memory = body.new_memory()
    assemble = body.internal_force(u, memory)
    if memory.set_step(STEP):
        assemble.pack_constants()
    out = la.vector(body.space.dofmap.index_map, 3)

    def call() -> Any:
        assemble(out)
        return out.array

    return call


def rates(laws: Sequence[Law], repetitions: int) -> list[float]:
    """Return cells per second of each law."""
    return [COUNT**3 / seconds for seconds in medians([force(law) for law in laws], repetitions)]


def main() -> None:
    """Print them."""
    for kinematics in KINEMATICS:
        cases = [(branches, knots) for knots in (1, KNOTS) for branches in (1, 2, 3)]
        laws = [elastic(kinematics), *(viscoelastic(kinematics, *case) for case in cases)]
        first, *found = rates(laws, 40)
        print(f"{kinematics}: elastic {first / 1e6:.2f} million cells/s")
        for (branches, knots), rate in zip(cases, found, strict=True):
            print(f"  {branches} branches of {knots} knots: {rate / 1e6:.2f}, {rate / first:.3f}")


if __name__ == "__main__":
    main()
