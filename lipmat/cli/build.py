"""From a case to the objects of a simulation: body, loads, walls, step."""

from __future__ import annotations

from lipmat.config import BoundarySpec, Case, MaterialSpec, MeshSpec
from lipmat.config.axes import AxesSpec
from lipmat.errors import InputError
from lipmat.fem.axes import axes_at_cells, axes_from_field, constant_axes
from lipmat.fem.body import Array, Body, Material
from lipmat.fem.grid import Grid, box, read_grid
from lipmat.fem.loads import (
    Curve,
    Gravity,
    Load,
    Motion,
    Pressure,
    Traction,
    TractionField,
    constant,
)
from lipmat.fem.mass_scaling import AddedMass, requested_step
from lipmat.fem.step import Step, critical_step
from lipmat.fem.wall import Wall
from lipmat.materials.conditioned import frozen
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
    return Body(grid, [_material(m, grid) for m in case.materials], case.mesh.formulation)


def _material(spec: MaterialSpec, grid: Grid) -> Material:
    if spec.file.is_dir():
        raise InputError(
            f"{spec.file}: found a folder of specimens, expected a material file; to run them one "
            "after the other: lipmat run CASE --specimens N"
        )
    axes = axes_of(spec.axes, grid, spec.region)
    law = frozen(load(spec.file), spec.conditions, f"{spec.file.name}: [[materials]] conditions")
    return Material(law, spec.density, spec.region, axes)


def axes_of(spec: AxesSpec | None, grid: Grid, region: str | None = None) -> Array | None:
    """Return material axes, (3, 3) or one triple for each owned cell; None if none are given."""
    if spec is None:
        return None
    if spec.field is not None:
        return axes_from_field(grid, spec.field, region)
    if spec.constant is not None:
        return constant_axes(*spec.constant)
    return axes_at_cells(grid, spec.directions(), region)


def loads_of(case: Case) -> list[Load]:
    """Return the boundary conditions, loads and walls of a case."""
    loads = [_load(b) for b in case.boundary]
    if case.gravity is not None:
        gravity = case.gravity
        loads.append(Gravity(gravity.acceleration, gravity.factor if gravity.curve else constant))
    return loads


def _load(spec: BoundarySpec) -> Load:
    curve: Curve = spec.factor if spec.curve else constant
    if spec.wall is not None:
        wall = spec.wall
        return Wall(spec.on, wall.shape(), wall.stiffness, wall.translation(spec.curve))
    if spec.traction is not None:
        return Traction(spec.on, spec.traction, curve)
    if spec.traction_field is not None:
        return TractionField(spec.on, spec.traction_at(), curve)
    if spec.pressure is not None:
        return Pressure(spec.on, spec.pressure, curve)
    if spec.velocity is not None:
        return Motion(spec.on, spec.velocity, "velocity", curve)
    assert spec.displacement is not None
    return Motion(spec.on, spec.displacement, "displacement", curve)


def step_of(case: Case, body: Body, loads: list[Load]) -> tuple[Step, AddedMass | None]:
    """Return the certified step of a case's body, and the mass that was added for it."""
    time, walls = case.time, [load for load in loads if isinstance(load, Wall)]
    options = (time.level, time.safety, case.seed, time.viscosity, walls)
    if time.step is None:
        return critical_step(body, *options), None
    return requested_step(body, time.step, time.mass_scaling, *options)
