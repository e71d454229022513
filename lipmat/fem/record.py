"""What a run leaves behind: history, fields, summary."""

from __future__ import annotations

import csv
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import lipmat
from lipmat.fem.body import Array, Body
from lipmat.fem.mpi import only_root
from lipmat.fem.outcome import Outcome
from lipmat.fem.step import Step
from lipmat.fem.vtkhdf import FieldFile, node_dofs

# isort: split
import dolfinx

COLUMNS = (
    "time [s]",
    "step [s]",
    "kinetic_energy [J]",
    "stored_energy [J]",
    "external_work [J]",
    "energy_error [-]",
    "stretch_max [-]",
    "stretch_min [-]",
    "volume_ratio_min [-]",
)


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
    """

    def __init__(
        self, body: Body, folder: str | Path | None, probes: Sequence[Sequence[float]] = ()
    ) -> None:
        self.body = body
        self.folder = None if folder is None else Path(folder)
        self._rows: list[list[float]] = []
        self._probes = [_nearest_node(body, np.array(p)) for p in probes]
        names = [f"probe_{i + 1}_{a} [m]" for i in range(len(probes)) for a in "xyz"]
        self.columns = (*COLUMNS, *names)
        self._fields: FieldFile | None = None
        self._csv: Any = None
        self._nodes = node_dofs(body.space)
        if self.folder is not None:
            self._csv = only_root(body.comm, _open_csv, self.folder, self.columns)
            path = self.folder / "fields.vtkhdf"
            self._fields = FieldFile(path, body.mesh, ("displacement", "velocity"), {"stretch": 1})

    def add_history(self, values: Sequence[float], displacement: Array) -> None:
        """Append a row: the values of COLUMNS, then the probes' displacements."""
        row = [*values, *self._probe_values(displacement)]
        self._rows.append(row)
        only_root(self.body.comm, self._write_row, row)

    def _write_row(self, row: Sequence[float]) -> None:
        if self._csv is not None:
            csv.writer(self._csv).writerow(f"{v:.9g}" for v in row)
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

    def finish(
        self, outcome: Outcome, message: str, summary: dict[str, Any], displacement: Array
    ) -> Record:
        """Write ``summary.json``, close the files and return the record."""
        if self._fields is not None:
            self._fields.close()
        if self._csv is not None:
            self._csv.close()
        if self.folder is not None:
            only_root(self.body.comm, write_json, self.folder / "summary.json", summary)
        rows = np.array(self._rows).reshape(len(self._rows), len(self.columns))
        history = {name: rows[:, i] for i, name in enumerate(self.columns)}
        nodal = displacement.reshape(-1, 3).copy()
        return Record(outcome, message, summary, history, nodal, self.folder)


def _open_csv(folder: Path, columns: Sequence[str]) -> Any:
    """Start the history; what an earlier run left and this one has yet to write goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("summary.json", "run.png", "energy.png", "movie.mp4"):
        (folder / name).unlink(missing_ok=True)
    file = (folder / "history.csv").open("w", newline="")
    csv.writer(file).writerow(columns)
    file.flush()
    return file


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that is whole at every moment: beside it first, then in its place.

    Numbers that are not finite become null: JSON has none.
    """
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")
    os.replace(beside, path)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _nearest_node(body: Body, point: Array) -> tuple[int, int]:
    """Return the rank and local block of the node nearest to a point [m]."""
    x = body.space.tabulate_dof_coordinates()[: body.owned // 3]
    distance = np.linalg.norm(x - point, axis=1) if len(x) else np.array([np.inf])
    local = int(np.argmin(distance))
    _, rank = min((d, r) for r, d in enumerate(body.comm.allgather(float(distance[local]))))
    return rank, local


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
