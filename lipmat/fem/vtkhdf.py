"""Fields over time in one VTKHDF file, readable by ParaView and pyvista while a run goes on.

Format: VTKHDF 2.2, UnstructuredGrid, static mesh with temporal data
(https://docs.vtk.org/en/latest/vtk_file_formats/vtkhdf_file_format/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from lipmat.fem.mpi import only_root

# isort: split
from dolfinx import fem, mesh
from dolfinx.io.utils import cell_perm_vtk

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

VTK_CELLS = {mesh.CellType.hexahedron: 12, mesh.CellType.tetrahedron: 10}
OFFSETS = ("PartOffsets", "PointOffsets", "CellOffsets", "ConnectivityIdOffsets")


def node_dofs(space: fem.FunctionSpace) -> NDArray[np.int32]:
    """Return the dof of each owned node of the mesh; the two may be numbered differently.

    With it ``u.x.array.reshape(-1, 3)[node_dofs(space)]`` are the values of ``u`` in the order
    that :class:`FieldFile` takes.

    Args:
        space: A first-order Lagrange space, scalar or vector, on a first-order mesh.

    Returns:
        For each owned node of this rank the local number of its block of dofs, shape (n,).
    """
    geometry = space.mesh.geometry
    dofs = np.full(len(geometry.x), -1, dtype=np.int32)
    dofs[geometry.dofmaps[0]] = space.dofmap.list
    return dofs[: geometry.index_map().size_local]


class FieldFile:
    """Writes a fixed mesh once, then fields at a node and at a cell for each output time.

    Rank 0 gathers and writes. The data of a time reach the disk before the count of times does, so
    that a killed run leaves a file that can be read up to its last whole time.
    """

    def __init__(
        self,
        path: str | Path,
        grid: mesh.Mesh,
        point_fields: Sequence[str],
        cell_fields: Mapping[str, int],
    ) -> None:
        """Create the file, replacing one of that name.

        Args:
            path: File to write, ``fields.vtkhdf`` by custom.
            grid: First-order hexahedra or tetrahedra.
            point_fields: Names of the vector fields at the nodes.
            cell_fields: Name and number of components of each field at the cells.

        Raises:
            OSError: On all ranks, if the file cannot be written.
        """
        self._comm = grid.comm
        self._point_fields = tuple(point_fields)
        self._cell_fields = dict(cell_fields)
        parts = self._comm.gather(_local_mesh(grid))
        self._file: Any = only_root(self._comm, self._create, Path(path), grid, parts)

    def append(self, time: float, point: Mapping[str, Floats], cell: Mapping[str, Floats]) -> None:
        """Write the fields at a time.

        Args:
            time: The time [s].
            point: Each point field at the owned nodes of this rank, shape (n, 3); see
                :func:`node_dofs` for the order.
            cell: Each cell field at the owned cells of this rank, shape (m,) or (m, components).

        Raises:
            OSError: On all ranks, if the file cannot be written.
            ValueError: On all ranks, if a field is missing or has another shape.
        """
        found = {"PointData": dict(point), "CellData": dict(cell)}
        only_root(self._comm, self._write, time, self._comm.gather(found))

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _create(
        self, path: Path, grid: mesh.Mesh, parts: list[tuple[Floats, Integers]]
    ) -> h5py.File:
        """Write the mesh and the empty fields."""
        points, cells = (np.concatenate(found) for found in zip(*parts, strict=True))
        file = h5py.File(path, "w", locking=False)
        root = file.create_group("VTKHDF")
        root.attrs["Version"] = np.array([2, 2])
        root.attrs["Type"] = np.bytes_("UnstructuredGrid")
        kind = np.full(len(cells), VTK_CELLS[grid.topology.cell_type], dtype=np.uint8)
        root.create_dataset("NumberOfPoints", data=np.array([len(points)]))
        root.create_dataset("NumberOfCells", data=np.array([len(cells)]))
        root.create_dataset("NumberOfConnectivityIds", data=np.array([cells.size]))
        root.create_dataset("Points", data=points)
        root.create_dataset("Connectivity", data=cells.ravel())
        root.create_dataset("Offsets", data=np.arange(len(cells) + 1) * cells.shape[1])
        root.create_dataset("Types", data=kind)
        point_shapes = {name: (len(points), 3) for name in self._point_fields}
        cell_shapes = {
            name: (len(cells), width) if width > 1 else (len(cells),)
            for name, width in self._cell_fields.items()
        }
        _create_steps(root, {"PointData": point_shapes, "CellData": cell_shapes})
        file.flush()
        return file

    def _write(self, time: float, parts: list[dict[str, dict[str, Floats]]]) -> None:
        """Write the gathered fields, then their place, then the count of times."""
        root = self._file["VTKHDF"]
        steps = root["Steps"]
        count = int(steps.attrs["NSteps"])
        for kind in ("PointData", "CellData"):
            size = int(root["NumberOfPoints" if kind == "PointData" else "NumberOfCells"][0])
            for name, dataset in root[kind].items():
                values = _gathered(name, [part[kind] for part in parts], (size, *dataset.shape[1:]))
                _put(dataset, count * size, values)
                _put(steps[f"{kind}Offsets/{name}"], count, np.array([count * size]))
        for name in OFFSETS:
            _put(steps[name], count, np.zeros((1, *steps[name].shape[1:]), dtype=np.int64))
        _put(steps["NumberOfParts"], count, np.array([1]))
        _put(steps["Values"], count, np.array([time]))
        self._file.flush()
        steps.attrs["NSteps"] = count + 1
        self._file.flush()


def _local_mesh(grid: mesh.Mesh) -> tuple[Floats, Integers]:
    """Return the owned nodes [m] and the owned cells by global numbers, in the order of VTK."""
    nodes, cells = grid.geometry.index_map(), grid.topology.index_map(3)
    local = grid.geometry.dofmaps[0][: cells.size_local]
    numbers = nodes.local_to_global(local.ravel()).reshape(local.shape)
    order = np.argsort(cell_perm_vtk(grid.topology.cell_type, local.shape[1]))
    return grid.geometry.x[: nodes.size_local], numbers[:, order]


def _create_steps(root: h5py.Group, shapes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> None:
    """Create the group of times, and the fields with one chunk for each time."""
    steps = root.create_group("Steps")
    steps.attrs["NSteps"] = 0
    steps.create_dataset("Values", (0,), maxshape=(None,), dtype=np.float64)
    for name in ("NumberOfParts", "PartOffsets", "PointOffsets"):
        steps.create_dataset(name, (0,), maxshape=(None,), dtype=np.int64)
    for name in ("CellOffsets", "ConnectivityIdOffsets"):
        steps.create_dataset(name, (0, 1), maxshape=(None, 1), dtype=np.int64)
    for kind, fields in shapes.items():
        root.create_group(kind)
        steps.create_group(f"{kind}Offsets")
        for name, (size, *rest) in fields.items():
            root[kind].create_dataset(
                name, (0, *rest), np.float64, maxshape=(None, *rest), chunks=(size, *rest)
            )
            steps.create_dataset(f"{kind}Offsets/{name}", (0,), maxshape=(None,), dtype=np.int64)


def _gathered(name: str, parts: list[dict[str, Floats]], shape: tuple[int, ...]) -> Floats:
    """Join the ranks' parts of a field; raise ValueError if one is missing or has another shape."""
    if any(name not in part for part in parts):
        raise ValueError(f"the field {name!r} is missing")
    values = np.concatenate([np.asarray(part[name]) for part in parts])
    if values.shape != shape:
        raise ValueError(f"the field {name!r} has shape {values.shape}, expected {shape}")
    return values


def _put(dataset: h5py.Dataset, start: int, values: NDArray[np.generic]) -> None:
    """Write rows from ``start`` on, whatever a broken attempt may have left there."""
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values
