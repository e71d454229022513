from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvista
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

from lipmat.fem.grid import box
from lipmat.fem.mpi import MPI
from lipmat.fem.order import node_dofs
from lipmat.fem.vtkhdf import FieldFile
from tests.mpi import ROOT, run_ranks

# isort: split
from dolfinx import fem, mesh

TIMES = (0.0, 0.25, 1.5)


def write(path: Path, cell: str, dies: bool = False) -> None:
    """Fields that are known functions of place and time on a box 1 × 2 × 3 m."""
    grid = box([1, 2, 3], [2, 3, 5], cell).mesh
    function = fem.Function(fem.functionspace(grid, ("Lagrange", 1, (3,))))
    dofs = node_dofs(function.function_space)
    owned = grid.topology.index_map(3).size_local
    middle = mesh.compute_midpoints(grid, 3, np.arange(owned, dtype=np.int32))
    with FieldFile(path, grid, ["displacement", "velocity"], {"stretch": 1, "axis": 3}) as file:
        for time in TIMES:
            function.interpolate(lambda x, t=time: np.stack([t * x[1], x[2] - t, x[0] * x[1]]))
            values = function.x.array.reshape(-1, 3)[dofs]
            point = {"displacement": values, "velocity": -values}
            file.append(time, point, {"stretch": middle[:, 0] + time, "axis": time * middle})
        if dies:
            sys.stdout.flush()
            os._exit(3)


def check(path: Path, points: int, cells: int) -> None:
    """Compare what VTK's own reader finds with the functions."""
    reader = pyvista.get_reader(path).reader
    reader.UpdateInformation()
    times = reader.GetOutputInformation(0).Get(vtkStreamingDemandDrivenPipeline.TIME_STEPS())
    assert times == TIMES
    for time in times:
        reader.UpdateTimeStep(time)
        found = pyvista.wrap(reader.GetOutput())
        assert (found.n_points, found.n_cells) == (points, cells)
        assert found.volume == pytest.approx(6.0, rel=1e-12)
        x, y, z = found.points.T
        expected = np.stack([time * y, z - time, x * y], axis=1)
        np.testing.assert_allclose(found.point_data["displacement"], expected, atol=1e-14)
        np.testing.assert_allclose(found.point_data["velocity"], -expected, atol=1e-14)
        middle = found.cell_centers().points
        np.testing.assert_allclose(found.cell_data["stretch"], middle[:, 0] + time, atol=1e-14)
        np.testing.assert_allclose(found.cell_data["axis"], time * middle, atol=1e-14)


@pytest.mark.parametrize(("cell", "cells"), [("hexahedron", 30), ("tetrahedron", 180)])
def test_vtk_reads_what_was_written(cell: str, cells: int, tmp_path: Path) -> None:
    write(tmp_path / "fields.vtkhdf", cell)
    check(tmp_path / "fields.vtkhdf", 72, cells)


@pytest.mark.mpi
def test_two_ranks_write_one_file(tmp_path: Path) -> None:
    said = run_ranks(__file__, "refusals", tmp_path)
    assert said.count("refused on rank") == 4
    check(tmp_path / "hexahedron.vtkhdf", 72, 30)
    check(tmp_path / "tetrahedron.vtkhdf", 72, 180)


def test_a_killed_run_leaves_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "fields.vtkhdf"
    command = [sys.executable, __file__, "death", str(path)]
    done = subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 3
    check(path, 72, 30)


def test_missing_and_misshapen_fields_are_refused(tmp_path: Path) -> None:
    grid = box([1, 1, 1], [1, 1, 1]).mesh
    with FieldFile(tmp_path / "fields.vtkhdf", grid, ["displacement"], {"stretch": 1}) as file:
        with pytest.raises(ValueError, match="'displacement' is missing"):
            file.append(0.0, {}, {"stretch": np.ones(1)})
        with pytest.raises(ValueError, match=r"'stretch' has shape \(2,\), expected \(1,\)"):
            file.append(0.0, {"displacement": np.zeros((8, 3))}, {"stretch": np.ones(2)})
        file.append(0.5, {"displacement": np.ones((8, 3))}, {"stretch": np.ones(1)})
    found = pyvista.read(tmp_path / "fields.vtkhdf")
    assert found.point_data["displacement"].tolist() == [[1.0, 1.0, 1.0]] * 8


def refusals(folder: Path) -> None:
    """What the ranks of an MPI test run: two files, and two calls that fail on rank 0."""
    for cell in ("hexahedron", "tetrahedron"):
        write(folder / f"{cell}.vtkhdf", cell)
    grid = box([1, 1, 1], [2, 1, 1]).mesh
    with FieldFile(folder / "other", grid, ["displacement"], {}) as file:
        for call in (lambda: FieldFile("/no/where", grid, [], {}), lambda: file.append(0, {}, {})):
            try:
                call()
            except (OSError, ValueError):
                print(f"refused on rank {MPI.COMM_WORLD.rank}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "death":
        write(Path(sys.argv[2]), "hexahedron", dies=True)
    refusals(Path(sys.argv[2]))
