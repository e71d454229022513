"""Bodies and reference values that several tests share."""

from __future__ import annotations

from pathlib import Path

import gmsh
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

from lipmat.fem.body import Body, Material
from lipmat.fem.eigenvalue import ReferenceOperator
from lipmat.fem.grid import Grid, box, read_grid
from lipmat.fem.mpi import MPI
from lipmat.materials.law import Law

# isort: split
from dolfinx import fem, la

Array = NDArray[np.float64]


def distorted(grid: Grid, share: float = 0.15, seed: int = 0) -> Grid:
    """Return the box, its nodes moved at random by up to a share of a cell of a third."""
    x = grid.mesh.geometry.x
    x += np.random.default_rng(seed).uniform(-share / 3, share / 3, x.shape)
    return grid


def small_box(
    law: Law, cell: str, cells: int = 3, distort: bool = False, formulation: str = "selective"
) -> Body:
    """Return a unit cube of rubber's density."""
    grid = box((1, 1, 1), (cells,) * 3, cell, MPI.COMM_SELF)
    return Body(distorted(grid) if distort else grid, [Material(law, 930.0)], formulation)


def ball(law: Law, folder: Path, size: float, slivers: bool = False) -> Body:
    """Return a unit ball meshed by Gmsh with tetrahedra of a size [m].

    With slivers the mesh is left as the Delaunay algorithm makes it, without optimisation.
    """
    path = folder / "ball.msh"
    gmsh.initialize(interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    try:
        tag = gmsh.model.occ.addSphere(0, 0, 0, 1)
        gmsh.model.occ.synchronize()
        gmsh.model.addPhysicalGroup(3, [tag], name="body")
        gmsh.option.setNumber("Mesh.MeshSizeMax", size)
        gmsh.option.setNumber("Mesh.MeshSizeMin", size)
        gmsh.option.setNumber("Mesh.Optimize", 0 if slivers else 1)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(path))
    finally:
        gmsh.finalize()
    return Body(read_grid(path, MPI.COMM_SELF), [Material(law, 930.0)])


class Force:
    """The internal force [N] of a body on one rank as a function of its displacement."""

    def __init__(self, body: Body) -> None:
        self.u = fem.Function(body.space)
        self._assemble = body.internal_force(self.u)
        self._out = la.vector(body.space.dofmap.index_map, 3)

    def __call__(self, u: Array) -> Array:
        self.u.x.array[:] = u
        self._assemble(self._out)
        return np.array(self._out.array)

    def tangent(self, u: Array, difference: float = 1e-5) -> Array:
        """Return the derivative at u by central differences, symmetrised, shape (n, n)."""
        columns = [self(u + difference * e) - self(u - difference * e) for e in np.eye(len(u))]
        k = np.array(columns) / (2 * difference)
        return 0.5 * (k + k.T)


def exact_frequency_of_the_bound(body: Body) -> float:
    """Return the highest frequency [rad/s] of K(C0) over the lumped mass, by ARPACK."""
    operator = ReferenceOperator(body)
    operator.set_bounds([m.law.bound().rungs[-1].tangent for m in body.materials])
    scale = 1.0 / np.sqrt(operator.mass)
    size = len(scale)
    whitened = LinearOperator((size, size), lambda x: scale * operator.apply(scale * x.ravel()))
    start = np.random.default_rng(0).standard_normal(size)
    found = eigsh(whitened, 1, which="LA", tol=1e-12, v0=start, return_eigenvectors=False)
    return float(np.sqrt(found[0]))


def exact_frequency(body: Body) -> float:
    """Return the highest frequency [rad/s] of a linear body as it is run: force and lumped mass."""
    force, scale = Force(body), 1.0 / np.sqrt(body.mass)
    size = len(scale)
    operator = LinearOperator((size, size), lambda x: scale * force(scale * x.ravel()))
    start = np.random.default_rng(0).standard_normal(size)
    found = eigsh(operator, 1, which="LA", tol=1e-12, v0=start, return_eigenvectors=False)
    return float(np.sqrt(found[0]))
