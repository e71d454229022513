"""What the closed-form references share: a run step by step, and the modes of a body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh

from lipmat.fem.body import Body
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.loads import Load
from lipmat.fem.matrix import local_reference
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.fem.step import Step
from tests.fem.tangents import tangent

# isort: split
from dolfinx import fem

Array = NDArray[np.float64]


def motion_of(
    body: Body, certificate: Step, loads: Sequence[Load] = (), velocity: Array | None = None
) -> CentralDifference:
    """Return the motion of a body from rest or a velocity (nodes, 3) or (components,) [m/s]."""
    start = np.zeros(body.owned) if velocity is None else np.ravel(velocity)
    return CentralDifference(body, loads, start, certificate.viscosity, certificate.control.walls)


def advance(motion: CentralDifference, step: float, steps: int) -> Iterator[int]:
    """Make equal steps from the start; yield their number after each."""
    for n in range(1, steps + 1):
        motion.begin_step(step)
        motion.finish_step(step, n * step)
        yield n


def equal_steps(end: float, certificate: Step, share: float = 1.0) -> tuple[float, int]:
    """Return the largest step that divides a time, and the number of steps, within a share."""
    steps = int(np.ceil(end / (share * certificate.value)))
    return end / steps, steps


def places(body: Body) -> Array:
    """Return the nodes' places, shape (nodes, 3) [m]."""
    out: Array = body.space.tabulate_dof_coordinates()
    return out


def vectors(motion: CentralDifference) -> Array:
    """Return the nodes' displacements, shape (nodes, 3) [m]."""
    out: Array = motion.displacement.x.array.reshape(-1, 3)
    return out


def stiffness(body: Body) -> sp.csr_matrix:
    """Return the tangent at rest of the forms that a run integrates [N/m]."""
    k = tangent(body, fem.Function(body.space))
    return sp.csr_matrix(0.5 * (k + k.T))


def lowest_modes(
    body: Body, count: int, held: NDArray[np.bool_], near: float
) -> tuple[Array, Array]:
    """Return the frequencies [1/s], rising, and modes (components, count) of the assembled forms.

    Args:
        body: The body.
        count: Number of modes.
        held: Components that do not move.
        near: A frequency below the first that is sought [1/s], so that no factor is singular.
    """
    free = ~held
    k, m = stiffness(body)[free][:, free].tocsc(), sp.diags(body.mass[free]).tocsc()
    start = np.random.default_rng(0).standard_normal(free.sum())
    squares, found = eigsh(k, count, m, sigma=-((2 * np.pi * near) ** 2), v0=start)
    order = np.argsort(squares)
    modes = np.zeros((len(free), count))
    modes[free] = found[:, order]
    return np.sqrt(np.abs(squares[order])) / (2 * np.pi), modes


def reference_matrix(body: Body) -> Array:
    """Return the bounding operator K0 of laws whose bound holds everywhere, dense [N/m]."""
    weights = []
    for material, forms in zip(body.materials, body.forms, strict=True):
        bounds = forms.bound_constants()
        for name, value in material.law.bound().rungs[-1].tangent.items():
            bounds[name].value = np.array(value)
        weights.append(bounds)
    return np.array(local_reference(body, body.space, weights).todense())
