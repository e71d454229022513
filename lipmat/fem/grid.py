"""The mesh of a body, distributed over the ranks, and its named regions and surface groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError, nearest
from lipmat.fem.meshcheck import NODES_OF
from lipmat.fem.meshfile import MeshFile, read_mesh_file
from lipmat.fem.mpi import MPI, only_root

# isort: split
import basix.ufl
from dolfinx import mesh as dmesh
from dolfinx.io.utils import cell_perm_vtk

CELLS = {"hexahedron": dmesh.CellType.hexahedron, "tetrahedron": dmesh.CellType.tetrahedron}
NO_GHOSTS = dmesh.create_cell_partitioner(dmesh.GhostMode.none, 2)


@dataclass(frozen=True, eq=False)
class Grid:
    """A mesh without ghost cells, and its named parts.

    Attributes:
        mesh: First-order hexahedra or tetrahedra, coordinates in [m].
        regions: Local numbers of the owned cells in each named volume group.
        groups: Local numbers of the boundary facets in each named surface group. A boundary facet
            is on one rank only, the one that owns its cell.
        name: The file, or the box, for messages.
        fields: Data of the owned cells by name, three or six numbers for each.
    """

    mesh: dmesh.Mesh
    regions: Mapping[str, NDArray[np.int32]]
    groups: Mapping[str, NDArray[np.int32]]
    name: str
    fields: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def centres(self) -> NDArray[np.float64]:
        """Return the centre of each owned cell, shape (n, 3) [m]."""
        geometry = self.mesh.geometry
        owned = self.mesh.topology.index_map(3).size_local
        centres: NDArray[np.float64] = geometry.x[geometry.dofmap[:owned]].mean(axis=1)
        return centres

    def region(self, name: str) -> NDArray[np.int32]:
        """Return the owned cells of a named region; raise InputError if there is no such region."""
        return _named(self.regions, name, f"{self.name}: no cells are in a region named {name!r}")

    def group(self, name: str) -> NDArray[np.int32]:
        """Return the boundary facets of a named group; raise InputError if there is none."""
        return _named(
            self.groups, name, f"{self.name}: no boundary facets are in a group named {name!r}"
        )


def box(
    size: Sequence[float],
    cells: Sequence[int],
    cell: str = "hexahedron",
    comm: MPI.Intracomm = MPI.COMM_WORLD,
) -> Grid:
    """Return a box with a corner at the origin and the groups x-min, x-max, … z-max.

    Args:
        size: Edge lengths (3) [m].
        cells: Number of cells along each edge (3); six tetrahedra share the place of a hexahedron.
        cell: ``"hexahedron"`` or ``"tetrahedron"``.
        comm: The ranks that share the mesh.

    Raises:
        InputError: A length or a number that is not positive, or another cell.
    """
    if cell not in CELLS:
        raise InputError(f"box: found the cell {cell!r}, {nearest(cell, CELLS)}")
    if len(size) != 3 or not all(np.isfinite(x) and x > 0 for x in size):
        raise InputError(f"box: found the size {list(size)}, expected three positive lengths")
    if len(cells) != 3 or not all(float(n).is_integer() and n > 0 for n in cells):
        raise InputError(f"box: found the cells {list(cells)}, expected three positive numbers")
    corners = [np.zeros(3), np.array(size, dtype=np.float64)]
    numbers = [int(n) for n in cells]
    mesh = dmesh.create_box(comm, corners, numbers, CELLS[cell], partitioner=NO_GHOSTS)
    name = f"box:{','.join(f'{x:g}' for x in size)}:{','.join(map(str, numbers))}:{cell}"
    return Grid(mesh, regions={}, groups=_box_sides(mesh, corners, numbers), name=name)


def read_grid(path: str | Path, comm: MPI.Intracomm = MPI.COMM_WORLD) -> Grid:
    """Read a mesh of first-order hexahedra or tetrahedra with its named groups.

    Regions and groups are Gmsh's physical groups and Abaqus's ELSET and NSET; a boundary facet
    belongs to a set of nodes when all its nodes do. Rank 0 reads, dolfinx distributes.

    Args:
        path: A file that meshio reads; coordinates in metres.
        comm: The ranks that share the mesh.

    Raises:
        InputError: On all ranks; the file cannot be read, or its cells cannot be computed on.
    """
    file = only_root(comm, read_mesh_file, Path(path))
    mesh = _distribute(comm, file)
    named = None if file is None else (file.regions, file.faces, file.nodes, file.fields)
    regions, faces, nodes, fields = comm.bcast(named)
    facets, corners = _boundary(mesh)
    owned = mesh.topology.index_map(mesh.topology.dim).size_local
    original = mesh.topology.original_cell_index[:owned]
    belongs = {name: _faces_among(corners, faces[name]) for name in faces}
    for name, members in nodes.items():
        inside = np.isin(corners, members).all(axis=1)
        belongs[name] = belongs[name] | inside if name in belongs else inside
    groups = {name: facets[chosen] for name, chosen in belongs.items()}
    return Grid(
        mesh,
        regions={
            name: _int32(np.flatnonzero(np.isin(original, regions[name]))) for name in regions
        },
        groups={name: ids for name, ids in groups.items() if comm.allreduce(len(ids))},
        name=str(path),
        fields={name: values[original] for name, values in fields.items()},
    )


def _named(parts: Mapping[str, NDArray[np.int32]], name: str, missing: str) -> NDArray[np.int32]:
    if name not in parts:
        raise InputError(f"{missing}, {nearest(name, parts) if parts else 'nothing is named'}")
    return parts[name]


def _int32(numbers: NDArray[np.generic]) -> NDArray[np.int32]:
    return numbers.astype(np.int32)


def _box_sides(
    mesh: dmesh.Mesh, corners: Sequence[NDArray[np.float64]], cells: Sequence[int]
) -> dict[str, NDArray[np.int32]]:
    """Return the boundary facets of each side of a box, held to a millionth of a cell."""
    groups = {}
    for axis, letter in enumerate("xyz"):
        close = 1e-6 * corners[1][axis] / cells[axis]
        for side, corner in zip(("min", "max"), corners, strict=True):
            groups[f"{letter}-{side}"] = dmesh.locate_entities_boundary(
                mesh, 2, lambda x, a=axis, at=corner, d=close: abs(x[a] - at[a]) < d
            )
    return groups


def _distribute(comm: MPI.Intracomm, file: MeshFile | None) -> dmesh.Mesh:
    """Build the mesh from the cells that rank 0 has read."""
    cell = comm.bcast(None if file is None else file.cell)
    name, width = {"tetra": "tetrahedron"}.get(cell, cell), NODES_OF[cell]
    cells, points = np.empty((0, width), dtype=np.int64), np.empty((0, 3))
    if file is not None:
        cells, points = file.cells[:, cell_perm_vtk(CELLS[name], width)], file.points
    element = basix.ufl.element("Lagrange", name, 1, shape=(3,))
    return dmesh.create_mesh(comm, cells, element, points, NO_GHOSTS)


def _boundary(mesh: dmesh.Mesh) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return this rank's boundary facets and their nodes, as the file numbers these, sorted."""
    mesh.topology.create_connectivity(2, 3)
    mesh.topology.create_connectivity(3, 2)
    facets = dmesh.exterior_facet_indices(mesh.topology)
    nodes = dmesh.entities_to_geometry(mesh, 2, facets)
    return facets, np.sort(mesh.geometry.input_global_indices[nodes], axis=1)


def _faces_among(corners: NDArray[np.int64], faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which facets are among the faces, both as rows of nodes."""
    known = set(map(tuple, np.sort(faces, axis=1).tolist()))
    return np.array([tuple(row) in known for row in corners.tolist()], dtype=bool)
