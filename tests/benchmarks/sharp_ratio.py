"""The sharp step over the exact limit 2/omega of the present tangent, over the twisting column.

``OMP_NUM_THREADS=1 python -m tests.benchmarks.sharp_ratio`` runs simulations/rubber-column with its
law, and at every check compares the step in use with the exact limit of the assembled tangent and
lumped mass; just before every bound too, where the step is oldest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh

import lipmat
from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.guard import Guard, Verdict
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.loads import Motion
from lipmat.fem.mpi import MPI
from lipmat.materials.law import Law
from tests.fem.tangents import tangent

# isort: split
from dolfinx import fem

ROOT = Path(__file__).parents[2]
CHECK_EVERY = 20
END = 0.7


def twist(x: np.ndarray) -> np.ndarray:
    """Initial velocity of simulations/rubber-column [m/s]."""
    rate = 30.0 * np.sin(np.pi * x[2] / 12.0)
    return np.stack([-rate * (x[1] - 0.5), rate * (x[0] - 0.5), 0.0 * x[0]])


def exact_limit(body: Body, u: fem.Function) -> float:
    """Return 2 over the highest frequency of the tangent at a displacement [s]."""
    scale = sp.diags(1.0 / np.sqrt(body.mass))
    k = scale @ tangent(body, u) @ scale
    start = np.random.default_rng(0).standard_normal(k.shape[0])
    highest = eigsh(0.5 * (k + k.T), 1, which="LA", tol=1e-7, v0=start, return_eigenvectors=False)
    return float(2.0 / np.sqrt(highest[0]))


def ratios(law: Law, cells: tuple[int, int, int]) -> tuple[np.ndarray, lipmat.Record]:
    """Return the ratios over a run of the column, and its record.

    Without the last, for the last few steps are short so as to end at the end.
    """
    body = Body(box((1, 1, 6), cells, "hexahedron", MPI.COMM_SELF), [Material(law, 930.0)])
    found: list[float] = []
    steps: list[float] = []
    check, finish = Guard.check, CentralDifference.finish_step

    def watched(self: Guard, rungs: tuple[int, ...], time: float, interval: float) -> Verdict:
        if steps:
            found.append(steps[-1] / exact_limit(body, self._displacement))
        return check(self, rungs, time, interval)

    def noted(self: CentralDifference, step: float, time: float) -> None:
        steps.append(step)
        finish(self, step, time)

    Guard.check = watched  # type: ignore[method-assign]
    CentralDifference.finish_step = noted  # type: ignore[method-assign]
    try:
        step = lipmat.critical_step(body)
        settings = {"every": END, "check_every": CHECK_EVERY, "velocity": twist}
        record = lipmat.march(body, step, END, loads=[Motion("z-min", (0, 0, 0))], **settings)
    finally:
        Guard.check = check  # type: ignore[method-assign]
        CentralDifference.finish_step = finish  # type: ignore[method-assign]
    return np.array(found[:-1]), record


def main() -> None:
    """Print them for the case's own mesh and law."""
    file = ROOT / "simulations" / "rubber-column" / "rubber.safetensors"
    if not file.exists():
        data = lipmat.read_dataset(ROOT / "data" / "treloar-1944")
        lipmat.save(lipmat.fit(data, bulk_modulus=4e7), file)
    found, record = ratios(lipmat.load(file), (8, 8, 48))
    print(f"{record.outcome}, {record.summary['steps']} steps, {record.summary['sharp']}")
    print(
        f"step over exact limit at {len(found)} checks: median {np.median(found):.4f}, "
        f"least {found.min():.4f}, largest {found.max():.4f}"
    )


if __name__ == "__main__":
    main()
