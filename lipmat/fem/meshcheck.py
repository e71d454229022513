"""What makes a mesh unfit to compute on, found before anything is built and named by its cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError

# A corner of the cell, then the ends of its three edges, right-handed (numbering of VTK).
CORNERS = {
    "hexahedron": (
        (0, 1, 3, 4),
        (1, 2, 0, 5),
        (2, 3, 1, 6),
        (3, 0, 2, 7),
        (4, 7, 5, 0),
        (5, 4, 6, 1),
        (6, 5, 7, 2),
        (7, 6, 4, 3),
    ),
    "tetra": ((0, 1, 2, 3),),
}
NODES_OF = {"hexahedron": 8, "tetra": 4}
SMALLEST_DETERMINANT = 1e-12


def check_mesh(
    path: Path, cell: str, points: NDArray[np.float64], cells: NDArray[np.int64]
) -> None:
    """Raise unless every cell has its own finite nodes and a positive volume.

    Args:
        path: The file, for the message.
        cell: ``"hexahedron"`` or ``"tetra"``.
        points: Nodes, shape (n, 3) [m].
        cells: Nodes of each cell in the order of VTK, shape (m, 8) or (m, 4).

    Raises:
        InputError: The first cell or node at fault, by its number in the file.
    """
    _check_numbers(path, points, cells, NODES_OF[cell])
    _check_volumes(path, corner_determinants(cell, points[cells]).min(axis=1))
    _check_repeats(path, cells)


def corner_determinants(cell: str, nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the triple product of the edges at each corner over the cube of the longest of them.

    Args:
        cell: ``"hexahedron"`` or ``"tetra"``.
        nodes: Nodes of each cell in the order of VTK, shape (m, 8, 3) or (m, 4, 3) [m].

    Returns:
        The Jacobian determinant relative to the cell's size, shape (m, 8) or (m, 1) [-]. For a
        tetrahedron it is the same at every point: six times the volume.
    """
    found, longest = [], np.zeros(len(nodes))
    for corner, *ends in CORNERS[cell]:
        edges = nodes[:, ends] - nodes[:, corner, None]
        found.append(np.linalg.det(edges))
        longest = np.maximum(longest, np.linalg.norm(edges, axis=2).max(axis=1))
    size = np.where(longest > 0, longest, 1.0)
    relative: NDArray[np.float64] = np.stack(found, axis=1) / size[:, None] ** 3
    return relative


def _check_numbers(
    path: Path, points: NDArray[np.float64], cells: NDArray[np.int64], width: int
) -> None:
    """Raise if cells refer to nodes that are not there, or a node is not at a place."""
    if cells.ndim != 2 or cells.shape[1] != width or points.ndim != 2 or points.shape[1] != 3:
        raise InputError(
            f"{path}: found cells of shape {cells.shape} and nodes of shape {points.shape}, "
            f"expected (m, {width}) and (n, 3)"
        )
    outside = np.flatnonzero(((cells < 0) | (cells >= len(points))).any(axis=1))
    if len(outside):
        raise InputError(
            f"{path}: cell {outside[0]} (numbered from 0) has a node that the file does not hold"
        )
    used = np.unique(cells)
    lost = used[~np.isfinite(points[used]).all(axis=1)]
    if len(lost):
        place = ", ".join(f"{x:g}" for x in points[lost[0]])
        raise InputError(
            f"{path}: node {lost[0]} (numbered from 0) is at ({place}), expected finite numbers"
        )


def _check_volumes(path: Path, least: NDArray[np.float64]) -> None:
    """Raise if a cell's least determinant, relative to its size, is not positive."""
    bad = np.flatnonzero(~(least > SMALLEST_DETERMINANT))
    if len(bad):
        value = least[bad[0]]
        fault = "inverted" if value < -SMALLEST_DETERMINANT else "without volume"
        raise InputError(
            f"{path}: cell {bad[0]} (numbered from 0) is {fault}: its least Jacobian determinant "
            f"over its longest edge cubed is {value:.3g}, expected above {SMALLEST_DETERMINANT:g} "
            f"(such cells in all: {len(bad)})"
        )


def _check_repeats(path: Path, cells: NDArray[np.int64]) -> None:
    """Raise if two cells have the same nodes."""
    rows = np.sort(cells, axis=1)
    order = np.lexsort(rows.T)
    twice = np.flatnonzero((rows[order[1:]] == rows[order[:-1]]).all(axis=1))
    if len(twice):
        first, second = sorted(int(i) for i in order[twice[0] : twice[0] + 2])
        raise InputError(
            f"{path}: cell {second} (numbered from 0) has the nodes of cell {first}, expected each "
            "cell once (Gmsh's format 2 repeats a cell for each of its groups: save as 4.1)"
        )
