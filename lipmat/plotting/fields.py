"""The fields of a run, read from one file or from pieces that ranks have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError

Floats = NDArray[np.float64]
NUMBERS = {"PointData": "node", "CellData": "cell"}
"""Fields of pieces: numbers in the mesh file."""
SIZES = {"PointData": "NumberOfPoints", "CellData": "NumberOfCells"}


class FieldReader:
    """Reads ``fields.vtkhdf``; nodes and cells are in the order of the mesh file.

    Nodes at which pieces meet are in several of them; here they are one again.

    Attributes:
        path: The file.
        times: Output times [s].

    Raises:
        InputError: The file is an index over pieces, and one of them is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = h5py.File(path, "r", locking=False)
        self._data = self._file["VTKHDF"]
        self._refuse_missing_pieces()
        count = int(self._data["Steps"].attrs["NSteps"])
        self.times: Floats = self._data["Steps/Values"][:count]
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def names(self, kind: str) -> set[str]:
        """Return the names of the fields of a kind, ``PointData`` or ``CellData``."""
        return set(self._data[kind]) - {NUMBERS[kind]}

    def _refuse_missing_pieces(self) -> None:
        points = self._data["Points"]
        pieces = [v.file_name for v in points.virtual_sources()] if points.is_virtual else []
        for piece in pieces:
            if not (self.path.parent / piece).is_file():
                raise InputError(
                    f"{self.path}: there is no {piece} beside it, expected the pieces that the "
                    "ranks wrote; copy the whole folder"
                )

    def rows(self, kind: str, name: str, output: int) -> Floats:
        """Return a field at one output time."""
        rows: Floats = self._part(kind, name, output)
        if NUMBERS[kind] not in self._data[kind]:
            return rows
        return rows[self._order(kind, output)]

    def _part(self, kind: str, name: str, output: int) -> Any:
        steps = self._data["Steps"]
        first, parts = steps["PartOffsets"][output], steps["NumberOfParts"][output]
        size = int(self._data[SIZES[kind]][first : first + parts].sum())
        start = int(steps[f"{kind}Offsets/{name}"][output])
        return self._data[f"{kind}/{name}"][start : start + size]

    def _order(self, kind: str, output: int) -> NDArray[np.int64]:
        """Return where each number is first found among the rows of an output time."""
        first = int(self._data["Steps/PartOffsets"][output])
        if (kind, first) not in self._orders:
            numbers = self._part(kind, NUMBERS[kind], output)
            self._orders[kind, first] = np.unique(numbers, return_index=True)[1]
        return self._orders[kind, first]

    def grid(self) -> Any:
        """Return the mesh at rest as a grid of pyvista."""
        import pyvista

        found = pyvista.read(self.path)
        parts = [found] if isinstance(found, pyvista.UnstructuredGrid) else list(found)
        if "node" not in parts[0].point_data:
            return found
        whole = pyvista.merge([part for part in parts if part.n_cells], merge_points=False)
        _, first, place = np.unique(whole["node"], return_index=True, return_inverse=True)
        corners = place[whole.cell_connectivity].reshape(whole.n_cells, -1)
        ordered = corners[np.argsort(whole["cell"])]
        return pyvista.UnstructuredGrid({whole.celltypes[0]: ordered}, whole.points[first])
