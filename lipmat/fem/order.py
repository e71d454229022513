"""The order of the mesh file: the same however the mesh is divided among the ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.fem.mpi import MPI

# isort: split
from dolfinx import fem, mesh

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def node_dofs(space: fem.FunctionSpace) -> NDArray[np.int32]:
    """Return the dof of each owned node of the mesh; the two may be numbered differently.

    With it ``u.x.array.reshape(-1, 3)[node_dofs(space)]`` are the values of ``u`` at the owned
    nodes, in the order of ``space.mesh.geometry``.

    Args:
        space: A first-order Lagrange space, scalar or vector, on a first-order mesh.

    Returns:
        For each owned node of this rank the local number of its block of dofs, shape (n,).
    """
    geometry = space.mesh.geometry
    dofs = np.full(len(geometry.x), -1, dtype=np.int32)
    dofs[geometry.dofmaps[0]] = space.dofmap.list
    return dofs[: geometry.index_map().size_local]


class Order:
    """Joins what the ranks hold of the nodes (or cells), sorted by number, and splits it again.

    Args:
        comm: The ranks.
        numbers: Numbers of the nodes that this rank owns, in its own order, shape (n,).

    Attributes:
        numbers: On rank 0 the numbers of all nodes in ascending order, elsewhere empty.
    """

    def __init__(self, comm: MPI.Intracomm, numbers: NDArray[Any]) -> None:
        self._comm = comm
        parts: list[Integers] = comm.gather(numbers.astype(np.int64)) or []
        joined = np.concatenate([np.empty(0, np.int64), *parts])
        self._order, self._ends = np.argsort(joined), np.cumsum([len(p) for p in parts])[:-1]
        self.numbers: Integers = joined[self._order]

    def joined(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return the ranks' parts as one sorted array; for rank 0, which has gathered them."""
        return np.concatenate(parts)[self._order]

    def gather(self, values: NDArray[Any]) -> NDArray[Any] | None:
        """Return on rank 0 the values of all nodes in ascending order, elsewhere None."""
        parts = self._comm.gather(values)
        return None if parts is None else self.joined(parts)

    def scatter(self, values: NDArray[Any] | None) -> NDArray[Any]:
        """Return each rank's own part of what rank 0 holds: the inverse of :meth:`gather`."""
        parts = None
        if values is not None:
            unsorted = np.empty_like(values)
            unsorted[self._order] = values
            parts = np.split(unsorted, self._ends)
        own: NDArray[Any] = self._comm.scatter(parts)
        return own


def node_order(grid: mesh.Mesh) -> Order:
    """Return the order of the owned nodes by their numbers in the mesh file."""
    owned = grid.geometry.index_map().size_local
    return Order(grid.comm, grid.geometry.input_global_indices[:owned])


def cell_order(grid: mesh.Mesh) -> Order:
    """Return the order of the owned cells by their numbers in the mesh file."""
    owned = grid.topology.index_map(3).size_local
    return Order(grid.comm, grid.topology.original_cell_index[:owned])


def whole_mesh(grid: mesh.Mesh, nodes: Order, cells: Order) -> tuple[Floats, Integers]:
    """Return the mesh on rank 0 as its file has it, elsewhere an empty one.

    Args:
        grid: The distributed mesh.
        nodes: Order of its nodes.
        cells: Order of its cells.

    Returns:
        Points, shape (n, 3) [m], and the nodes of each cell in dolfinx's order, shape (m, 4 or 8);
        nodes are numbered from 0 without gaps.
    """
    owned = grid.topology.index_map(3).size_local
    corners = grid.geometry.input_global_indices[grid.geometry.dofmaps[0][:owned]]
    points = nodes.gather(grid.geometry.x[: grid.geometry.index_map().size_local])
    found = cells.gather(corners)
    if points is None or found is None:
        return np.empty((0, 3)), np.empty((0, corners.shape[1]), dtype=np.int64)
    return points, np.searchsorted(nodes.numbers, found)
