"""Two ranks against one: the same run to rounding."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lipmat.fem.body import Body
from lipmat.fem.loads import Gravity, Motion, Pressure, Traction
from lipmat.fem.march import march
from lipmat.fem.mpi import MPI
from lipmat.fem.step import critical_step
from tests.fem.laws import rubber
from tests.mpi import run_ranks

CELLS = (3, 3, 9)
PROBE = (1.0, 1.0, 3.0)


def twist(x: np.ndarray) -> np.ndarray:
    """Angular velocity that grows with the height [m/s]."""
    return 1.5 * x[2] * np.stack([0.5 - x[1], x[0] - 0.5, 0 * x[0]])


def solve(cell: str, folder: Path, sharp: bool = False) -> tuple[np.ndarray, np.ndarray, dict]:
    """Run a column with fixed base; return nodes and displacements on rank 0, and the summary."""
    body = Body.box((1, 1, 3), CELLS, cell, rubber(), 930.0)
    step = critical_step(body, safety=0.9)
    loads = [
        Motion("z-min", (0, 0, 0)),
        Pressure("x-max", 300.0),
        Traction("z-max", (0, 300.0, 0)),
        Gravity((0, 0, -1.0)),
    ]
    end = float(f"{1200 * step.value:.3g}")  # the same for all, to the last digit
    settings = {"folder": folder, "probes": [PROBE], "sharp": sharp}
    run = march(body, step, end, loads=loads, velocity=twist, **settings)
    nodes = body.space.tabulate_dof_coordinates()[: len(run.displacement)]
    parts = [body.comm.gather(a) for a in (nodes, run.displacement)]
    x, u = (np.concatenate(p) if p is not None else np.empty((0, 3)) for p in parts)
    order = np.lexsort(np.round(x, 6).T)
    return x[order], u[order], dict(run.summary)


@pytest.mark.mpi
@pytest.mark.parametrize("cell", ["hexahedron", "tetrahedron"])
def test_two_ranks_against_one(cell: str, tmp_path: Path) -> None:
    """Displacements after some 1,000 steps, with all kinds of loads, nodes matched by place."""
    run_ranks(__file__, cell, tmp_path / "two")
    two = np.load(tmp_path / "two" / "result.npz")
    x, u, summary = solve(cell, tmp_path / "one")
    other = json.loads((tmp_path / "two" / "summary.json").read_text())
    difference = np.linalg.norm(two["u"] - u) / np.linalg.norm(u)
    assert (other["ranks"], other["outcome"], summary["outcome"]) == (2, "completed", "completed")
    assert other["steps"] == summary["steps"] >= 1000
    assert two["x"] == pytest.approx(x, abs=1e-12)
    assert np.abs(u).max() > 0.1
    assert difference <= 1e-10
    rows = [
        np.loadtxt(tmp_path / name / "history.csv", delimiter=",", skiprows=1)
        for name in ("one", "two")
    ]
    assert rows[1] == pytest.approx(rows[0], rel=1e-7, abs=1e-7)


@pytest.mark.mpi
def test_sharp_steps_of_two_ranks(tmp_path: Path) -> None:
    """Their random starts differ, so the steps do, by a little."""
    run_ranks(__file__, "hexahedron", tmp_path / "two", "sharp")
    two = np.load(tmp_path / "two" / "result.npz")
    _, u, summary = solve("hexahedron", tmp_path / "one", sharp=True)
    other = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert (other["ranks"], other["outcome"], summary["outcome"]) == (2, "completed", "completed")
    assert other["sharp"]["bounds"] >= 5
    assert other["steps"] == pytest.approx(summary["steps"], rel=0.02)
    assert np.linalg.norm(two["u"] - u) <= 1e-3 * np.linalg.norm(u)


if __name__ == "__main__":
    nodes, displacement, _ = solve(sys.argv[1], Path(sys.argv[2]), "sharp" in sys.argv)
    if MPI.COMM_WORLD.rank == 0:
        np.savez(Path(sys.argv[2]) / "result.npz", x=nodes, u=displacement)
