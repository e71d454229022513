"""What ``lipmat check`` finds out: certificates of a law on a mesh, estimates, the worst cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lipmat.cli.build import axes_of, grid_of
from lipmat.config import MeshSpec
from lipmat.config.axes import AxesSpec
from lipmat.errors import InputError, nearest
from lipmat.fem.body import Body, Material
from lipmat.fem.estimates import (
    cell_limits,
    collatz_wielandt_estimate,
    edge_length_estimate,
    element_estimate,
)
from lipmat.fem.forms import FORMULATIONS
from lipmat.fem.mass_scaling import requested_step
from lipmat.fem.mpi import only_root
from lipmat.fem.record import certificate_summary
from lipmat.fem.step import BEST_VISCOSITY, LEVELS, PROVES, Step, critical_step, limit, refusal
from lipmat.fem.worst_cells import gain_by_mending, limiting_cell, whole_in_vtk_order
from lipmat.materials.law import Law

SHARES = (0.001, 0.01, 0.05)  # of the worst cells


def check(
    law: Law,
    mesh: MeshSpec,
    density: float | None,
    level: str | None = None,
    cells: str = FORMULATIONS[0],
    axes: AxesSpec | None = None,
    step: float | None = None,
    mass_scaling: bool = False,
    picture: Path | None = None,
) -> dict[str, Any]:
    """Return the certified steps on a mesh as JSON values.

    Args:
        law: The law.
        mesh: Mesh file or box.
        density: [kg/m^3]; None: that of the law's dataset.
        level: Level of the certificate; None: the strongest that the law allows.
        cells: Formulation of the cells.
        axes: Material axes of a law that is not isotropic.
        step: A step that is asked for [s].
        mass_scaling: Add mass where that step needs it.
        picture: PNG file to draw the cells' own limits to.

    Raises:
        InputError: No density is known, an unknown level or formulation, a level that the law does
            not allow, axes that do not suit the law, or a step that cannot be had.
    """
    if cells not in FORMULATIONS:
        raise InputError(f"--cells: found {cells!r}, {nearest(cells, FORMULATIONS)}")
    if mass_scaling and step is None:
        raise InputError("--mass-scaling: found no --step, expected one to scale to, as '2 us'")
    grid = grid_of(mesh)
    material = Material(law, _density(law, density), axes=axes_of(axes, grid))
    body = Body(grid, [material], cells)
    first, added = critical_step(body, level), None
    found = _certificates(body, first)
    if step is not None:
        asked, added = requested_step(body, step, mass_scaling, level)
        summary = {"step": asked.value, "certificate": certificate_summary(asked)}
        found["requested"] = summary | {"added_mass": None if added is None else added.as_dict()}
    if picture is not None:
        body.mass_factor = None
        _draw(body, first, picture)
        found["picture"] = str(picture)
    return found


def _certificates(body: Body, first: Step) -> dict[str, Any]:
    """Return certificates, estimates and worst cells of a body without added mass."""
    bounds = [first.control.ladders[0][0].tangent]
    own = cell_limits(body, bounds)
    return {
        **certificate_summary(first),
        "limiting_cell": limiting_cell(body, first, own),
        "levels": {name: _level(body, name, first) for name in LEVELS},
        "formulation": body.formulation,
        "cells": body.number_of_cells,
        "density": body.materials[0].density,
        "ladder": [
            {
                "step": s.value,
                "omega_max": s.frequency.omega,
                "domain": None if s.domains[0] is None else s.domains[0].as_dict(),
            }
            for s in first.control.all_rungs()
        ],
        "estimates": {
            "edge_length": edge_length_estimate(body),
            "element": element_estimate(body, bounds),
            "collatz_wielandt": collatz_wielandt_estimate(body, bounds),
        },
        "mending": gain_by_mending(body, own, SHARES),
    }


def _level(body: Body, level: str, first: Step) -> dict[str, Any]:
    """Return what a level certifies for a body, or why it does not."""
    content: dict[str, Any] = {"proves": PROVES[level], "viscosity": BEST_VISCOSITY[level]}
    if reason := refusal(body, level):
        return content | {"step": None, "reason": reason}
    return content | {"step": limit(level, BEST_VISCOSITY[level]) / first.frequency.omega}


def _draw(body: Body, first: Step, picture: Path) -> None:
    """Draw each cell's own limit at the level of the certificate; rank 0 draws."""
    from lipmat.plotting import plot_cells

    own = cell_limits(body, [first.control.ladders[0][0].tangent])
    arrays = whole_in_vtk_order(body, first.control.limit / own)
    only_root(body.comm, plot_cells, picture, *arrays, first.value, first.level)


def _density(law: Law, given: float | None) -> float:
    if given is not None:
        return given
    known = law.provenance.entries.get("density")
    if known is None:
        raise InputError("--density: the law's dataset has none, expected one such as '930 kg/m^3'")
    return float(known)
