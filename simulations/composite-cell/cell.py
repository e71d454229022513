"""The cell: a cube of matrix with a stiff ellipsoid, meshed with the symmetry that it has.

Gmsh meshes the octant ``0 <= x, y, z <= 1/2`` of the cube about the origin; its eight reflections
fill the cube. So the mesh has the three symmetry planes of the geometry to the last bit, and the
effective law of the *discrete* cell is exactly orthotropic.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import basix.ufl
import gmsh
import numpy as np
from numpy.typing import NDArray

from lipmat.fem.mpi import MPI  # before dolfinx

# isort: split
from dolfinx import mesh
from dolfinx.io.gmsh import cell_perm_array

Array = NDArray[np.float64]
Cells = NDArray[np.int64]
MATRIX, INCLUSION = 1, 2
ROUNDING = 1e-9  # distance from a symmetry plane that is none, in cell edges
COARSER, REACH = 2.5, 0.3  # size far from the ellipsoid over that at it, and where far begins


@dataclass(frozen=True)
class Cell:
    """An ellipsoid in the middle of a unit cube about the origin, its axes along the edges.

    Attributes:
        semi_axes: of the ellipsoid along x, y, z, in cell edges.
    """

    semi_axes: tuple[float, float, float] = (0.42, 0.36, 0.20)

    @property
    def volume_fraction(self) -> float:
        """Share of the inclusion in the volume."""
        return float(4 / 3 * np.pi * np.prod(self.semi_axes))


def orthotropic_group() -> Array:
    """Return the eight products of the reflections in the axes' planes, shape (8, 3, 3)."""
    return np.array([np.diag(signs) for signs in product((1.0, -1.0), repeat=3)])


def cell_mesh(cell: Cell, size: float) -> tuple[mesh.Mesh, mesh.MeshTags]:
    """Return the mesh of the cube, ten-node tetrahedra, and the phase of each of its cells.

    Args:
        cell: the geometry.
        size: edge length of the tetrahedra at the ellipsoid, in cell edges; they grow away from it.
    """
    points, cells, phases = _octant(cell, size)
    points, cells = _mirrored(_snapped(points), cells)
    element = basix.ufl.element("Lagrange", "tetrahedron", 2, shape=(3,))
    cells = cells[:, cell_perm_array(mesh.CellType.tetrahedron, 10)]
    domain = mesh.create_mesh(MPI.COMM_SELF, cells, element, points)
    original = domain.topology.original_cell_index
    everywhere = np.arange(len(original), dtype=np.int32)
    return domain, mesh.meshtags(domain, 3, everywhere, np.tile(phases, 8)[original])


def _octant(cell: Cell, size: float) -> tuple[Array, Cells, NDArray[np.int32]]:
    """Return points (n, 3), ten-node tetrahedra (m, 10) in Gmsh's order, and phases (m,)."""
    gmsh.initialize(interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.option.setNumber("General.NumThreads", 1)
    try:
        phase_of = _octant_geometry(cell)
        _grade(phase_of, size)
        gmsh.model.mesh.generate(3)
        gmsh.model.mesh.setOrder(2)
        return _read_octant(phase_of)
    finally:
        gmsh.finalize()


def _octant_geometry(cell: Cell) -> dict[int, int]:
    """Build the octant cut by the ellipsoid; return the phase of each of its volumes."""
    occ = gmsh.model.occ
    box = [(3, occ.addBox(0, 0, 0, 0.5, 0.5, 0.5))]
    stiff = [(3, occ.addSphere(0, 0, 0, 1, angle1=0, angle2=np.pi / 2, angle3=np.pi / 2))]
    occ.dilate(stiff, 0, 0, 0, *cell.semi_axes)
    whole, parts = occ.fragment(box, stiff)
    occ.synchronize()
    inside = {tag for _, tag in parts[1]}
    return {tag: INCLUSION if tag in inside else MATRIX for _, tag in whole}


def _grade(phase_of: dict[int, int], size: float) -> None:
    """Let the tetrahedra grow with the distance from the ellipsoid, where the stress jumps."""
    sides = [_boundary([tag for tag, p in phase_of.items() if p == x]) for x in (MATRIX, INCLUSION)]
    field = gmsh.model.mesh.field
    distance, growth = field.add("Distance"), field.add("Threshold")
    field.setNumbers(distance, "SurfacesList", sorted(sides[0] & sides[1]))
    field.setNumber(distance, "Sampling", 40)
    settings = {"SizeMin": size, "SizeMax": COARSER * size, "DistMin": 0.0, "DistMax": REACH}
    for key, value in {"InField": distance, **settings}.items():
        field.setNumber(growth, key, value)
    field.setAsBackgroundMesh(growth)
    for rule in ("ExtendFromBoundary", "FromPoints", "FromCurvature"):
        gmsh.option.setNumber(f"Mesh.MeshSize{rule}", 0)


def _boundary(volumes: list[int]) -> set[int]:
    pairs = gmsh.model.getBoundary([(3, tag) for tag in volumes], oriented=False)
    return {abs(tag) for _, tag in pairs}


def _read_octant(phase_of: dict[int, int]) -> tuple[Array, Cells, NDArray[np.int32]]:
    ten_nodes = gmsh.model.mesh.getElementType("Tetrahedron", 2)
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    index = np.zeros(int(tags.max()) + 1, dtype=np.int64)
    index[tags] = np.arange(len(tags))
    cells, phases = [], []
    for volume, phase in phase_of.items():
        _, nodes = gmsh.model.mesh.getElementsByType(ten_nodes, volume)
        cells.append(index[nodes.astype(np.int64)].reshape(-1, 10))
        phases.append(np.full(len(cells[-1]), phase, dtype=np.int32))
    used, numbers = np.unique(np.concatenate(cells), return_inverse=True)
    points = coordinates.reshape(-1, 3)[used]
    return points, numbers.reshape(-1, 10), np.concatenate(phases)


def _snapped(points: Array) -> Array:
    """Return the points with those that lie on a plane of symmetry put there to the last bit."""
    return np.where(abs(points) < ROUNDING, 0.0, points)


def _mirrored(points: Array, cells: Cells) -> tuple[Array, Cells]:
    """Fill the cube with the reflections of the octant's mesh; nodes that meet become one."""
    group = orthotropic_group()
    copies = np.concatenate([points @ g.T for g in group]) + 0.0  # no negative zeros
    merged, where = np.unique(copies, axis=0, return_inverse=True)
    shifts = len(points) * np.arange(len(group))[:, None, None]
    return merged, where.reshape(-1)[(cells + shifts).reshape(-1, cells.shape[1])]
