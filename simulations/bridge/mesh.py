"""Mesh a tied-arch railway bridge of square steel bars with hexahedra, by Gmsh.

    python mesh.py [FILE] [--coarse]

All is made of blocks that share corners, edges and faces, so that bars are welded to one another
node by node. x runs along the bridge, z upwards; z = 0 is the underside of the deck.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import gmsh
import numpy as np
from numpy.typing import NDArray

Point = NDArray[np.float64]
EDGES = (
    ((0, 1), (3, 2), (7, 6), (4, 5)),
    ((0, 3), (1, 2), (5, 6), (4, 7)),
    ((0, 4), (1, 5), (2, 6), (3, 7)),
)
FACES = {
    "x-": (0, 3, 7, 4),
    "x+": (1, 2, 6, 5),
    "y-": (0, 1, 5, 4),
    "y+": (3, 2, 6, 7),
    "z-": (0, 1, 2, 3),
    "z+": (4, 5, 6, 7),
}


@dataclass(frozen=True)
class Bridge:
    """Sizes [m] and numbers of cells.

    Attributes:
        span: Between the bearings.
        rise: Of the arch above the deck.
        width: Between the planes of the two arches.
        gauge: Between the two stringers, which carry the rails.
        bar: Side of every bar.
        panels: Fields between cross beams.
        cells: Cells across a bar.
        length: Of a cell along a bar, about.
    """

    span: float = 30.0
    rise: float = 5.0
    width: float = 5.0
    gauge: float = 1.5
    bar: float = 0.2
    panels: int = 8
    cells: int = 2
    length: float = 0.15

    @property
    def panel_points(self) -> Point:
        """Places of the cross beams, from bearing to bearing."""
        return np.linspace(0.0, self.span, self.panels + 1)

    @property
    def lines(self) -> Point:
        """Middles of tie, stringer, stringer, tie across the bridge."""
        return np.array([-self.width, -self.gauge, self.gauge, self.width]) / 2

    def number(self, length: float) -> int:
        """Return the number of cells along a piece of a bar."""
        return max(1, round(length / self.length))


COARSE = Bridge(span=15.0, rise=2.5, panels=4, cells=1, length=0.4)


class Blocks:
    """Hexahedral blocks in Gmsh; what has the same corners is the same."""

    def __init__(self) -> None:
        self._points: dict[tuple[float, ...], int] = {}
        self._curves: dict[frozenset[int], tuple[int, int]] = {}
        self._faces: dict[frozenset[int], int] = {}
        self._groups: dict[str, list[int]] = {}
        self._volumes: list[int] = []

    def add(self, corners: Sequence[Point], cells: tuple[int, int, int], **groups: str) -> None:
        """Add a block.

        Args:
            corners: Eight points in the order of VTK's hexahedron, in the frame of the block.
            cells: Along each axis of the block.
            groups: Name of a surface group for a face, e.g. ``{"z+": "rails"}``.
        """
        tags = [self._point(p) for p in corners]
        for edges, count in zip(EDGES, cells, strict=True):
            for a, b in edges:
                self._curve(tags[a], tags[b], count)
        faces = {name: self._face([tags[i] for i in f]) for name, f in FACES.items()}
        for side, name in groups.items():
            self._groups.setdefault(name, []).append(faces[side])
        loop = gmsh.model.geo.addSurfaceLoop(list(faces.values()))
        volume = gmsh.model.geo.addVolume([loop])
        gmsh.model.geo.mesh.setTransfiniteVolume(volume, tags)
        self._volumes.append(volume)

    def _point(self, point: Point) -> int:
        key = tuple(round(float(x), 6) + 0.0 for x in point)
        if key not in self._points:
            self._points[key] = gmsh.model.geo.addPoint(*key)
        return self._points[key]

    def _curve(self, a: int, b: int, cells: int) -> None:
        key = frozenset((a, b))
        if key not in self._curves:
            tag = gmsh.model.geo.addLine(a, b)
            gmsh.model.geo.mesh.setTransfiniteCurve(tag, cells + 1)
            self._curves[key] = tag, cells
        if self._curves[key][1] != cells:
            raise ValueError(f"an edge has {self._curves[key][1]} cells in one block, {cells} here")

    def _face(self, tags: list[int]) -> int:
        key = frozenset(tags)
        if key not in self._faces:
            ring = zip(tags, [*tags[1:], tags[0]], strict=True)
            curves = [self._curves[frozenset(pair)][0] for pair in ring]
            loop = gmsh.model.geo.addCurveLoop(curves, reorient=True)
            face = gmsh.model.geo.addPlaneSurface([loop])
            gmsh.model.geo.mesh.setTransfiniteSurface(face, cornerTags=tags)
            gmsh.model.geo.mesh.setRecombine(2, face)
            self._faces[key] = face
        return self._faces[key]

    def write(self, path: Path) -> None:
        """Mesh all blocks and write the file."""
        gmsh.model.geo.synchronize()
        gmsh.model.addPhysicalGroup(3, self._volumes, name="steel")
        for name, faces in self._groups.items():
            gmsh.model.addPhysicalGroup(2, faces, name=name)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(path))


def box(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> list[Point]:
    """Return the corners of a box."""
    return prism([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])], z)


def prism(base: Sequence[tuple[float, float]], z: tuple[float, float]) -> list[Point]:
    return [np.array([*p, h]) for h in z for p in base]


def pieces(points: Point, half: float) -> list[tuple[float, float]]:
    """Cut a line into joints around the points and the bars between them."""
    ends = np.sort(np.concatenate([points - half, points + half]))
    return list(pairwise(ends.tolist()))


def deck(blocks: Blocks, b: Bridge) -> None:
    """Add ties, stringers and cross beams, all in one layer."""
    half, n = b.bar / 2, b.cells
    along, across = pieces(b.panel_points, half), pieces(b.lines, half)
    last = len(along) - 1
    for i, x in enumerate(along):
        for j, y in enumerate(across):
            if i % 2 and j % 2:
                continue  # the openings
            groups = {"z+": "rails"} if j in (2, 4) else {}
            if i in (0, last) and j in (0, 6):
                groups["z-"] = "left" if i == 0 else "right"
            cells = (
                n if i % 2 == 0 else b.number(x[1] - x[0]),
                n if j % 2 == 0 else b.number(y[1] - y[0]),
                n,
            )
            blocks.add(box(x, y, (0.0, b.bar)), cells, **groups)


def arch_stations(b: Bridge) -> list[tuple[Point, Point, int]]:
    """Return the sections of an arch in its plane: lower end, upper end, cells to the next one."""
    half = b.bar / 2
    stops = []
    for low, high in pieces(b.panel_points, half)[1:-1]:
        n = 1 if high - low < 1.01 * b.bar else b.number(high - low)
        stops += [(low + (high - low) * k / n, b.cells if n == 1 else 1) for k in range(n)]
    stops.append((b.span - half, 0))
    return [(*_section(b, x), cells) for x, cells in stops]


def _section(b: Bridge, x: float) -> tuple[Point, Point]:
    """Return the ends of the section whose lower end is at x; horizontal at the springing."""
    start, length = b.bar / 2, b.span - b.bar
    s = (x - start) / length
    lower = np.array([x, b.bar + 4 * b.rise * s * (1 - s)])
    slope = 4 * b.rise / length * (1 - 2 * s)
    angle = np.arctan2(1.0, -slope)
    near = min(s, 1 - s) * length / (4 * b.bar)
    flat = np.pi if s < 0.5 else 0.0
    angle = flat + (angle - flat) * min(1.0, 0.5 + 0.5 * near) if near > 0 else flat
    return lower, lower + b.bar * np.array([np.cos(angle), np.sin(angle)])


def arches(blocks: Blocks, b: Bridge) -> None:
    """Add both arches, their hangers, and the struts between them."""
    stations = arch_stations(b)
    planes = [(y - b.bar / 2, y + b.bar / 2) for y in (b.lines[0], b.lines[-1])]
    n = b.cells
    for (low, high, cells), (low2, high2, _) in pairwise(stations):
        ring = [low, low2, high2, high]
        for y in planes:
            blocks.add(_between(ring, ring, y), (cells, n, n))
        at = (low[0] + low2[0]) / 2
        if np.abs(b.panel_points - at).min() < 1e-6:
            foot = [np.array([p[0], b.bar]) for p in (low, low2)]
            for y in planes:
                blocks.add(
                    _between([*foot, low2, low], [*foot, low2, low], y),
                    (n, n, b.number((low[1] - b.bar) / 1.2)),
                )
            if abs(at - b.span / 2) < 0.3 * b.span:
                inner = (planes[0][1], planes[1][0])
                blocks.add(_between(ring, ring, inner), (n, b.number(inner[1] - inner[0]), n))


def _between(near: Sequence[Point], far: Sequence[Point], y: tuple[float, float]) -> list[Point]:
    """Return the corners of a block between a quadrilateral in two planes y = constant.

    A quadrilateral is given by x and z of: lower start, lower end, upper end, upper start.
    """
    a, b, c, d = ([np.array([p[0], h, p[1]]) for h in y] for p in near)
    return [a[0], b[0], b[1], a[1], d[0], c[0], c[1], d[1]]


def write_mesh(path: Path, bridge: Bridge) -> Path:
    """Mesh a bridge and write it; the groups are ``steel``, ``rails``, ``left`` and ``right``."""
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        blocks = Blocks()
        deck(blocks, bridge)
        arches(blocks, bridge)
        blocks.write(path)
    finally:
        gmsh.finalize()
    return path


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if a != "--coarse"]
    file = Path(names[0] if names else "bridge.msh")
    write_mesh(file, COARSE if "--coarse" in sys.argv else Bridge())
