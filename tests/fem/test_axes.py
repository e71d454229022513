"""Material axes: constant, from functions of the place, from data of the mesh file."""

from __future__ import annotations

import sys
from pathlib import Path

import meshio
import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.axes import axes_at_cells, axes_from_field, constant_axes
from lipmat.fem.body import Body, Material
from lipmat.fem.grid import Grid, box, read_grid
from lipmat.fem.mpi import MPI
from tests.fem.laws import ridge, steel_like
from tests.mpi import run_ranks

# isort: split
from dolfinx import fem


def write_mesh(path: Path, **fields: np.ndarray) -> Path:
    """A bar of four cubes with data of its cells."""
    x, z, y = np.meshgrid(np.arange(5.0), [0.0, 1.0], [0.0, 1.0], indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
    first = np.array([0, 4, 5, 1, 2, 6, 7, 3])
    cells = first + 4 * np.arange(4)[:, None]
    data = {name: [values] for name, values in fields.items()}
    meshio.Mesh(points, [("hexahedron", cells)], cell_data=data).write(path)
    return path


def turned(angles: np.ndarray) -> np.ndarray:
    """Directions (n, 3) in the plane of x and y."""
    return np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)


def test_constant_axes_are_made_orthonormal() -> None:
    axes = constant_axes((0, 3, 0), (2, 5, 0))
    assert axes == pytest.approx(np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]), abs=1e-15)
    random = constant_axes((1, 2, 3), (-1, 0.5, 0.1))
    assert random @ random.T == pytest.approx(np.eye(3), abs=1e-15)
    assert np.linalg.det(random) == pytest.approx(1.0)
    assert random[0] == pytest.approx(np.array([1, 2, 3]) / np.sqrt(14))


def test_axes_around_a_point() -> None:
    """First axis around the z axis through the origin, as fibres of a tube."""
    grid = box((1, 1, 1), (3, 3, 3), "hexahedron", MPI.COMM_SELF)
    axes = axes_at_cells(grid, [lambda x, y, z: np.stack([-y, x, 0 * z]), (0, 0, 1)])
    centre = grid.centres()
    radius = np.linalg.norm(centre[:, :2], axis=1)
    assert axes[:, 0, 0] == pytest.approx(-centre[:, 1] / radius, rel=1e-13)
    assert axes[:, 0, 1] == pytest.approx(centre[:, 0] / radius, rel=1e-13)
    assert axes[:, 1] == pytest.approx(np.tile([0.0, 0.0, 1.0], (27, 1)), abs=1e-15)


def test_axes_from_the_mesh_file(tmp_path: Path) -> None:
    angles = np.array([0.0, 0.5, 1.0, 2.0])
    both = np.concatenate([3 * turned(angles), turned(angles + 0.3)], axis=1)
    grid = read_grid(
        write_mesh(tmp_path / "bar.vtu", fibre=turned(angles), pair=both), MPI.COMM_SELF
    )
    order = grid.mesh.topology.original_cell_index
    found = axes_from_field(grid, "fibre")
    assert found[:, 0] == pytest.approx(turned(angles)[order], abs=1e-15)
    products = found @ np.swapaxes(found, 1, 2)
    assert products == pytest.approx(np.tile(np.eye(3), (4, 1, 1)), abs=1e-14)
    pair = axes_from_field(grid, "pair")
    assert pair[:, 1] == pytest.approx(turned(angles + np.pi / 2)[order], abs=1e-14)


def stored(rows: tuple[tuple[float, ...], ...], direction: int) -> float:
    """The energy of a cube of given axes, pulled by a percent in one direction [J]."""
    grid = box((1, 1, 1), (2, 2, 2), "hexahedron", MPI.COMM_SELF)
    axes = axes_at_cells(grid, rows)
    body = Body(grid, [Material(ridge("orthotropic"), 930.0, axes=axes)])
    u = fem.Function(body.space)
    u.interpolate(lambda x: 0.01 * np.eye(3)[direction][:, None] * x)
    return body.stored_energy(u)()


def test_the_law_turns_with_its_axes() -> None:
    """Pulled along the same material axis it stores the same energy, along another one another."""
    along = [stored(((1, 0, 0), (0, 1, 0)), direction) for direction in range(3)]
    assert min(abs(along[i] / along[j] - 1) for i, j in ((0, 1), (1, 2), (0, 2))) > 1e-3
    turned_about = ((0, 1, 0), (0, 0, 1))  # first axis along y, second along z, third along x
    assert stored(turned_about, 1) == pytest.approx(along[0], rel=1e-12)
    assert stored(turned_about, 2) == pytest.approx(along[1], rel=1e-12)
    assert stored(turned_about, 0) == pytest.approx(along[2], rel=1e-12)


def bad(tmp_path: Path, name: str, values: np.ndarray) -> Grid:
    return read_grid(write_mesh(tmp_path / "bar.vtu", **{name: values}), MPI.COMM_SELF)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"axes: found \[0.0, 0.0, 0.0\] and .* not zero"):
        constant_axes((0, 0, 0), (0, 1, 0))
    with pytest.raises(InputError, match=r"axes: .* which are parallel"):
        constant_axes((1, 2, 0), (-2, -4, 0))
    fibre = turned(np.zeros(4))
    fibre[2] = np.nan
    with pytest.raises(InputError, match=r"bar.vtu: cell data 'fibre' of cell 2: .* missing"):
        axes_from_field(bad(tmp_path, "fibre", fibre), "fibre")
    fibre[2] = 0
    grid = bad(tmp_path, "fibre", fibre)
    with pytest.raises(InputError, match=r"'fibre' of cell 2: found \[0.0, 0.0, 0.0\]"):
        axes_from_field(grid, "fibre")
    with pytest.raises(InputError, match=r"is named 'fiber', did you mean 'fibre'"):
        axes_from_field(grid, "fiber")
    with pytest.raises(InputError, match=r"is named 'fibre', it holds none"):
        axes_from_field(bad(tmp_path, "fibre", np.zeros(4)), "fibre")
    with pytest.raises(InputError, match=r"axes of 'ridge': missing, expected material axes"):
        Body(grid, [Material(ridge("orthotropic"), 930.0)])
    with pytest.raises(InputError, match=r"axes of 'linear-elastic': found some, .* isotropic"):
        Body(grid, [Material(steel_like(), 930.0, axes=np.eye(3))])


def test_axes_are_asked_of_the_region_alone(tmp_path: Path) -> None:
    fibre = turned(np.zeros(4))
    fibre[0] = 0
    grid = bad(tmp_path, "fibre", fibre)
    order = grid.mesh.topology.original_cell_index
    grid = Grid(grid.mesh, {"rest": np.flatnonzero(order > 0)}, {}, "bar", grid.fields)
    assert np.all(axes_from_field(grid, "fibre", "rest")[order == 0] == np.eye(3))
    with pytest.raises(InputError, match=r"of cell 0"):
        axes_from_field(grid, "fibre")


def total(path: str, comm: MPI.Intracomm) -> float:
    """A sum over the cells that depends on which cell has which axes."""
    grid = read_grid(path, comm)
    axes = axes_from_field(grid, "fibre")
    return float(comm.allreduce(float((axes[:, 0, 1] * grid.centres()[:, 0]).sum())))


@pytest.mark.mpi
def test_two_ranks_read_the_same_axes(tmp_path: Path) -> None:
    angles = np.array([0.0, 0.5, 1.0, 2.0])
    path = write_mesh(tmp_path / "bar.vtu", fibre=turned(angles))
    expected = float((np.sin(angles) * (np.arange(4) + 0.5)).sum())
    assert total(str(path), MPI.COMM_SELF) == pytest.approx(expected, rel=1e-12)
    assert float(run_ranks(__file__, path)) == pytest.approx(expected, rel=1e-9)


if __name__ == "__main__":
    value = total(sys.argv[1], MPI.COMM_WORLD)
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(f"{value:.12g}")
