"""The usual estimates of the critical step, to be shown beside the certificate, and cells' limits.

``element`` (Irons & Treharne, J. Strain Anal. 6 (1971)) and ``collatz_wielandt`` are bounds;
``edge_length``, the shortest edge over the wave speed, is what many codes take times a safety
factor, and is none. All three are ``2 / omega``: without viscosity, linear stability.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.fem.body import Body
from lipmat.fem.eigenvalue import Bounds
from lipmat.fem.forms import suits_scalars
from lipmat.fem.matrix import local_reference
from lipmat.fem.mpi import MPI

# isort: split
from dolfinx import fem, la

Array = NDArray[np.float64]
_CHUNK = 4096
_COLLATZ_STEPS = 60


def edge_length_estimate(body: Body) -> float:
    """Return the shortest edge over the wave speed of the law at rest [s], over all materials."""
    edges = shortest_edges(body)
    value = np.inf
    for material, cells in zip(body.materials, body.cells, strict=True):
        bulk, shear = material.law.rest_moduli()
        speed = np.sqrt((bulk + 4 * shear / 3) / material.density)
        value = min(value, float(edges[cells].min(initial=np.inf)) / speed)
    return float(body.comm.allreduce(value, op=MPI.MIN))


def shortest_edges(body: Body) -> Array:
    """Return the shortest edge of each owned cell [m]."""
    mesh = body.mesh
    corners = mesh.geometry.x[mesh.geometry.dofmap]
    pairs = {
        "tetrahedron": [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)],
        "hexahedron": [
            *((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3)),
            *((4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7)),
        ],
    }[str(mesh.topology.cell_name())]
    lengths = [np.linalg.norm(corners[:, a] - corners[:, b], axis=1) for a, b in pairs]
    out: Array = np.minimum.reduce(lengths)
    return out


def element_estimate(body: Body, bounds: Bounds) -> float:
    """Return 2 over the highest frequency of any single cell under the bounds [s]."""
    largest = float(cell_limits(body, bounds).max(initial=0.0))
    return 2.0 / float(body.comm.allreduce(largest, op=MPI.MAX))


def cell_limits(body: Body, bounds: Bounds) -> Array:
    """Return the highest frequency of each owned cell by itself under the bounds [rad/s].

    The largest of them bounds the body's. Cells are uncoupled by a discontinuous space of the same
    shape functions, so forms, quadrature and lumping are those of the body.

    Args:
        body: The body.
        bounds: Bound of every part of every material [Pa].
    """
    shape = ("DG", 1) if _is_scalar(body) else ("DG", 1, (3,))
    space = fem.functionspace(body.mesh, shape)
    lumped = fem.assemble_vector(fem.form(body.lumped_mass_form(space))).array
    return _frequencies(space, _stiffness(body, space, bounds), lumped)


def collatz_wielandt_estimate(body: Body, bounds: Bounds) -> float:
    """Return 2 over a bound of the highest frequency from the sizes of K0's entries [s].

    With ``S = M^{-1/2} K0 M^{-1/2}`` and any positive x, ``lambda_max(S) <= max_i (|S| x)_i / x_i``
    (Collatz, Math. Z. 48 (1942); Wielandt, Math. Z. 52 (1950)); x comes from a power iteration on
    ``|S|``. Ranks add the sizes of their own parts, which can only raise the bound.
    """
    space = fem.functionspace(body.mesh, ("Lagrange", 1)) if _is_scalar(body) else body.space
    entries = abs(_stiffness(body, space, bounds))
    mass = la.vector(space.dofmap.index_map, space.dofmap.bs)
    fem.assemble_vector(mass.array, fem.form(body.lumped_mass_form(space)))
    mass.scatter_reverse(la.InsertMode.add)
    mass.scatter_forward()
    scale = 1.0 / np.sqrt(mass.array)
    x = la.vector(space.dofmap.index_map, space.dofmap.bs)
    x.array[:] = 1.0
    owned = space.dofmap.index_map.size_local * space.dofmap.bs
    bound = np.inf
    for _ in range(_COLLATZ_STEPS):
        before = x.array[:owned].copy()
        x.array[:] = scale * (entries @ (scale * x.array))
        x.scatter_reverse(la.InsertMode.add)
        largest = float((x.array[:owned] / before).max(initial=0.0))
        bound = min(bound, body.comm.allreduce(largest, op=MPI.MAX))
        x.array[:owned] = np.maximum(x.array[:owned] / bound, 1e-12 * before)
        x.scatter_forward()
    return float(2.0 / np.sqrt(bound))


def _is_scalar(body: Body) -> bool:
    return all(suits_scalars(m.law) for m in body.materials)


def _stiffness(body: Body, space: fem.FunctionSpace, bounds: Bounds) -> Any:
    """Return this rank's part of K0 in a space."""
    weights = [forms.bound_constants() for forms in body.forms]
    for constants, values in zip(weights, bounds, strict=True):
        for name, constant in constants.items():
            constant.value = np.array(values[name])
    return local_reference(body, space, weights)


def _frequencies(space: fem.FunctionSpace, matrix: Any, lumped: Array) -> Array:
    """Return the square root of the largest eigenvalue of each ``K_e x = w^2 M_e x``."""
    bs = space.dofmap.bs
    blocks = space.dofmap.list[:, :, None] * bs + np.arange(bs)
    dofs = blocks.reshape(len(blocks), -1)
    out = np.zeros(len(dofs))
    for start in range(0, len(dofs), _CHUNK):
        rows = dofs[start : start + _CHUNK]
        k = _block_diagonal(matrix, rows)
        scale = 1.0 / np.sqrt(lumped[rows])
        whitened = scale[:, :, None] * k * scale[:, None, :]
        out[start : start + _CHUNK] = np.sqrt(np.linalg.eigvalsh(whitened)[:, -1])
    return out


def _block_diagonal(matrix: Any, rows: NDArray[np.int64]) -> Array:
    """Return the blocks ``matrix[rows_e, rows_e]``, shape (n, k, k)."""
    n, k = rows.shape
    i = np.repeat(rows, k, axis=1).ravel()
    j = np.tile(rows, (1, k)).ravel()
    values: Array = np.asarray(matrix[i, j])
    return values.reshape(n, k, k)
