"""The restart file of a run: a state from which it continues as if it had never stopped."""

from __future__ import annotations

import io
import json
import time as clock
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import lipmat
from lipmat.errors import InputError
from lipmat.fem.body import Array, Body
from lipmat.fem.files import replace_file
from lipmat.fem.mpi import MPI, only_root
from lipmat.fem.order import cell_order, node_dofs, node_order
from lipmat.fem.record import RESTART, Recorder
from lipmat.schema import read_text

SCHEMA = 3
CELLS = "cells"
EVERY = 30.0  # [s] of the clock on the wall

State = Mapping[str, Mapping[str, Any]]
"""State of each object of a run by its name.

Vectors of the owned displacement components, matrices of one row for each owned cell, JSON values.
"""


class RestartFile:
    """Writes and reads the restart file in a run's folder.

    What belongs to nodes or cells is stored in the order of the mesh file, so that a run may go on
    with another number of ranks. All ranks must call every method.

    Args:
        body: The body.
        folder: The run's folder.
        identity: What must be the same when the run goes on, as texts by name.
    """

    def __init__(self, body: Body, folder: Path, identity: Mapping[str, str]) -> None:
        self.body, self.path, self.identity = body, folder / RESTART, dict(identity)
        self._order, self._dofs = node_order(body.mesh), node_dofs(body.space)
        self._cells = cell_order(body.mesh)

    def write(self, state: State, rows: Array) -> None:
        """Replace the file, in one go.

        Args:
            state: State of each object of the run.
            rows: The history up to it.

        Raises:
            OSError: On all ranks, if it cannot be written; the old one stays.
        """
        nodal: dict[str, Any] = {}
        values: dict[str, dict[str, Any]] = {name: {} for name in state}
        for name, entries in state.items():
            for key, value in entries.items():
                if isinstance(value, np.ndarray) and value.ndim == 2:
                    nodal[f"{name}.{key}.{CELLS}"] = self._cells.gather(value)
                elif isinstance(value, np.ndarray):
                    own = value.reshape(-1, 3)[self._dofs]
                    nodal[f"{name}.{key}"] = self._order.gather(own)
                else:
                    values[name][key] = value
        about = {
            "schema": SCHEMA,
            "lipmat": lipmat.__version__,
            "identity": self.identity,
            "values": values,
        }
        only_root(self.body.comm, self._write, about, nodal | {"history": rows})

    def _write(self, about: dict[str, Any], arrays: dict[str, Any]) -> None:
        text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, about=text, **arrays)
        replace_file(self.path, buffer.getvalue())

    def read(self) -> tuple[State, Array]:
        """Return the state and the history up to it.

        Raises:
            InputError: On all ranks: no such file, a damaged one, one of another schema, or one of
                another run.
        """
        found = only_root(self.body.comm, self._read)
        about, names, rows = self.body.comm.bcast(
            None if found is None else (found[0], sorted(found[1]), found[2])
        )
        state: dict[str, dict[str, Any]] = about["values"]
        for name in names:
            owner, key, *of_cells = name.split(".")
            values = None if found is None else found[1][name]
            state[owner][key] = self._cells.scatter(values) if of_cells else self._own(values)
        return state, rows

    def _own(self, values: Array | None) -> Array:
        """Return the owned components of nodal values that rank 0 holds."""
        own = np.empty((self.body.owned // 3, 3))
        own[self._dofs] = self._order.scatter(values)
        return own.reshape(-1)

    def _read(self) -> tuple[dict[str, Any], dict[str, Array], Array]:
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = dict(file)
            about, rows = json.loads(arrays.pop("about").tobytes()), arrays.pop("history")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self.path}: cannot be read ({error}), expected a restart file; "
                "start again with: lipmat run"
            ) from error
        self._refuse_others(about)
        return about, arrays, rows

    def _refuse_others(self, about: Mapping[str, Any]) -> None:
        if about["schema"] != SCHEMA:
            raise InputError(
                f"{self.path}: found schema {about['schema']} of lipmat {about['lipmat']}, "
                f"expected {SCHEMA} of {lipmat.__version__}; go on with the version that wrote it"
            )
        for name, now in self.identity.items():
            then = about["identity"].get(name, "missing")
            if then != now:
                raise InputError(
                    f"{self.path}: found {name} {now[:16]}, expected {then[:16]} as in the "
                    "interrupted run; put it back, or start again with: lipmat run"
                )


def refuse_unresumable(comm: MPI.Intracomm, folder: Path | None) -> None:
    """Refuse a folder whose run is complete, or that holds no restart file.

    Raises:
        InputError: On all ranks.
    """
    if folder is None:
        raise InputError("march: found resume without a folder, expected the folder of the run")
    only_root(comm, _refuse_unresumable, folder)


def _refuse_unresumable(folder: Path) -> None:
    summary = folder / "summary.json"
    if summary.is_file() and json.loads(read_text(summary)).get("outcome") == "completed":
        raise InputError(f"{folder}: the run is complete, there is nothing to resume")
    if not (folder / RESTART).is_file():
        raise InputError(
            f"{folder}: there is no {RESTART}, expected the folder of an interrupted run; "
            "start it with: lipmat run"
        )


class Restarts:
    """Keeps the last good state of a run, and brings it to the disk now and then.

    Args:
        file: The restart file; None: the run leaves none.
        recorder: The records, which must be on the disk before a state that counts on them.
        every: Time between two writes, by the clock on the wall [s].

    Attributes:
        failures: Writes that failed, in one line each; only the first of several in a row.
    """

    def __init__(self, file: RestartFile | None, recorder: Recorder, every: float) -> None:
        self._file, self._recorder, self._every = file, recorder, every
        self._good: tuple[State, int] | None = None
        self._written, self._failed = -np.inf, False
        self.failures: list[str] = []

    @property
    def active(self) -> bool:
        """Whether there is a file to write."""
        return self._file is not None

    def keep(self, state: State, rows: int) -> None:
        """Take a state for the last good one; write it if the time has come.

        Args:
            state: State of each object of the run.
            rows: Number of rows of the history up to it.
        """
        if self._file is None:
            return
        self._good = state, rows
        if self._file.body.comm.bcast(clock.monotonic() >= self._written + self._every):
            self.write()

    def write(self) -> None:
        """Write the last good state, if it is not on the disk yet; a failure is booked."""
        if self._file is None or self._good is None:
            return
        state, rows = self._good
        try:
            self._recorder.sync()
            self._file.write(state, self._recorder.rows(rows))
            self._good, self._failed = None, False
        except OSError as error:
            if not self._failed:
                self.failures.append(f"{self._file.path}: not written ({error}), the old one stays")
            self._failed = True
        self._written = clock.monotonic()

    def remove(self) -> None:
        """Remove the file of a run that is complete."""
        if self._file is not None:
            only_root(self._file.body.comm, self._file.path.unlink, missing_ok=True)
