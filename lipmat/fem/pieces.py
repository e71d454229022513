"""Fields over time in pieces: every rank writes its own part of the mesh to a file of its own.

``fields.vtkhdf`` is then an index over the pieces (:mod:`lipmat.fem.legs`), which VTK, pyvista and
ParaView read as one file with several parts. Nothing is gathered but errors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from lipmat.errors import InputError
from lipmat.fem.files import sync_to_disk
from lipmat.fem.legs import FOLDER, NUMBERS, Index, Leg, piece_name, read_legs
from lipmat.fem.mpi import on_all, on_root, only_root
from lipmat.fem.order import Floats
from lipmat.fem.vtkhdf import (
    Fields,
    create_fields,
    field_shapes,
    system_errors,
    write_fields,
    write_mesh,
)

# isort: split
from dolfinx import la, mesh


class FieldPieces:
    """Writes what :class:`lipmat.fem.vtkhdf.FieldFile` writes, in parallel.

    Nodes that several ranks share are in each of their pieces; the fields ``node`` and ``cell``
    hold the numbers of the mesh file. The data of a time reach the pieces before the count of times
    reaches the index. A run that goes on leaves the old pieces as they are and writes new ones,
    with as many ranks as it likes.
    """

    def __init__(
        self,
        path: str | Path,
        grid: mesh.Mesh,
        point_fields: Sequence[str],
        cell_fields: Mapping[str, int],
        kept: int | None = None,
    ) -> None:
        """Create the pieces, then replace the index, then remove pieces that it does not name.

        Args:
            path: The index, ``fields.vtkhdf`` by custom; the pieces are in a folder beside it.
            grid: First-order hexahedra or tetrahedra without ghost cells.
            point_fields: Names of the vector fields at the nodes.
            cell_fields: Name and number of components of each field at the cells.
            kept: How many output times of the index of that name are kept; None: it may be missing.

        Raises:
            OSError: On all ranks, if a file cannot be written.
            InputError: On all ranks, if the times to keep cannot be read.
        """
        self._comm, self._path, self._grid = grid.comm, Path(path), grid
        self._written = 0
        corners = grid.geometry.dofmaps[0]
        points, cells = len(grid.geometry.x), len(corners)
        self._shapes = field_shapes(points, cells, point_fields, cell_fields)
        self._nodal = la.vector(grid.geometry.index_map(), 3)
        old, times = on_root(grid.comm, _legs, self._path, kept)
        on_all(grid.comm, _refuse_broken, self._path.parent, old, grid.comm.rank, grid.comm.size)
        number = on_root(grid.comm, _new_number, self._path)
        own = self._path.parent / piece_name(number, grid.comm.rank)
        self._piece: h5py.File = on_all(grid.comm, self._create_piece, own)
        sizes = np.array(grid.comm.allgather((points, cells, corners.size)), dtype=np.int64)
        rows = {kind: {n: s[1:] for n, s in named.items()} for kind, named in self._shapes.items()}
        self._index = Index([*old, Leg(number, sizes)], rows)
        self._file: Any = only_root(grid.comm, self._create_index, times)

    def append(self, time: float, point: Mapping[str, Floats], cell: Mapping[str, Floats]) -> None:
        """Write the fields at a time.

        Args:
            time: The time [s].
            point: Each point field at the owned nodes of this rank, shape (n, 3); see
                :func:`lipmat.fem.order.node_dofs`.
            cell: Each cell field at the owned cells of this rank, shape (m,) or (m, components).

        Raises:
            OSError: On all ranks, if a file cannot be written.
            ValueError: On all ranks, if a field is missing or has another shape.
        """
        found = on_all(self._comm, self._checked, {"PointData": point, "CellData": cell})
        nodal = {name: self._with_ghosts(values) for name, values in found["PointData"].items()}
        on_all(self._comm, self._write, found | {"PointData": nodal})
        self._written += 1
        only_root(self._comm, self._add, time)

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        on_all(self._comm, sync_to_disk, Path(self._piece.filename))
        only_root(self._comm, sync_to_disk, self._path)

    def close(self) -> None:
        """Close the files; the object is of no use afterwards."""
        self._piece.close()
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

    def _create_piece(self, path: Path) -> h5py.File:
        """Write this rank's mesh and the empty fields."""
        geometry, topology = self._grid.geometry, self._grid.topology
        with system_errors():
            file = h5py.File(path, "w", locking=False)
            write_mesh(file, topology.cell_type, geometry.x, geometry.dofmaps[0].astype(np.int64))
            numbers = (geometry.input_global_indices, topology.original_cell_index)
            for (kind, name), values in zip(NUMBERS.items(), numbers, strict=True):
                file.create_group(kind).create_dataset(name, data=values.astype(np.int64))
            create_fields(file, self._shapes)
            file.flush()
        return file

    def _create_index(self, times: Sequence[float]) -> h5py.File:
        """Write the index with the times to keep, let it take the old one's place, and clean up."""
        sync_to_disk(self._path.parent / FOLDER)
        beside = self._path.with_suffix(".part")
        with system_errors():
            file = h5py.File(beside, "w", locking=False)
            self._index.create(file)
            for time in times:
                self._index.add(file, time)
            file.flush()
        os.replace(beside, self._path)
        remove_pieces(self._path.parent, [f for leg in self._index.legs for f in leg.files])
        return file

    def _checked(self, given: Fields) -> dict[str, dict[str, Floats]]:
        """Return the fields; raise ValueError if one is missing or has another shape."""
        nodes = self._grid.geometry.index_map().size_local
        found: dict[str, dict[str, Floats]] = {kind: {} for kind in self._shapes}
        for kind, shapes in self._shapes.items():
            for name, (size, *rest) in shapes.items():
                if name not in given[kind]:
                    raise ValueError(f"the field {name!r} is missing")
                values = np.asarray(given[kind][name], dtype=np.float64)
                expected = (nodes if kind == "PointData" else size, *rest)
                if values.shape != expected:
                    raise ValueError(
                        f"the field {name!r} has shape {values.shape}, expected {expected}"
                    )
                found[kind][name] = values
        return found

    def _with_ghosts(self, values: Floats) -> Floats:
        """Return values at all nodes of this rank's cells, from those at its owned nodes."""
        self._nodal.array[: values.size] = values.ravel()
        self._nodal.scatter_forward()
        return np.array(self._nodal.array).reshape(-1, 3)

    def _write(self, fields: Fields) -> None:
        with system_errors():
            write_fields(self._piece, self._piece, self._written, fields)
            self._piece.flush()

    def _add(self, time: float) -> None:
        with system_errors():
            self._index.add(self._file, time)


def remove_pieces(folder: Path, keep: Sequence[str] = ()) -> None:
    """Remove the pieces beside an index but those named, and their folder if none is left."""
    for piece in (folder / FOLDER).glob("*.h5"):
        if f"{FOLDER}/{piece.name}" not in keep:
            piece.unlink()
    if not keep and (folder / FOLDER).is_dir() and not any((folder / FOLDER).iterdir()):
        (folder / FOLDER).rmdir()


def _legs(path: Path, kept: int | None) -> tuple[list[Leg], list[float]]:
    return ([], []) if kept is None else read_legs(path, kept)


def _new_number(path: Path) -> int:
    """Return a number that no piece has, and make their folder."""
    folder = path.parent / FOLDER
    folder.mkdir(exist_ok=True)
    first = [piece.name.partition("-")[0] for piece in folder.glob("*-*.h5")]
    return 1 + max((int(number) for number in first if number.isdigit()), default=-1)


def _refuse_broken(folder: Path, legs: Sequence[Leg], rank: int, ranks: int) -> None:
    """Check this rank's share of the old pieces; raise InputError if one lacks a time to keep."""
    pieces = [(leg, name, i) for leg in legs for i, name in enumerate(leg.files)]
    for leg, name, i in pieces[rank::ranks]:
        try:
            with h5py.File(folder / name, "r", locking=False) as file:
                for kind, rows in zip(NUMBERS, leg.sizes[i, :2], strict=True):
                    for field in file[kind].keys() - NUMBERS.values():
                        file[kind][field][rows * leg.times - 1 if rows else ()]
        except (OSError, KeyError, RuntimeError, ValueError, IndexError) as error:
            raise InputError(
                f"{folder / name}: cannot be read ({error}), expected the fields of the "
                f"interrupted run up to output {leg.times}; start again with: lipmat run"
            ) from error
