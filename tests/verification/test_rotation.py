"""Objectivity over a long run: the angular momentum of a spinning block of rubber."""

from __future__ import annotations

import numpy as np

from lipmat.fem.integrator import CentralDifference
from lipmat.fem.step import StepControl
from tests.fem.bodies import small_box
from tests.fem.laws import rubber

STEPS = 10_000


def test_angular_momentum_of_a_spinning_block() -> None:
    """About the origin, ``sum m (X + u_n) x v_{n+1/2}``, over 10,000 steps against its start.

    Central difference conserves it exactly where internal forces have no moment, since u_{n+1} -
    u_n is parallel to v_{n+1/2}; what drifts is rounding, or a law that is not objective.
    """
    body = small_box(rubber(), "hexahedron")
    step = 0.9 * StepControl(body, "linearised", 1.0, 0).at((3,)).value
    x = body.space.tabulate_dof_coordinates()
    spin = np.array([3.0, -2.0, 12.0])  # [rad/s]
    velocity = np.array([1.0, 2.0, -1.0]) + np.cross(spin, x - 0.5)
    block = CentralDifference(body, (), velocity.ravel())
    mass = body.mass.reshape(-1, 3)
    momenta, largest = [], 0.0
    for n in range(STEPS):
        block.begin_step(step)
        block.finish_step(step, (n + 1) * step)
        if n % 100 == 0:
            u, v = block.displacement.x.array.reshape(-1, 3), block.velocity.reshape(-1, 3)
            momenta.append(np.cross(x + u, mass * v).sum(axis=0))
            places = x + u
            largest = max(largest, np.ptp(places, axis=0).max())
    drift = np.linalg.norm(np.array(momenta) - momenta[0], axis=1) / np.linalg.norm(momenta[0])
    turns = np.linalg.norm(spin) * block.time / (2 * np.pi)
    assert drift.max() <= 1e-9
    assert turns > 3
