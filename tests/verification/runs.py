"""What the closed-form references share: a run step by step, and the modes of a body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh

from lipmat.fem.body import Body
from lipmat.fem.forms import over_body
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.loads import Load
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.fem.step import Step

# isort: split
import ufl
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
    u, v = fem.Function(body.space), ufl.TestFunction(body.space)
    forms = over_body((f, f.internal_force(u, v)) for f in body.forms)
    tangents = [fem.form(ufl.derivative(form, u)) for form in forms]
    k = sum(fem.assemble_matrix(tangent).to_scipy() for tangent in tangents)
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
    u, v = ufl.TrialFunction(body.space), ufl.TestFunction(body.space)
    parts = []
    for material, forms in zip(body.materials, body.forms, strict=True):
        bounds = forms.bound_constants()
        for name, value in material.law.bound().rungs[-1].tangent.items():
            bounds[name].value = np.array(value)
        parts.append((forms, forms.reference(u, v, bounds)))
    matrices = [fem.assemble_matrix(fem.form(form)) for form in over_body(parts)]
    return np.array(sum(matrix.to_dense() for matrix in matrices))
