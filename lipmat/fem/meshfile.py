"""A mesh file as numpy arrays: the volume cells and the named groups of them, numbered from 0.

Only meshio and numpy; rank 0 calls this, ``lipmat.fem.grid`` distributes the result.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import meshio
import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.fem.meshcheck import check_mesh

Entries = list[NDArray[np.int64]]

FACES_OF = {"hexahedron": ("quad", 4), "tetra": ("triangle", 3)}


@dataclass(frozen=True, eq=False)
class MeshFile:
    """The volume cells of a mesh file and its named groups.

    Attributes:
        cell: ``"hexahedron"`` or ``"tetra"``.
        points: The nodes that a cell uses, shape (n, 3) [m].
        cells: Nodes of each cell in the order of VTK, shape (m, 8) or (m, 4).
        regions: Cells of each named volume group.
        faces: Nodes of each face of a named surface group, shape (k, 4) or (k, 3).
        nodes: Nodes of each named set of nodes.
        fields: Named data of the cells with three or six numbers for each, shape (m, 3) or (m, 6).
    """

    cell: str
    points: NDArray[np.float64]
    cells: NDArray[np.int64]
    regions: Mapping[str, NDArray[np.int64]]
    faces: Mapping[str, NDArray[np.int64]]
    nodes: Mapping[str, NDArray[np.int64]]
    fields: Mapping[str, NDArray[np.float64]]


def read_mesh_file(path: Path) -> MeshFile:
    """Read and check a mesh of first-order hexahedra or of first-order tetrahedra.

    Args:
        path: A file that meshio reads; coordinates in metres.

    Returns:
        The cells, the nodes they use, and the named groups.

    Raises:
        InputError: The file cannot be read; it holds no, other or mixed volume cells, a coordinate
            that is not finite, or a cell that is inverted, without volume or listed twice.
    """
    raw = _read(path)
    cell = _cell_type(path, raw)
    cells = np.concatenate([block.data for block in raw.cells if block.type == cell])
    points = np.asarray(raw.points, dtype=np.float64)
    check_mesh(path, cell, points, cells)
    used, kept = np.unique(cells, return_inverse=True)
    number = np.full(len(points), -1, dtype=np.int64)
    number[used] = np.arange(len(used))
    sets = _named_sets(path, raw)
    regions = {name: _cells_of(raw, cell, entries) for name, entries in sets.items()}
    faces = {name: number[_faces_of(raw, cell, entries)] for name, entries in sets.items()}
    return MeshFile(
        cell=cell,
        points=points[used],
        cells=kept.reshape(cells.shape).astype(np.int64),
        regions={name: ids for name, ids in regions.items() if len(ids)},
        faces={name: rows for name, rows in faces.items() if len(rows)},
        nodes={name: number[np.asarray(ids, dtype=int)] for name, ids in raw.point_sets.items()},
        fields=_fields(raw, cell),
    )


def _fields(raw: meshio.Mesh, cell: str) -> dict[str, NDArray[np.float64]]:
    """Return the cell data that can be one direction or two."""
    fields = {}
    for name, blocks in raw.cell_data.items():
        pairs = zip(raw.cells, blocks, strict=True)
        found = [np.asarray(data) for block, data in pairs if block.type == cell]
        if all(data.ndim == 2 and data.shape[1] in (3, 6) for data in found):
            fields[name] = np.concatenate(found).astype(np.float64)
    return fields


def _read(path: Path) -> meshio.Mesh:
    """Read with meshio, which prints, warns and exits; turn all of that into one line."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file, expected a mesh")
    noise = io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(noise),
            contextlib.redirect_stderr(noise),
            warnings.catch_warnings(action="ignore"),
        ):
            mesh = meshio.read(path)
    except (Exception, SystemExit) as error:
        said = noise.getvalue() if isinstance(error, SystemExit) else str(error)
        found = " ".join(said.split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as a mesh: {found}") from error
    if "not closed by" in noise.getvalue():
        raise InputError(f"{path}: cannot be read as a mesh: the file ends too early")
    return mesh


def _cell_type(path: Path, raw: meshio.Mesh) -> str:
    """Return the one type of volume cell that the file holds."""
    counts: dict[str, int] = {}
    for block in raw.cells:
        counts[block.type] = counts.get(block.type, 0) + (len(block) if block.dim == 3 else 0)
    volumes = {name: count for name, count in counts.items() if count}
    expected = "expected first-order hexahedra or first-order tetrahedra"
    if not volumes:
        found = f"only {', '.join(sorted(counts))}" if counts else "no cells at all"
        raise InputError(f"{path}: found no volume cells ({found}), {expected}")
    if len(volumes) > 1 or not volumes.keys() <= FACES_OF.keys():
        found = " and ".join(f"{count} {name}" for name, count in sorted(volumes.items()))
        raise InputError(f"{path}: found volume cells {found}, {expected}, of one type")
    return next(iter(volumes))


def _named_sets(path: Path, raw: meshio.Mesh) -> dict[str, Entries]:
    """Return every named set of cells as its members in each block of cells."""
    sets: dict[str, Entries] = {}
    if (tags := raw.cell_data.get("gmsh:physical")) is not None:
        for name, (tag, dim) in raw.field_data.items():
            pairs = zip(raw.cells, tags, strict=True)
            sets[name] = [np.flatnonzero((t == tag) & (b.dim == dim)) for b, t in pairs]
    given = {name: v for name, v in raw.cell_sets.items() if not name.startswith("gmsh:")}
    if path.suffix.lower() == ".inp":
        given |= _abaqus_sets(path, raw)
    for name, entries in given.items():
        if len(entries) != len(raw.cells):
            raise InputError(f"{path}: the set {name!r} stands before its cells, expected after")
        sets[name] = [np.asarray(ids, dtype=np.int64) for ids in entries]
    return sets


def _abaqus_sets(path: Path, raw: meshio.Mesh) -> dict[str, Entries]:
    """Return the sets of ``*ELEMENT, ELSET=name``, which meshio may put on other blocks."""
    names: list[str] = []
    for keyword, options, first in _abaqus_keywords(path):
        if keyword == "ELEMENT":
            names.append(options.get("ELSET", ""))
        if keyword in ("ELSET", "NSET") and first[:1].isalpha():
            name = options.get(keyword, "")
            raise InputError(f"{path}: the set {name!r} holds {first!r}, expected numbers")
    if len(names) != len(raw.cells):
        raise InputError(f"{path}: found cells in an included file, expected all in one file")
    return {
        name: [np.arange(len(b) if n == name else 0) for n, b in zip(names, raw.cells, strict=True)]
        for name in set(names) - {""}
    }


def _abaqus_keywords(path: Path) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield each keyword, its options and the first entry below it."""
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("**")]
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("*"):
            keyword, *words = line[1:].split(",")
            options = dict((word + "=").split("=")[:2] for word in words)
            clean = {key.strip().upper(): value.strip() for key, value in options.items()}
            yield keyword.strip().upper(), clean, below.split(",")[0].strip()


def _cells_of(raw: meshio.Mesh, cell: str, entries: Entries) -> NDArray[np.int64]:
    """Return the volume cells of a set in the numbering of all volume cells."""
    start, found = 0, [np.empty(0, dtype=np.int64)]
    for block, ids in zip(raw.cells, entries, strict=True):
        if block.type == cell:
            found.append(ids + start)
            start += len(block)
    return np.unique(np.concatenate(found))


def _faces_of(raw: meshio.Mesh, cell: str, entries: Entries) -> NDArray[np.int64]:
    """Return the nodes of the surface cells of a set, shape (k, 4) or (k, 3)."""
    face, width = FACES_OF[cell]
    pairs = zip(raw.cells, entries, strict=True)
    found = [block.data[ids] for block, ids in pairs if block.type == face]
    return np.concatenate([np.empty((0, width), dtype=np.int64), *found])
