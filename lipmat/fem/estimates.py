"""The usual estimates of the critical step, to be shown beside the certificate.

Only ``element`` is a bound (Irons & Treharne, J. Strain Anal. 6 (1971)); ``edge_length``, the
shortest edge over the wave speed, is what many codes take times a safety factor, and is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import ufl
from numpy.typing import NDArray

from lipmat.fem.body import Body
from lipmat.fem.forms import is_gradient_bound, merged
from lipmat.fem.mpi import MPI

# isort: split
from dolfinx import fem

Array = NDArray[np.float64]
_CHUNK = 4096


def edge_length_estimate(body: Body) -> float:
    """Return the shortest edge over the wave speed of the law at rest [s], over all materials."""
    edges = _shortest_edges(body)
    value = np.inf
    for material, cells in zip(body.materials, body.cells, strict=True):
        bulk, shear = material.law.rest_moduli()
        speed = np.sqrt((bulk + 4 * shear / 3) / material.density)
        value = min(value, float(edges[cells].min(initial=np.inf)) / speed)
    return float(body.comm.allreduce(value, op=MPI.MIN))


def _shortest_edges(body: Body) -> Array:
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


def element_estimate(body: Body, bounds: Sequence[Mapping[str, float]]) -> float:
    """Return 2 over the highest frequency of any single cell under the bounds [s].

    Cells are uncoupled by a discontinuous space of the same shape functions, so forms, quadrature
    and lumping are those of the body.
    """
    scalar = all(is_gradient_bound(m.law) for m in body.materials)
    shape = ("DG", 1) if scalar else ("DG", 1, (3,))
    space = fem.functionspace(body.mesh, shape)
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    pairs = zip(body.forms, bounds, strict=True)
    stiffness = merged(f.reference(u, v, values) for f, values in pairs)
    lumped = fem.assemble_vector(fem.form(body.lumped_mass_form(space))).array
    matrices = [fem.assemble_matrix(fem.form(k)) for k in stiffness.values()]
    largest = _largest(space, [m.to_scipy().tocsr() for m in matrices], lumped)
    return float(2.0 / np.sqrt(body.comm.allreduce(largest, op=MPI.MAX)))


def _largest(space: fem.FunctionSpace, matrices: Sequence[Any], lumped: Array) -> float:
    """Return the largest eigenvalue of all diagonal blocks ``K_e x = w^2 M_e x``."""
    bs = space.dofmap.bs
    blocks = space.dofmap.list[:, :, None] * bs + np.arange(bs)
    dofs = blocks.reshape(len(blocks), -1)
    largest = 0.0
    for start in range(0, len(dofs), _CHUNK):
        rows = dofs[start : start + _CHUNK]
        k = sum(_block_diagonal(m, rows) for m in matrices)
        scale = 1.0 / np.sqrt(lumped[rows])
        whitened = scale[:, :, None] * k * scale[:, None, :]
        largest = max(largest, float(np.linalg.eigvalsh(whitened)[:, -1].max()))
    return largest


def _block_diagonal(matrix: Any, rows: NDArray[np.int64]) -> Array:
    """Return the blocks ``matrix[rows_e, rows_e]``, shape (n, k, k)."""
    n, k = rows.shape
    i = np.repeat(rows, k, axis=1).ravel()
    j = np.tile(rows, (1, k)).ravel()
    values: Array = np.asarray(matrix[i, j])
    return values.reshape(n, k, k)
