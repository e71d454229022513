"""Which cells set the step, and what mending them would gain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.fem.body import Array, Body
from lipmat.fem.estimates import shortest_edges
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.fem.order import cell_order, node_order, whole_mesh
from lipmat.fem.step import Step

# isort: split
from dolfinx.io.utils import cell_perm_vtk


def limiting_cell(body: Body, step: Step, own: Array) -> dict[str, Any]:
    """Return the cell that sets the step, as JSON values.

    Args:
        body: The body.
        step: Its certificate.
        own: Highest frequency of each owned cell by itself [rad/s].

    Returns:
        Its ``number`` in the mesh file, ``centre`` [m], ``size`` (shortest edge) [m], and
        ``limit``, the step that its own frequency allows at the certificate's level [s].
    """
    cell, centre = step.frequency.cell, list(step.frequency.centre)
    original = body.mesh.topology.original_cell_index[: len(own)]
    sizes = shortest_edges(body)
    here = [(float(sizes[i]), float(own[i])) for i in np.flatnonzero(original == cell)]
    size, omega = next(pair for pairs in body.comm.allgather(here) for pair in pairs)
    return {"number": cell, "centre": centre, "size": size, "limit": step.control.limit / omega}


def gain_by_mending(body: Body, own: Array, shares: Sequence[float]) -> list[dict[str, float]]:
    """Return how much longer the element limit were if the worst cells were as good as the next.

    Args:
        body: The body.
        own: Highest frequency of each owned cell by itself [rad/s].
        shares: Shares of the cells that are mended [-].

    Returns:
        For each share ``share``, ``cells`` (at least 1, at most all but one) and ``factor`` [-].
    """
    worst_first = np.sort(np.concatenate(body.comm.allgather(own)))[::-1]
    last = len(worst_first) - 1
    counts = [min(max(1, round(share * len(worst_first))), last) for share in shares]
    pairs = zip(shares, counts, strict=True)
    return [
        {"share": s, "cells": n, "factor": float(worst_first[0] / worst_first[n])} for s, n in pairs
    ]


def whole_in_vtk_order(body: Body, values: Array) -> tuple[Array, NDArray[np.int64], Array]:
    """Return nodes (n, 3) [m], cells in the order of VTK and their values; empty but on rank 0.

    Args:
        body: The body.
        values: One for each owned cell.
    """
    cells_in_order = cell_order(body.mesh)
    points, cells = whole_mesh(body.mesh, node_order(body.mesh), cells_in_order)
    nodes = cells[:, np.argsort(cell_perm_vtk(body.mesh.topology.cell_type, cells.shape[1]))]
    gathered = cells_in_order.gather(values)
    return points, nodes, np.empty(0) if gathered is None else gathered
