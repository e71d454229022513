"""From a case file to a finished run: the calls that ``lipmat run`` makes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lipmat.config import BoundarySpec, Case, MaterialSpec, MeshSpec
from lipmat.errors import InputError
from lipmat.fem.body import Body, Material
from lipmat.fem.grid import Grid, box, read_grid
from lipmat.fem.loads import (
    Curve,
    Gravity,
    Load,
    Motion,
    PrescribedMotion,
    Pressure,
    Traction,
    constant,
)
from lipmat.fem.march import Progress, march
from lipmat.fem.mpi import only_root
from lipmat.fem.record import Record
from lipmat.fem.step import critical_step
from lipmat.materials.file import load


def grid_of(mesh: MeshSpec) -> Grid:
    """Return the distributed mesh of a case, or of the command line's MESH."""
    if mesh.box is not None:
        return box(mesh.box.size, mesh.box.cells, mesh.box.cell)
    assert mesh.file is not None
    return read_grid(mesh.file)


def body_of(case: Case) -> Body:
    """Return the body of a case: its mesh with the laws of its material files."""
    grid = grid_of(case.mesh)
    return Body(grid, [_material(m) for m in case.materials])


def _material(spec: MaterialSpec) -> Material:
    return Material(load(spec.file), spec.density, spec.region)


def loads_of(case: Case) -> list[Load]:
    """Return the boundary conditions and loads of a case."""
    loads = [_load(b) for b in case.boundary]
    if case.gravity is not None:
        gravity = case.gravity
        loads.append(Gravity(gravity.acceleration, gravity.factor if gravity.curve else constant))
    return loads


def _load(spec: BoundarySpec) -> Load:
    curve: Curve = spec.factor if spec.curve else constant
    if spec.traction is not None:
        return Traction(spec.on, spec.traction, curve)
    if spec.pressure is not None:
        return Pressure(spec.on, spec.pressure, curve)
    if spec.velocity is not None:
        return Motion(spec.on, spec.velocity, "velocity", curve)
    assert spec.displacement is not None
    return Motion(spec.on, spec.displacement, "displacement", curve)


def run_case(
    case: Case, folder: Path, progress: Callable[[Progress], None] | None = None
) -> Record:
    """Run a case and leave its records and pictures in a folder.

    Raises:
        InputError: A mesh, material or group of the case cannot be used.
    """
    body = body_of(case)
    loads = loads_of(case)
    for boundary in case.boundary:
        body.grid.group(boundary.on)
    PrescribedMotion(body, loads)  # a wrong name or a clash leaves no folder behind
    step = critical_step(body, case.time.level, case.time.safety, case.seed)
    only_root(body.comm, _write_case, case, folder)
    record = march(
        body,
        step,
        case.time.end,
        loads=loads,
        velocity=case.initial.velocity_at,
        folder=folder,
        every=case.output_every,
        check_every=case.time.check_every,
        probes=case.output.probes,
        progress=progress,
        info=_info(case),
    )
    pictures = only_root(body.comm, _pictures, case, folder)
    return record.with_pictures(tuple(pictures or ()))


def _write_case(case: Case, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / "case.toml.part"
        beside.write_text(case.as_toml())
        os.replace(beside, folder / "case.toml")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to, {error.strerror}") from error


def _info(case: Case) -> dict[str, Any]:
    hashes = {m.file.name: hashlib.sha256(m.file.read_bytes()).hexdigest() for m in case.materials}
    return {"title": case.title, "materials": hashes, "seed": case.seed}


def _pictures(case: Case, folder: Path) -> list[Path]:
    from lipmat.plotting import plot_run

    return plot_run(folder, case.output.picture, case.output.movie)
