"""Mesh a quarter of a machine between two rubber pads with hexahedra, by Gmsh.

    python mount_mesh.py [FILE] [--coarse]

The machine is a block around the origin; a pad joins each of its faces x = const to a bracket.
x = 0 and y = 0 are planes of symmetry.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import gmsh


@dataclass(frozen=True)
class Mount:
    """Sizes [m] and numbers of cells; the width is that of the whole.

    Attributes:
        pad: Thickness of a pad, along x.
        machine: Half the thickness of the machine, along x.
        width: Of machine and pads, along y.
        height: Of machine and pads, along z.
        through: Cells through a pad.
        inside: Cells through half the machine.
        across: Cells along half the width.
        along: Cells along the height.
    """

    pad: float = 10e-3
    machine: float = 60e-3
    width: float = 120e-3
    height: float = 120e-3
    through: int = 4
    inside: int = 4
    across: int = 2
    along: int = 24


COARSE = Mount(through=2, inside=2, across=2, along=12)


def write_mesh(path: Path, mount: Mount) -> Path:
    """Mesh the mount and write it.

    Regions are ``machine`` and ``rubber``, groups ``bracket``, ``top``, ``x-plane``, ``y-plane``.
    """
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.model.add("mount")
        _build(mount)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(path))
    finally:
        gmsh.finalize()
    return path


def _build(m: Mount) -> None:
    """Extrude the face x = 0 through the machine, then through the pad."""
    geo, half, low = gmsh.model.geo, m.width / 2, -m.height / 2
    corners = [(0.0, low), (half, low), (half, -low), (0.0, -low)]
    points = [geo.addPoint(0.0, y, z) for y, z in corners]
    lines = [geo.addLine(points[i], points[(i + 1) % 4]) for i in range(4)]
    for line, cells in zip(lines, (m.across, m.along) * 2, strict=True):
        geo.mesh.setTransfiniteCurve(line, cells + 1)
    start = geo.addPlaneSurface([geo.addCurveLoop(lines)])
    geo.mesh.setTransfiniteSurface(start)
    geo.mesh.setRecombine(2, start)
    machine = geo.extrude([(2, start)], m.machine, 0, 0, [m.inside], recombine=True)
    pad = geo.extrude([machine[0]], m.pad, 0, 0, [m.through], recombine=True)
    geo.synchronize()
    model = gmsh.model
    for name, block in (("machine", machine), ("rubber", pad)):  # far face, volume, four sides
        model.addPhysicalGroup(3, [block[1][1]], name=name)
    sides = {"bracket": [pad[0]], "x-plane": [(2, start)]}
    sides |= {"y-plane": [machine[5], pad[5]], "top": [machine[4]]}
    for name, faces in sides.items():
        model.addPhysicalGroup(2, [tag for _, tag in faces], name=name)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if a != "--coarse"]
    file = Path(names[0] if names else "mount.msh")
    write_mesh(file, COARSE if "--coarse" in sys.argv else Mount())
