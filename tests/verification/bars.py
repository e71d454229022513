"""A steel bar without lateral motion, along x, in which waves are one-dimensional."""

from __future__ import annotations

import numpy as np

from lipmat.fem.body import Body
from lipmat.fem.loads import Load, Motion
from lipmat.fem.mpi import MPI
from lipmat.materials.linear import LinearElastic

STEEL, DENSITY, LENGTH, CELLS = LinearElastic(210e9, 0.3), 7850.0, 1.0, 200
SIDE = LENGTH / CELLS
MODULUS = STEEL.rest_moduli()[0] + 4.0 * STEEL.rest_moduli()[1] / 3.0  # of uniaxial strain [Pa]
SPEED = float(np.sqrt(MODULUS / DENSITY))
GUIDES: list[Load] = [Motion(side, (None, 0, None)) for side in ("y-min", "y-max")]
GUIDES += [Motion(side, (None, None, 0)) for side in ("z-min", "z-max")]


def bar() -> Body:
    """Return the bar, one cubic cell across."""
    size, cells = (LENGTH, SIDE, SIDE), (CELLS, 1, 1)
    return Body.box(size, cells, "hexahedron", STEEL, DENSITY, MPI.COMM_SELF)
