"""Fields that ranks write in pieces against the gathered file, bit for bit."""

from __future__ import annotations

import errno
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipmat.fem import pieces
from lipmat.fem.body import Body
from lipmat.fem.loads import Gravity, Motion
from lipmat.fem.march import march
from lipmat.fem.mpi import MPI
from lipmat.fem.step import Step, critical_step
from lipmat.plotting import plot_run
from lipmat.plotting.fields import FieldReader
from tests.fem.laws import law
from tests.fem.runs import stop_at
from tests.fem.test_pieces import FIELDS, assert_same_fields, assert_vtk_reads
from tests.mpi import run_ranks


@cache
def body_and_step(alone: bool) -> tuple[Body, Step]:
    comm = MPI.COMM_SELF if alone else MPI.COMM_WORLD
    body = Body.box((1, 1, 2), (2, 2, 4), "tetrahedron", law("rubber"), 930.0, comm)
    return body, critical_step(body)


def solve(folder: Path, alone: bool = False, **settings: Any) -> str:
    """March on all ranks, or on this one alone; return the outcome."""
    own: dict[str, Any] = {"parallel": True, "folder": folder, "every": 0.011, "check_every": 6}
    run = march(
        *body_and_step(alone),
        0.15,
        loads=[Motion("z-min", (0, 0, 0)), Gravity((0, 0, -1.0))],
        velocity=lambda x: 2.0 * x[2] * np.stack([0.5 - x[1], x[0] - 0.5, 0 * x[0]]),
        sharp=False,  # its random starts depend on the ranks
        **(own | settings),
    )
    return str(run.outcome)


def on_two_ranks(folder: Path) -> None:
    """The same run gathered; in pieces; stopped, resumed on one rank and on two; on a full disk."""
    comm = MPI.COMM_WORLD
    assert solve(folder / "gathered", parallel=False) == "completed"
    assert solve(folder / "pieces") == "completed"
    assert solve(folder / "stopped", progress=stop_at(6)) == "interrupted"
    if comm.rank == 0:
        again = {"resume": True, "progress": stop_at(6)}
        assert solve(folder / "stopped", alone=True, **again) == "interrupted"
    comm.barrier()
    assert solve(folder / "stopped", resume=True) == "completed"
    if comm.rank == 1:
        fill_disk()
    try:
        solve(folder / "full", restart_every=1e-9)
    except OSError as error:
        print(f"rank {comm.rank} says: {error}", flush=True)


def fill_disk() -> None:
    """Let this rank write the fields of no more than four times."""
    own, calls = pieces.write_fields, []

    def full(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return own(*arguments)

    pieces.write_fields = full


@pytest.mark.mpi
def test_pieces_of_two_ranks(tmp_path: Path) -> None:
    """Bit for bit against the gathered file; resumed on other ranks, to rounding."""
    said = run_ranks(__file__, tmp_path)
    folder = tmp_path / "pieces"
    assert sorted(p.name for p in (folder / "pieces").iterdir()) == ["0-00000.h5", "0-00001.h5"]
    assert assert_same_fields(tmp_path / "gathered", folder) == 15
    assert assert_vtk_reads(folder) == [2] * 15
    assert plot_run(folder) == [folder / "energy.png", folder / "run.png"]
    check_resumed(tmp_path / "gathered", tmp_path / "stopped")
    for rank in (0, 1):
        assert f"rank {rank} says: {tmp_path / 'full'}: the records cannot be written" in said
    assert assert_vtk_reads(tmp_path / "full") == [2] * 4
    assert solve(tmp_path / "full", resume=True) == "completed"
    check_resumed(tmp_path / "gathered", tmp_path / "full")


def check_resumed(whole: Path, folder: Path) -> None:
    """Check fields that one rank and two have written, each some times."""
    assert set(assert_vtk_reads(folder)) == {1, 2}
    one, two = (FieldReader(f / "fields.vtkhdf") for f in (whole, folder))
    np.testing.assert_allclose(one.times, two.times, rtol=1e-12)
    for output in range(len(one.times)):
        for kind, name in FIELDS:
            expected = one.rows(kind, name, output)
            within = 1e-12 * max(np.abs(expected).max(), 1.0)
            np.testing.assert_allclose(two.rows(kind, name, output), expected, 0, within)


if __name__ == "__main__":
    on_two_ranks(Path(sys.argv[1]))
