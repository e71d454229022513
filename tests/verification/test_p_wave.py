"""A longitudinal wave in a bar, fixed at one end, against the exact solution."""

from __future__ import annotations

import numpy as np
import pytest

from lipmat.fem.body import Body
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.loads import Motion
from lipmat.fem.mpi import MPI
from lipmat.fem.step import critical_step
from tests.fem.laws import LAWS, law

DENSITY, LENGTH = 930.0, 1.0
COUNTS = (8, 16, 32)
STEPS = {"rubber": 8, "linear": 6}  # for each cell along the bar
AMPLITUDE = 1e-7  # [m]: what is not linear in a learned law is of this relative size


def error(name: str, count: int) -> float:
    """Root mean square error at the nodes after 1.1 periods, over the amplitude.

    The bar is held at x = 0, free at x = L, and without lateral motion: its strain is along x
    only, and waves run at ``sqrt((K + 4 G / 3) / rho)``. It starts at rest's displacement with the
    velocity of its first mode ``u = A sin(pi x / 2 L) sin(omega t)``.
    """
    side = LENGTH / count
    body = Body.box(
        (LENGTH, side, side), (count, 1, 1), "hexahedron", law(name), DENSITY, MPI.COMM_SELF
    )
    bulk, shear = law(name).rest_moduli()
    omega = np.pi / (2 * LENGTH) * np.sqrt((bulk + 4 * shear / 3) / DENSITY)
    x = body.space.tabulate_dof_coordinates()[:, 0]
    mode = np.sin(np.pi * x / (2 * LENGTH))
    velocity = np.zeros((len(x), 3))
    velocity[:, 0] = AMPLITUDE * omega * mode
    held = [Motion("x-min", (0, None, None))]
    held += [Motion(side, (None, 0, None)) for side in ("y-min", "y-max")]
    held += [Motion(side, (None, None, 0)) for side in ("z-min", "z-max")]
    wave = CentralDifference(body, held, velocity.ravel())
    end = 1.1 * 2 * np.pi / omega
    steps = STEPS[name] * count
    assert end / steps <= critical_step(body, "linearised").value
    for n in range(steps):
        wave.begin_step(end / steps)
        wave.finish_step(end / steps, end * (n + 1) / steps)
    found = wave.displacement.x.array.reshape(-1, 3)
    assert np.abs(found[:, 1:]).max() <= 1e-12 * AMPLITUDE
    exact = AMPLITUDE * mode * np.sin(omega * end)
    return float(np.sqrt(np.mean((found[:, 0] - exact) ** 2))) / AMPLITUDE


@pytest.mark.parametrize("name", LAWS)
def test_rate_of_convergence_is_two(name: str) -> None:
    """Halving cell size and step together divides the error by four, within rates of 2 ± 0.1."""
    errors = np.array([error(name, count) for count in COUNTS])
    rates = np.log2(errors[:-1] / errors[1:])
    assert rates == pytest.approx([2.0, 2.0], abs=0.1)
    assert errors[-1] <= 2e-3
