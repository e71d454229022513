"""Material axes of a body's cells: constant, from functions of the place, or from the mesh file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lipmat.errors import InputError, nearest
from lipmat.fem.grid import Grid
from lipmat.fem.mpi import MPI

Array = NDArray[np.float64]
Direction = Sequence[float] | Callable[[Array, Array, Array], ArrayLike]
SMALLEST_SINE = 1e-6  # between two directions that are not parallel


def constant_axes(first: Sequence[float], second: Sequence[float]) -> Array:
    """Return material axes as rows (3, 3): the first two orthonormalised, their cross product.

    Raises:
        InputError: A direction that is zero, or two that are parallel.
    """
    rows = np.array([[first, second]], dtype=np.float64)
    axes: Array = _orthonormal(rows, lambda cell: "axes", MPI.COMM_SELF)[0]
    return axes


def axes_at_cells(grid: Grid, rows: Sequence[Direction], region: str | None = None) -> Array:
    """Return the material axes of every owned cell, shape (n, 3, 3), from values at its centre.

    Args:
        grid: The mesh.
        rows: Two directions, each a vector or a function of x, y, z (n,) [m] to values (3, n).
        region: Where the axes are needed; elsewhere they are those of space.

    Raises:
        InputError: A direction that is zero or not finite, or two that are parallel, in a cell.
    """
    cells = _cells(grid, region)
    x = grid.centres()[cells].T
    values = [np.asarray(r(*x) if callable(r) else r, dtype=np.float64) for r in rows]
    full = [v.T if v.ndim == 2 else np.tile(v, (len(cells), 1)) for v in values]
    return _filled(grid, cells, np.stack(full, axis=1), "axes")


def axes_from_field(grid: Grid, field: str, region: str | None = None) -> Array:
    """Return the material axes of every owned cell, shape (n, 3, 3), from data of the mesh file.

    Args:
        grid: The mesh.
        field: Name of cell data with three numbers for each cell, the first axis (the second is
            then any normal to it), or six, the first and the second.
        region: Where the axes are needed; elsewhere they are those of space.

    Raises:
        InputError: No such data, none for some cells, a direction that is zero, or two that are
            parallel.
    """
    if field not in grid.fields:
        hint = nearest(field, grid.fields) if grid.fields else "it holds none"
        raise InputError(
            f"{grid.name}: no cell data with 3 or 6 numbers a cell is named {field!r}, {hint}"
        )
    cells = _cells(grid, region)
    values = grid.fields[field][cells]
    if values.shape[1] == 3:
        values = np.concatenate([values, _some_normal(values)], axis=1)
    return _filled(grid, cells, values.reshape(-1, 2, 3), f"{grid.name}: cell data {field!r}")


def _cells(grid: Grid, region: str | None) -> NDArray[np.int32]:
    if region is not None:
        return grid.region(region)
    return np.arange(grid.mesh.topology.index_map(3).size_local, dtype=np.int32)


def _some_normal(directions: Array) -> Array:
    """Return, for each direction (n, 3), the axis of space that it is least along."""
    return np.eye(3)[np.argmin(np.abs(directions), axis=1)]


def _filled(grid: Grid, cells: NDArray[np.int32], rows: Array, what: str) -> Array:
    """Return axes of all owned cells from two directions (n, 2, 3) of some of them."""
    original = grid.mesh.topology.original_cell_index

    def where(i: int) -> str:
        return f"{what} of cell {int(original[cells[i]])}"

    axes = np.tile(np.eye(3), (grid.mesh.topology.index_map(3).size_local, 1, 1))
    axes[cells] = _orthonormal(rows, where, grid.mesh.comm)
    return axes


def _orthonormal(rows: Array, where: Callable[[int], str], comm: MPI.Intracomm) -> Array:
    """Return (n, 3, 3) from pairs of directions (n, 2, 3) by Gram and Schmidt; raise on all ranks.

    Raises:
        InputError: The first pair that is missing, zero or parallel.
    """
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(rows, axis=2)
        first, second = np.moveaxis(rows / lengths[:, :, None], 1, 0)
        normal = np.cross(first, second)
        sine = np.linalg.norm(normal, axis=1)
        third = normal / sine[:, None]
    bad = np.flatnonzero(~(sine > SMALLEST_SINE))
    message = _complaint(rows[bad[0]], where(int(bad[0]))) if len(bad) else None
    messages = [m for m in comm.allgather(message) if m]
    if messages:
        raise InputError(messages[0])
    axes: Array = np.stack([first, np.cross(third, first), third], axis=1)
    return axes


def _complaint(rows: Array, where: str) -> str:
    found = " and ".join(str([float(f"{v:g}") for v in row]) for row in rows)
    if not np.isfinite(rows).all():
        return f"{where}: found {found}, expected finite numbers: the axes of this cell are missing"
    if not np.linalg.norm(rows, axis=1).all():
        return f"{where}: found {found}, expected directions that are not zero"
    return f"{where}: found {found}, which are parallel, expected two different directions"
