"""What a run leaves behind: history, fields, summary."""

from __future__ import annotations

import csv
import io
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import lipmat
from lipmat.fem.body import Array, Body
from lipmat.fem.files import replace_file, sync_to_disk
from lipmat.fem.mpi import only_root
from lipmat.fem.order import node_dofs
from lipmat.fem.outcome import Ending, Outcome
from lipmat.fem.pieces import FieldPieces, remove_pieces
from lipmat.fem.step import Step
from lipmat.fem.vtkhdf import FieldFile

# isort: split
import dolfinx

COLUMNS = (
    "time [s]",
    "step [s]",
    "kinetic_energy [J]",
    "stored_energy [J]",
    "hourglass_energy [J]",
    "dissipated_energy [J]",
    "viscous_dissipation [J]",
    "contact_energy [J]",
    "external_work [J]",
    "energy_error [-]",
    "stretch_max [-]",
    "stretch_min [-]",
    "volume_ratio_min [-]",
)
RESTART = "restart.npz"
STALE = (RESTART, "summary.json", "run.png", "energy.png", "movie.mp4")


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        outcome: How it ended.
        message: In one line.
        summary: What ``summary.json`` holds.
        history: Columns of ``history.csv`` by name.
        displacement: Final displacement of the owned nodes of this rank, shape (n, 3) [m].
        folder: Where the records are; None if none were asked for.
        pictures: Files made by plotting.
    """

    outcome: Outcome
    message: str
    summary: Mapping[str, Any]
    history: Mapping[str, Array]
    displacement: Array
    folder: Path | None
    pictures: tuple[Path, ...] = field(default=())

    def with_pictures(self, pictures: tuple[Path, ...]) -> Record:
        """Return the record with the files that plotting made."""
        return replace(self, pictures=pictures)


class Recorder:
    """Writes the records while a run goes on; each is valid after every write.

    Args:
        body: The body.
        folder: Folder to write to, made if it is missing; None: keep the history in memory only.
        probes: Points whose nearest node's displacement goes into the history, (m, 3) [m].
        kept: History to go on from, shape (n, columns); the fields of its times are kept too. None:
            begin anew, and remove what an earlier run left.
        parallel: Let every rank write its own part of the fields, see :mod:`lipmat.fem.pieces`.

    Attributes:
        columns: Names of the history's columns.
    """

    def __init__(
        self,
        body: Body,
        folder: str | Path | None,
        probes: Sequence[Sequence[float]] = (),
        kept: Array | None = None,
        parallel: bool = False,
    ) -> None:
        self.body, self._parallel = body, parallel
        self.folder = None if folder is None else Path(folder)
        self._rows: list[list[float]] = [] if kept is None else kept.tolist()
        self._probes = [_nearest_node(body, np.array(p)) for p in probes]
        names = [f"probe_{i + 1}_{a} [m]" for i in range(len(probes)) for a in "xyz"]
        self.columns = (*COLUMNS, *names)
        self._fields: FieldFile | FieldPieces | None = None
        self._csv: Any = None
        self._nodes = node_dofs(body.space)
        if self.folder is not None:
            self._open(self.folder, None if kept is None else len(kept))

    def _open(self, folder: Path, kept: int | None) -> None:
        if kept is None:
            only_root(self.body.comm, _make_room, folder, STALE)
        fields = ("displacement", "velocity")
        path, writer = folder / "fields.vtkhdf", FieldPieces if self._parallel else FieldFile
        self._fields = writer(path, self.body.mesh, fields, {"stretch": 1}, kept)
        if not self._parallel:
            only_root(self.body.comm, remove_pieces, folder)
        if kept is not None:
            only_root(self.body.comm, _make_room, folder, [n for n in STALE if n != RESTART])
        self._csv = only_root(self.body.comm, _open_csv, folder, self.columns, self._rows)

    @property
    def count(self) -> int:
        """Number of rows of the history so far, and of times in the file of fields."""
        return len(self._rows)

    def rows(self, count: int) -> Array:
        """Return the first rows of the history, shape (count, columns)."""
        return np.array(self._rows[:count]).reshape(count, len(self.columns))

    def sync(self) -> None:
        """Wait until all records are on the disk."""
        if self._fields is not None:
            self._fields.sync()
        if self.folder is not None:
            only_root(self.body.comm, sync_to_disk, self.folder / "history.csv")

    def add_history(self, values: Sequence[float], displacement: Array) -> None:
        """Append a row: the values of COLUMNS, then the probes' displacements."""
        row = [*values, *self._probe_values(displacement)]
        self._rows.append(row)
        only_root(self.body.comm, self._write_row, row)

    def _write_row(self, row: Sequence[float]) -> None:
        if self._csv is not None:
            csv.writer(self._csv).writerow(_printed(row))
            self._csv.flush()

    def _probe_values(self, displacement: Array) -> list[float]:
        values: list[float] = []
        for rank, block in self._probes:
            here = self.body.comm.rank == rank
            found = displacement[3 * block : 3 * block + 3] if here else None
            values += self.body.comm.bcast(None if found is None else list(map(float, found)), rank)
        return values

    def add_fields(self, time: float, displacement: Array, velocity: Array, stretch: Array) -> None:
        """Append the fields of one time; owned components, and one stretch for each owned cell."""
        if self._fields is None:
            return
        point = {
            "displacement": displacement.reshape(-1, 3)[self._nodes],
            "velocity": velocity.reshape(-1, 3)[self._nodes],
        }
        self._fields.append(time, point, {"stretch": stretch})

    def finish(self, ending: Ending, summary: dict[str, Any], displacement: Array) -> Record:
        """Write ``summary.json``, close the files and return the record."""
        if self._fields is not None:
            self._fields.close()
        if self._csv is not None:
            self._csv.close()
        if self.folder is not None:
            only_root(self.body.comm, write_json, self.folder / "summary.json", summary)
        rows = self.rows(self.count)
        history = {name: rows[:, i] for i, name in enumerate(self.columns)}
        nodal = displacement.reshape(-1, 3).copy()
        return Record(ending.outcome, ending.message, summary, history, nodal, self.folder)


def _make_room(folder: Path, stale: Sequence[str]) -> None:
    """Make the folder; what an earlier run left and this one has yet to write goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (folder / name).unlink(missing_ok=True)


def _open_csv(folder: Path, columns: Sequence[str], rows: Sequence[Sequence[float]]) -> Any:
    """Replace the history by one with these rows, and open it to append."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([columns, *map(_printed, rows)])
    replace_file(folder / "history.csv", text.getvalue().encode())
    return (folder / "history.csv").open("a", newline="")


def _printed(row: Sequence[float]) -> list[str]:
    return [f"{value:.9g}" for value in row]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that is whole at every moment.

    Numbers that are not finite become null: JSON has none.
    """
    text = json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"
    replace_file(path, text.encode())


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _nearest_node(body: Body, point: Array) -> tuple[int, int]:
    """Return the rank and local block of the node nearest to a point [m].

    Of several the first in the mesh file is taken, however the mesh is divided among the ranks.
    """
    geometry, dofs = body.mesh.geometry, node_dofs(body.space)
    distance = np.linalg.norm(geometry.x[: len(dofs)] - point, axis=1)
    numbers = geometry.input_global_indices[: len(dofs)]
    nearest = np.lexsort((numbers, distance))[:1]
    here = [(float(distance[i]), int(numbers[i]), body.comm.rank, int(dofs[i])) for i in nearest]
    _, _, rank, block = min(found for part in body.comm.allgather(here) for found in part)
    return rank, block


def certificate_summary(step: Step) -> dict[str, Any]:
    """Return a certificate as JSON values."""
    f = step.frequency
    return {
        "step": step.value,
        "level": step.level,
        "viscosity": step.viscosity,
        "safety": step.safety,
        "omega_max": f.omega,
        "omega_lower": f.lower,
        "omega_rule": f.rule,
        "failure_probability": f.failure_probability,
        "limiting_cell": {"number": f.cell, "centre": list(f.centre)},
        "domains": [None if d is None else d.as_dict() for d in step.domains],
    }


def versions() -> dict[str, str]:
    """Return the versions that made a run."""
    return {
        "lipmat": lipmat.__version__,
        "dolfinx": str(dolfinx.__version__),
        "python": platform.python_version(),
    }
