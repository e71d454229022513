"""Mesh a quarter of a round rod with hexahedra, by Gmsh: a square core, two blocks around it.

    python rod.py [FILE] [--coarse]

The rod stands on z = 0; x = 0 and y = 0 are planes of symmetry.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import gmsh

LINES = ("oa", "ab", "bc", "co", "aA", "bB", "cC")
ARCS = ("AB", "BC")


@dataclass(frozen=True)
class Rod:
    """Sizes [m] and numbers of cells.

    Attributes:
        length: Of the rod.
        radius: Of the rod.
        across: Cells along the radius, an even number; half of them in the core.
        along: Cells along the rod.
    """

    length: float = 32.4e-3
    radius: float = 3.2e-3
    across: int = 6
    along: int = 40


COARSE = Rod(across=4, along=27)
FINE = Rod(across=8, along=54)


def write_mesh(path: Path, rod: Rod) -> Path:
    """Mesh a rod and write it; the groups are ``front``, ``x-plane`` and ``y-plane``."""
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.model.add("rod")
        _build(rod)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(path))
    finally:
        gmsh.finalize()
    return path


def _build(rod: Rod) -> None:
    """Divide the quarter of a circle into three blocks, and extrude them."""
    geo, r = gmsh.model.geo, rod.radius
    core, corner = 0.5 * r, 0.42 * r
    places = {
        "o": (0, 0),
        "a": (core, 0),
        "b": (corner, corner),
        "c": (0, core),
        "A": (r, 0),
        "B": (r / sqrt(2), r / sqrt(2)),
        "C": (0, r),
    }
    point = {name: geo.addPoint(x, y, 0.0) for name, (x, y) in places.items()}
    line = {k: geo.addLine(point[k[0]], point[k[1]]) for k in LINES}
    line |= {k: geo.addCircleArc(point[k[0]], point["o"], point[k[1]]) for k in ARCS}
    for tag in line.values():
        geo.mesh.setTransfiniteCurve(tag, rod.across // 2 + 1)
    loops = (
        [line["oa"], line["ab"], line["bc"], line["co"]],
        [line["aA"], line["AB"], -line["bB"], -line["ab"]],
        [line["bB"], line["BC"], -line["cC"], -line["bc"]],
    )
    faces = [geo.addPlaneSurface([geo.addCurveLoop(loop)]) for loop in loops]
    for face in faces:
        geo.mesh.setTransfiniteSurface(face)
        geo.mesh.setRecombine(2, face)
    pairs = [(2, face) for face in faces]
    found = geo.extrude(pairs, 0, 0, rod.length, [rod.along], recombine=True)
    geo.synchronize()
    _name(faces, [tag for dim, tag in found if dim == 3], rod)


def _name(front: list[int], volumes: list[int], rod: Rod) -> None:
    """Name the groups; planes of symmetry are found by their boxes."""
    model = gmsh.model
    model.addPhysicalGroup(3, volumes, name="rod")
    model.addPhysicalGroup(2, front, name="front")
    small, big = 1e-6 * rod.length, 2 * rod.length
    for axis, name in enumerate(("x-plane", "y-plane")):
        low, high = [-big] * 3, [big] * 3
        low[axis], high[axis] = -small, small
        tags = [tag for _, tag in model.getEntitiesInBoundingBox(*low, *high, 2)]
        model.addPhysicalGroup(2, tags, name=name)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if a != "--coarse"]
    file = Path(names[0] if names else "rod.msh")
    write_mesh(file, COARSE if "--coarse" in sys.argv else Rod())
