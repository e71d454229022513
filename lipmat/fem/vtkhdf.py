"""Fields over time in one VTKHDF file, readable by ParaView and pyvista while a run goes on.

Format: VTKHDF 2.2, UnstructuredGrid, static mesh with temporal data
(https://docs.vtk.org/en/latest/vtk_file_formats/vtkhdf_file_format/).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.fem.files import assure_room, sync_to_disk
from lipmat.fem.mpi import only_root
from lipmat.fem.order import Floats, Integers, Order, cell_order, node_order, whole_mesh

# isort: split
from dolfinx import mesh
from dolfinx.io.utils import cell_perm_vtk

Fields = Mapping[str, Mapping[str, Floats]]
"""Values by ``PointData`` or ``CellData`` and the name of the field."""
Shapes = Mapping[str, Mapping[str, tuple[int, ...]]]
"""Shapes at one time, likewise."""
Starts = Mapping[str, Mapping[str, int]]
"""First rows, likewise."""

VTK_CELLS = {mesh.CellType.hexahedron: 12, mesh.CellType.tetrahedron: 10}
ROOM = 2**17  # bytes that an output time may take beside its fields
OFFSETS = ("PartOffsets", "PointOffsets", "CellOffsets", "ConnectivityIdOffsets")


class FieldFile:
    """Writes a fixed mesh once, then fields at a node and at a cell for each output time.

    Rank 0 gathers and writes; nodes and cells are in the order of the mesh file. The data of a time
    reach the disk before the count of times does, so that a killed run leaves a file that can be
    read up to its last whole time.
    """

    def __init__(
        self,
        path: str | Path,
        grid: mesh.Mesh,
        point_fields: Sequence[str],
        cell_fields: Mapping[str, int],
        kept: int | None = None,
    ) -> None:
        """Create the file, replacing one of that name once the new one is whole.

        Args:
            path: File to write, ``fields.vtkhdf`` by custom.
            grid: First-order hexahedra or tetrahedra.
            point_fields: Names of the vector fields at the nodes.
            cell_fields: Name and number of components of each field at the cells.
            kept: How many output times of the file of that name go into the new one; None: it may
                be missing. A copy is safe even where the old one was killed while it was written.

        Raises:
            OSError: On all ranks, if the file cannot be written.
            InputError: On all ranks, if the times to keep cannot be read.
        """
        self._comm, self._path = grid.comm, Path(path)
        self._point_fields = tuple(point_fields)
        self._cell_fields = dict(cell_fields)
        self._orders = {"PointData": node_order(grid), "CellData": cell_order(grid)}
        whole = whole_mesh(grid, *self._orders.values())
        self._file: Any = only_root(self._comm, self._create, grid.topology.cell_type, whole, kept)

    def append(self, time: float, point: Mapping[str, Floats], cell: Mapping[str, Floats]) -> None:
        """Write the fields at a time.

        Args:
            time: The time [s].
            point: Each point field at the owned nodes of this rank, shape (n, 3); see
                :func:`lipmat.fem.order.node_dofs`.
            cell: Each cell field at the owned cells of this rank, shape (m,) or (m, components).

        Raises:
            OSError: On all ranks, if the file cannot be written.
            ValueError: On all ranks, if a field is missing or has another shape.
        """
        found = {"PointData": dict(point), "CellData": dict(cell)}
        only_root(self._comm, self._join_and_write, time, self._comm.gather(found))

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        only_root(self._comm, sync_to_disk, self._path)

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
        self, kind: mesh.CellType, whole: tuple[Floats, Integers], kept: int | None
    ) -> h5py.File:
        """Write the mesh, then the times to keep, and only then take the place of the old file."""
        beside = self._path.with_suffix(".part")
        file = h5py.File(beside, "w", locking=False)
        self._write_mesh(file, kind, *whole)
        if kept is not None:
            for time, fields in _first_times(self._path, kept):
                self._write(file, time, fields)
        file.flush()
        os.replace(beside, self._path)
        return file

    def _write_mesh(
        self, file: h5py.File, kind: mesh.CellType, points: Floats, cells: Integers
    ) -> None:
        """Write the mesh and the empty fields."""
        shapes = field_shapes(len(points), len(cells), self._point_fields, self._cell_fields)
        root = create_root(file, shapes)
        root.create_dataset("NumberOfPoints", data=np.array([len(points)]))
        root.create_dataset("NumberOfCells", data=np.array([len(cells)]))
        root.create_dataset("NumberOfConnectivityIds", data=np.array([cells.size]))
        write_mesh(root, kind, points, cells)
        create_fields(root, shapes)

    def _join_and_write(self, time: float, parts: list[dict[str, dict[str, Floats]]]) -> None:
        root, fields = self._file["VTKHDF"], {}
        for kind, order in self._orders.items():
            shapes = {name: (len(order.numbers), *d.shape[1:]) for name, d in root[kind].items()}
            fields[kind] = {
                name: _joined(name, [part[kind] for part in parts], order, shape)
                for name, shape in shapes.items()
            }
        with system_errors():
            self._write(self._file, time, fields)

    def _write(self, file: h5py.File, time: float, fields: Fields) -> None:
        """Write the fields of all ranks, then their place, then the count of times."""
        count = int(file["VTKHDF/Steps"].attrs["NSteps"])
        starts = write_fields(file, file["VTKHDF"], count, fields)
        add_step(file, time, starts)


def _first_times(path: Path, count: int) -> Iterator[tuple[float, Fields]]:
    """Yield the first output times of a file and their fields; raise InputError if it lacks any."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            root = file["VTKHDF"]
            found = int(root["Steps"].attrs["NSteps"])
            if found < count:
                raise InputError(
                    f"{path}: found {found} output times, expected at least {count}; it is not the "
                    "file of the interrupted run, start again with: lipmat run"
                )
            for i in range(count):
                fields = {
                    kind: {name: _rows(root, kind, name, i) for name in root[kind]}
                    for kind in ("PointData", "CellData")
                }
                yield float(root["Steps/Values"][i]), fields
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}), expected the fields of the interrupted run; "
            "start again with: lipmat run"
        ) from error


def _rows(root: h5py.Group, kind: str, name: str, number: int) -> Floats:
    """Return a field at an output time."""
    start = int(root[f"Steps/{kind}Offsets/{name}"][number])
    size = int(root["NumberOfPoints" if kind == "PointData" else "NumberOfCells"][0])
    values: Floats = root[kind][name][start : start + size]
    return values


def field_shapes(
    points: int, cells: int, point_fields: Sequence[str], cell_fields: Mapping[str, int]
) -> Shapes:
    """Return the shape of each field at one time, by kind and name."""
    widths = {name: (width,) if width > 1 else () for name, width in cell_fields.items()}
    return {
        "PointData": dict.fromkeys(point_fields, (points, 3)),
        "CellData": {name: (cells, *width) for name, width in widths.items()},
    }


def create_root(file: h5py.File, names: Mapping[str, Iterable[str]]) -> h5py.Group:
    """Create the root of a VTKHDF file and its group of times, none yet; return the root.

    Args:
        file: An empty file.
        names: Names of the fields by kind, ``PointData`` and ``CellData``.
    """
    root = file.create_group("VTKHDF")
    root.attrs["Version"] = np.array([2, 2])
    root.attrs["Type"] = np.bytes_("UnstructuredGrid")
    steps = root.create_group("Steps")
    steps.attrs["NSteps"] = 0
    steps.create_dataset("Values", (0,), maxshape=(None,), dtype=np.float64)
    for name in ("NumberOfParts", "PartOffsets", "PointOffsets"):
        steps.create_dataset(name, (0,), maxshape=(None,), dtype=np.int64)
    for name in ("CellOffsets", "ConnectivityIdOffsets"):
        steps.create_dataset(name, (0, 1), maxshape=(None, 1), dtype=np.int64)
    for kind, fields in names.items():
        root.create_group(kind)
        steps.create_group(f"{kind}Offsets")
        for name in fields:
            steps.create_dataset(f"{kind}Offsets/{name}", (0,), maxshape=(None,), dtype=np.int64)
    return root


def write_mesh(root: h5py.Group, kind: mesh.CellType, points: Floats, cells: Integers) -> None:
    """Write a mesh as VTK has it; the cells' nodes come in dolfinx's order, shape (m, 4 or 8)."""
    nodes = cells[:, np.argsort(cell_perm_vtk(kind, cells.shape[1]))]
    root.create_dataset("Points", data=points)
    root.create_dataset("Connectivity", data=nodes.ravel())
    root.create_dataset("Offsets", data=np.arange(len(cells) + 1) * cells.shape[1])
    root.create_dataset("Types", data=np.full(len(cells), VTK_CELLS[kind], dtype=np.uint8))


def create_fields(root: h5py.Group, shapes: Shapes) -> None:
    """Create the fields without a time, one chunk for each time to come."""
    for kind, fields in shapes.items():
        for name, (size, *rest) in fields.items():
            chunk = (max(size, 1), *rest)
            most = (None, *rest)
            root[kind].create_dataset(name, (0, *rest), np.float64, maxshape=most, chunks=chunk)


def write_fields(file: h5py.File, root: h5py.Group, count: int, fields: Fields) -> Starts:
    """Write fields behind ``count`` times, whatever may be there; return their first rows.

    Raises:
        OSError: There is no room for them.
    """
    size = sum(values.nbytes for named in fields.values() for values in named.values())
    assure_room(file.id.get_vfd_handle(), size + ROOM)
    starts: dict[str, dict[str, int]] = {kind: {} for kind in fields}
    for kind, named in fields.items():
        for name, values in named.items():
            starts[kind][name] = count * len(values)
            _put(root[f"{kind}/{name}"], count * len(values), values)
    return starts


def add_step(
    file: h5py.File,
    time: float,
    starts: Starts,
    parts: int = 1,
    first: Sequence[int] = (0, 0, 0, 0),
) -> None:
    """Write where the fields of a time are, and only then the count of times.

    Args:
        file: The file.
        time: The time [s].
        starts: First row of each field by kind and name.
        parts: Number of parts of the mesh at that time.
        first: First part, point, cell and connectivity id of that mesh.
    """
    steps = file["VTKHDF/Steps"]
    count = int(steps.attrs["NSteps"])
    for kind, named in starts.items():
        for name, start in named.items():
            _put(steps[f"{kind}Offsets/{name}"], count, np.array([start]))
    for name, value in zip(OFFSETS, first, strict=True):
        _put(steps[name], count, np.full((1, *steps[name].shape[1:]), value))
    _put(steps["NumberOfParts"], count, np.array([parts]))
    _put(steps["Values"], count, np.array([time]))
    file.flush()
    steps.attrs["NSteps"] = count + 1
    file.flush()


@contextmanager
def system_errors() -> Iterator[None]:
    """Raise as OSError what h5py makes of some failures of the system."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(" ".join(str(error).split())) from error


def _joined(
    name: str, parts: Sequence[Mapping[str, Floats]], order: Order, shape: tuple[int, ...]
) -> Floats:
    """Join the ranks' parts of a field; raise ValueError if one is missing or has another shape."""
    if any(name not in part for part in parts):
        raise ValueError(f"the field {name!r} is missing")
    values = [np.asarray(part[name], dtype=np.float64) for part in parts]
    found = (sum(map(len, values)), *values[0].shape[1:])
    if found != shape:
        raise ValueError(f"the field {name!r} has shape {found}, expected {shape}")
    return order.joined(values)


def _put(dataset: h5py.Dataset, start: int, values: NDArray[np.generic]) -> None:
    """Write rows from ``start`` on, whatever a broken attempt may have left there."""
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values
