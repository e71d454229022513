"""The index over the pieces that ranks have written: a VTKHDF file of virtual datasets.

Each part of the mesh is a piece, an HDF5 file of its own. The fields of a leg, a run or what was
resumed of it, are rows of all parts at its first time, then of all at its second, and so on; the
virtual datasets of the last leg grow with its pieces
(https://support.hdfgroup.org/documentation/hdf5/latest/_v_d_s.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from lipmat.errors import InputError
from lipmat.fem.order import Integers
from lipmat.fem.vtkhdf import add_step, create_root

FOLDER = "pieces"
LEGS = "legs"
NUMBERS = {"PointData": "node", "CellData": "cell"}
"""Names of the fields that hold the numbers of nodes and cells in the mesh file."""
SIZES = ("NumberOfPoints", "NumberOfCells", "NumberOfConnectivityIds")
MESH: tuple[tuple[str, type[np.generic], tuple[int, ...], int, int], ...] = (
    ("Points", np.float64, (3,), 0, 0),
    ("Connectivity", np.int64, (), 2, 0),
    ("Offsets", np.int64, (), 1, 1),
    ("Types", np.uint8, (), 1, 0),
)
"""Name, type, shape of a row, which of SIZES counts the rows, and how many there are beyond."""


@dataclass(frozen=True)
class Leg:
    """What a run wrote from its start, or from where it was resumed.

    Attributes:
        number: Of the leg; with the rank it names the pieces.
        sizes: Points, cells and connectivity ids of each rank's piece, shape (ranks, 3).
        times: Number of output times; None: it grows.
    """

    number: int
    sizes: Integers
    times: int | None = None

    @property
    def files(self) -> list[str]:
        """Names of the pieces, beside the index."""
        return [piece_name(self.number, rank) for rank in range(len(self.sizes))]


def piece_name(leg: int, rank: int) -> str:
    """Return the name of a piece, beside the index."""
    return f"{FOLDER}/{leg}-{rank:05d}.h5"


@dataclass(frozen=True)
class Block:
    """Rows of a piece, and where they go.

    Attributes:
        file: The piece.
        start: Row of the index for the first of them.
        size: Rows at one time.
        stride: Rows of the index between two times.
        times: Number of times; None: as many as the piece has.
    """

    file: str
    start: int
    size: int
    stride: int
    times: int | None = 1

    @property
    def end(self) -> int:
        """First row of the index behind it, one time for one that grows."""
        return self.start + ((self.times or 1) - 1) * self.stride + self.size


class Index:
    """Layout of the legs: what is where.

    Args:
        legs: All but the last with a number of times.
        shapes: Kind and name of each field, and the shape of a row.
    """

    def __init__(
        self, legs: Sequence[Leg], shapes: Mapping[str, Mapping[str, tuple[int, ...]]]
    ) -> None:
        self.legs, self._shapes = tuple(legs), shapes
        self.parts = max(len(leg.sizes) for leg in legs)  # VTK keeps to the first number it sees
        empty = np.zeros((len(legs), self.parts, 3), dtype=np.int64)
        for leg, sizes in zip(legs, empty, strict=True):
            sizes[: len(leg.sizes)] = leg.sizes
        self._sizes = empty

    def create(self, file: h5py.File) -> None:
        """Write the mesh and the fields, and no output time."""
        numbers = {kind: [*self._shapes[kind], NUMBERS[kind]] for kind in NUMBERS}
        root = create_root(file, numbers)
        root.attrs[LEGS] = [(leg.number, len(leg.sizes), leg.times or 0) for leg in self.legs]
        sizes = self._sizes.reshape(-1, 3)
        for i, name in enumerate(SIZES):
            root.create_dataset(name, data=sizes[:, i])
        for name, dtype, rest, column, more in MESH:
            _create(root, name, dtype, rest, self._mesh_blocks(column, more))
        for column, (kind, number) in enumerate(NUMBERS.items()):
            _create(root, f"{kind}/{number}", np.int64, (), self._mesh_blocks(column, 0))
            for name, rest in self._shapes[kind].items():
                _create(root, f"{kind}/{name}", np.float64, rest, self._field_blocks(column), True)

    def _mesh_blocks(self, column: int, more: int) -> Iterator[Block]:
        """Yield where the pieces' rows of a part of the mesh go; empty parts have ``more`` too."""
        start = 0
        for leg, sizes in zip(self.legs, self._sizes[:, :, column], strict=True):
            for rank, size in enumerate(sizes + more):
                if rank < len(leg.sizes):
                    yield Block(leg.files[rank], start, size, size)
                start += size

    def _field_blocks(self, column: int) -> Iterator[Block]:
        for first, leg in zip(self._first_rows(column), self.legs, strict=True):
            sizes = leg.sizes[:, column]
            starts = first + np.cumsum(sizes) - sizes
            for file, start, size in zip(leg.files, starts, sizes, strict=True):
                yield Block(file, int(start), int(size), int(sizes.sum()), leg.times)

    def _first_rows(self, column: int) -> Integers:
        """Return the first row of each leg in a field."""
        rows = [int(leg.sizes[:, column].sum()) * (leg.times or 0) for leg in self.legs]
        return np.cumsum([0, *rows])[:-1]

    def add(self, file: h5py.File, time: float) -> None:
        """Book an output time [s] whose fields are in the pieces."""
        number = int(file["VTKHDF/Steps"].attrs["NSteps"])
        ends = np.cumsum([leg.times or 0 for leg in self.legs[:-1]])
        leg = int(np.searchsorted(ends, number, side="right"))
        done = number - (int(ends[leg - 1]) if leg else 0)
        before = self._sizes[:leg].sum(axis=(0, 1)).tolist()
        starts: dict[str, dict[str, int]] = {}
        for column, (kind, own) in enumerate(NUMBERS.items()):
            total = int(self._sizes[leg, :, column].sum())
            row = int(self._first_rows(column)[leg]) + done * total
            starts[kind] = dict.fromkeys(self._shapes[kind], row) | {own: before[column]}
        add_step(file, time, starts, self.parts, (leg * self.parts, *before))


def _create(
    root: h5py.Group,
    path: str,
    dtype: type[np.generic],
    rest: tuple[int, ...],
    blocks: Iterable[Block],
    grows: bool = False,
) -> None:
    """Create a virtual dataset over pieces; where one is missing it is not a number, or zero."""
    found = [block for block in blocks if block.size]
    size = max((block.end for block in found), default=0)
    whole = _space(size, rest, grows)
    settings = h5p.create(h5p.DATASET_CREATE)
    settings.set_fill_value(np.array(np.nan if dtype is np.float64 else 0, dtype=dtype))
    for block in found:
        piece = _space(block.size * (block.times or 1), rest, grows)
        _select(whole, block, block.start, block.stride, rest)
        _select(piece, block, 0, block.size, rest)
        settings.set_virtual(whole, block.file.encode(), path.encode(), piece)
    whole.select_all()
    h5d.create(root.id, path.encode(), h5t.py_create(np.dtype(dtype)), whole, settings)


def _space(size: int, rest: tuple[int, ...], grows: bool) -> h5s.SpaceID:
    return h5s.create_simple((size, *rest), (h5s.UNLIMITED if grows else size, *rest))


def _select(
    space: h5s.SpaceID, block: Block, start: int, stride: int, rest: tuple[int, ...]
) -> None:
    """Select the rows of a block's times."""
    times = h5s.UNLIMITED if block.times is None else block.times
    one = (1,) * len(rest)
    count, strides = (times, *one), (stride, *one)
    space.select_hyperslab((start, *(0,) * len(rest)), count, strides, (block.size, *rest))


def read_legs(path: Path, kept: int) -> tuple[list[Leg], list[float]]:
    """Return the legs of the first output times of an index, and these times [s].

    Raises:
        InputError: The index cannot be read, or lacks a time.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            root = file["VTKHDF"]
            times = root["Steps/Values"][: int(root["Steps"].attrs["NSteps"])].tolist()
            table = root.attrs[LEGS]
            sizes = np.stack([root[n][()] for n in SIZES], axis=1).reshape(len(table), -1, 3)
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}), expected the fields of the interrupted run; "
            "start again with: lipmat run"
        ) from error
    if len(times) < kept:
        raise InputError(
            f"{path}: found {len(times)} output times, expected at least {kept}; it is not the "
            "file of the interrupted run, start again with: lipmat run"
        )
    legs, left = [], kept
    for (number, ranks, closed), own in zip(table.tolist(), sizes, strict=True):
        used = min(closed or left, left)
        if used:
            legs.append(Leg(number, own[:ranks], used))
        left -= used
    return legs, times[:kept]
