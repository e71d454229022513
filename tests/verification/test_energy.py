"""Energy and momentum of a free vibration at large strain."""

from __future__ import annotations

import numpy as np
import pytest

from lipmat.fem.audit import Audit
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.step import StepControl
from tests.fem.bodies import small_box
from tests.fem.laws import rubber


def vibration(cell: str, refine: int) -> tuple[float, float, float]:
    """Largest energy error, largest change of momentum and largest share of stored energy."""
    body = small_box(rubber(), cell)
    step = 0.5 * StepControl(body, "linearised", 1.0, 0).at((2,)).value / refine
    x = body.space.tabulate_dof_coordinates()
    bend = np.stack([np.sin(np.pi * x[:, 2]), 0.5 - x[:, 0], 0.2 + 0 * x[:, 0]], axis=1)
    motion = CentralDifference(body, (), 3.0 * bend.ravel())
    audit = Audit(body, motion)
    mass = body.mass.reshape(-1, 3)
    start = (mass * motion.velocity.reshape(-1, 3)).sum(axis=0)
    errors, changes, shares = [], [], []
    for n in range(400 * refine):
        motion.begin_step(step)
        account = audit.energies(step)
        motion.finish_step(step, (n + 1) * step)
        errors.append(abs(account.error))
        momentum = (mass * motion.velocity.reshape(-1, 3)).sum(axis=0)
        changes.append(np.linalg.norm(momentum - start) / np.linalg.norm(start))
        shares.append(account.stored / (account.stored + account.kinetic))
    return max(errors), max(changes), max(shares)


@pytest.mark.parametrize("cell", ["hexahedron", "tetrahedron"])
def test_energy_error_falls_with_the_square_of_the_step(cell: str) -> None:
    """The balance of kinetic (leapfrog) and stored energy at a step, its half and its quarter."""
    found = [vibration(cell, refine) for refine in (1, 2, 4)]
    errors, changes, shares = np.array(found).T
    assert errors[0] <= 1e-4
    assert errors[:-1] / errors[1:] == pytest.approx([4.0, 4.0], rel=0.15)
    assert changes.max() <= 1e-12
    assert shares.min() >= 0.1
