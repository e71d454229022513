"""Cost of a cell and step, and memory of a cell, of a run on a box of N x N x N hexahedra.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.scale 20 100
    mpiexec -n 2 python -m tests.benchmarks.scale 46

It runs the learned law of the tests, with checks and energies as in every run, and prints for each
N: seconds for the body and its certificate, million cell steps a second over all ranks, the share
of the time that went into the force, and the largest resident memory of the ranks for each cell.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

import numpy as np

from lipmat.fem.body import Body
from lipmat.fem.march import march
from lipmat.fem.mpi import MPI
from lipmat.fem.step import critical_step
from tests.fem.laws import polyconvex


@dataclass(frozen=True)
class Cost:
    """What a run of some size took.

    Attributes:
        cells: Number of cells.
        setup: Seconds until the first step.
        rate: Cell steps a second, over all ranks.
        force: Share of the force in the time of the steps [-].
        memory: Largest resident memory so far, all ranks, for each cell [B].
    """

    cells: int
    setup: float
    rate: float
    force: float
    memory: float


def cost(count: int, steps: int = 100) -> Cost:
    """Return what a run on count**3 cells takes."""
    start = time.perf_counter()
    body = Body.box((1.0, 1.0, 1.0), (count,) * 3, "hexahedron", polyconvex(knots=24), 1000.0)
    step = critical_step(body)
    setup = time.perf_counter() - start
    end = steps * step.value
    run = march(body, step, end, velocity=_wave, every=end, sharp=False)
    profile = run.summary["profile"]
    kibibytes = body.comm.allreduce(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    seconds = sum(profile.values())
    rate = body.number_of_cells * run.summary["steps"] / seconds
    memory = 1024.0 * kibibytes / body.number_of_cells
    return Cost(body.number_of_cells, setup, rate, profile["force"] / seconds, memory)


def _wave(x: np.ndarray) -> np.ndarray:
    return 0.01 * np.sin(3.0 * x)


if __name__ == "__main__":
    cost(4)  # compiles
    for count in map(int, sys.argv[1:] or ["20"]):
        found = cost(count)
        if MPI.COMM_WORLD.rank == 0:
            print(
                f"{found.cells} cells on {MPI.COMM_WORLD.size} ranks: set up in {found.setup:.1f} s"
                f", {found.rate / 1e6:.3f} million cell steps/s, force {found.force:.1%} of the "
                f"time, {found.memory:.0f} bytes a cell",
                flush=True,
            )
