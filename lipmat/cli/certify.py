"""What ``lipmat check`` shows: certified steps of a law on a mesh, beside the usual estimates."""

from __future__ import annotations

from typing import Any

from lipmat.cli.simulate import grid_of
from lipmat.config import MeshSpec
from lipmat.errors import InputError, nearest
from lipmat.fem.body import Body, Material
from lipmat.fem.estimates import edge_length_estimate, element_estimate
from lipmat.fem.record import certificate_summary
from lipmat.fem.step import critical_step
from lipmat.materials.law import Law

FORMULATIONS = ("selective",)


def check(
    law: Law, mesh: MeshSpec, density: float | None, level: str, cells: str = "selective"
) -> dict[str, Any]:
    """Return the certified steps on a mesh as JSON values.

    Args:
        law: The law.
        mesh: Mesh file or box.
        density: [kg/m^3]; None: that of the law's dataset.
        level: Level of the certificate.
        cells: Formulation of the cells.

    Raises:
        InputError: No density is known, or an unknown level or formulation.
    """
    if cells not in FORMULATIONS:
        raise InputError(f"--cells: found {cells!r}, {nearest(cells, FORMULATIONS)}")
    body = Body(grid_of(mesh), [Material(law, _density(law, density))])
    first = critical_step(body, level)
    steps = first.control.all_rungs()
    tangent = first.control.ladders[0][0].tangent
    return {
        **certificate_summary(first),
        "formulation": cells,
        "cells": body.number_of_cells,
        "density": body.materials[0].density,
        "ladder": [
            {
                "step": s.value,
                "omega_max": s.frequency.omega,
                "domain": None if s.domains[0] is None else s.domains[0].as_dict(),
            }
            for s in steps
        ],
        "estimates": {
            "edge_length": edge_length_estimate(body),
            "element": element_estimate(body, [tangent]),
        },
    }


def _density(law: Law, given: float | None) -> float:
    if given is not None:
        return given
    known = law.provenance.entries.get("density")
    if known is None:
        raise InputError("--density: the law's dataset has none, expected one such as '930 kg/m^3'")
    return float(known)
