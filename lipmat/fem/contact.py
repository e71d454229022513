"""Frictionless contact of a surface group with a rigid wall, by a nodal penalty.

A node i of the group that is p > 0 inside the wall stores ``k_i p^2 / 2``. Of the Hessian of this
potential the certificates need an upper bound, ``k_i`` on the components that the normal can have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.fem.body import Array, Body
from lipmat.fem.mpi import MPI
from lipmat.fem.surface import nodal_areas
from lipmat.fem.wall import Cylinder, Plane, Wall

__all__ = ["BoundWall", "Cylinder", "Plane", "Wall", "bind"]
DEFAULT_SHARE = 0.1  # of m_i omega^2: costs at most 1 - 1/sqrt(1.1) = 4.7 % of the step
OVERLAP = 1e-6  # of the body's extent: what a body may be inside a wall at the start


class BoundWall:
    """A wall and the nodes of a body that may touch it.

    Args:
        body: The body.
        wall: The wall.
        nodes: Owned nodes of its group.
        stiffness: At these nodes [N/m].

    Attributes:
        wall: The wall.
        convex: Whether its potential is convex.
        nodal_stiffness: At the owned displacement components; bounds the Hessian [N/m].
        resultant: Force of the wall on the body at the last :meth:`force`, this rank's part [N].
    """

    def __init__(self, body: Body, wall: Wall, nodes: NDArray[np.int64], stiffness: Array) -> None:
        self.wall, self.convex = wall, wall.shape.convex
        self._nodes, self._stiffness = nodes, stiffness
        self._rest = body.places[nodes]
        self.nodal_stiffness: Array = np.zeros(body.owned)
        by_node = self.nodal_stiffness.reshape(-1, 3)
        by_node[nodes] = stiffness[:, None] * wall.shape.directions()
        self.resultant: Array = np.zeros(3)

    def translation(self, time: float) -> Array:
        """Return where the wall has moved to [m], shape (3,)."""
        if self.wall.translation is None:
            return np.zeros(3)
        return np.asarray(self.wall.translation(time), dtype=np.float64)

    def depth(self, displacement: Array, time: float) -> tuple[Array, Array]:
        """Return how deep the nodes are inside the wall, at least 0 [m], and the normals."""
        place = self._rest + displacement.reshape(-1, 3)[self._nodes]
        if self.wall.translation is not None:
            place -= self.translation(time)
        gap, normal = self.wall.shape.gap(place)
        return np.maximum(-gap, 0.0), normal

    def force(self, displacement: Array, time: float, out: Array) -> None:
        """Add the forces on the body [N].

        Args:
            displacement: Of the owned components [m].
            time: [s].
            out: Owned components, added to.
        """
        depth, normal = self.depth(displacement, time)
        push = (self._stiffness * depth)[:, None] * normal
        out.reshape(-1, 3)[self._nodes] += push
        self.resultant = push.sum(axis=0)

    def energy(self, displacement: Array, time: float) -> float:
        """Return what the penalty of this rank's nodes stores [J]."""
        depth, _ = self.depth(displacement, time)
        return 0.5 * float(depth @ (self._stiffness * depth))

    def half_work(self, start: float, end: float) -> float:
        """Return half the work of the wall as it moves from one time to another [J].

        It is the last resultant times half the way, positive where the wall pushes the body: with
        the resultants of both times the trapezoidal rule, an entry among the external work.
        """
        if self.wall.translation is None:
            return 0.0
        return 0.5 * float(self.resultant @ (self.translation(end) - self.translation(start)))


def bind(body: Body, wall: Wall, omega: float) -> BoundWall:
    """Return the wall with the nodes of a body that may touch it.

    Args:
        body: The body.
        wall: The wall.
        omega: The body's highest frequency without walls, for a default stiffness [rad/s]. That
            stiffness raises the square of the frequency by a tenth at most, since
            ``lambda_max(K0 + D) <= lambda_max(K0) + max k_i/m_i``.

    Raises:
        InputError: An unknown group, or a body that starts inside the wall.
    """
    areas = nodal_areas(body, wall.on)
    nodes = np.flatnonzero(areas > 0.0)
    if wall.stiffness is None:
        stiffness = DEFAULT_SHARE * omega**2 * body.mass[: body.owned : 3][nodes]
    else:
        stiffness = wall.stiffness * areas[nodes]
    bound = BoundWall(body, wall, nodes, stiffness)
    _check_start(body, bound)
    return bound


def _check_start(body: Body, bound: BoundWall) -> None:
    """Raise if the body is inside the wall by more than what rounding explains."""
    x = body.mesh.geometry.x
    ends = np.concatenate([x.max(axis=0, initial=-np.inf), -x.min(axis=0, initial=np.inf)])
    body.comm.Allreduce(MPI.IN_PLACE, ends, op=MPI.MAX)
    depth, _ = bound.depth(np.zeros(body.owned), 0.0)
    deepest = body.comm.allreduce(float(depth.max(initial=0.0)), op=MPI.MAX)
    if deepest > OVERLAP * float(np.max(ends[:3] + ends[3:])):
        raise InputError(
            f"wall on {bound.wall.on!r}: found the body {deepest:.3g} m inside it at the start, "
            "expected it outside: move the wall, or turn its normal towards the body"
        )
