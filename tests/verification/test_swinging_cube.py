r"""A cube that swings in a mode of three dimensions, against its exact motion.

On the unit cube, with s_i = sin(pi x_i / 2) and c_i = cos(pi x_i / 2),

    u = U cos(omega t) (A s_1 c_2 c_3, B c_1 s_2 c_3, C c_1 c_2 s_3)

has div u = (pi / 2) (A + B + C) U cos(omega t) c_1 c_2 c_3 and each component the Laplacian
``-3 (pi / 2)^2 u_i``. Navier's ``rho u'' = (lambda + mu) grad div u + mu lap u`` holds with

    A + B + C = 0:  rho omega^2 = 3 (pi / 2)^2 mu,  a wave of shear,
    A = B = C:      rho omega^2 = 3 (pi / 2)^2 (lambda + 2 mu),  a wave of pressure (no curl).

On x_1 = 0 the normal displacement and the shear stresses ``mu (u_1,2 + u_2,1)`` vanish with s_1: a
face that slides. On x_1 = 1 the tangential displacements vanish with c_1, and so does the normal
stress ``lambda div u + 2 mu u_1,1``; likewise on the others (Aguirre, Gil, Bonet & Lee, J. Comput.
Phys. 300 (2015) 387, "swinging cube").
"""

from __future__ import annotations

import numpy as np
import pytest

from lipmat.fem.body import Body
from lipmat.fem.loads import Load, Motion
from lipmat.fem.mpi import MPI
from lipmat.fem.step import critical_step
from lipmat.materials.linear import LinearElastic
from tests.verification.runs import Array, advance, equal_steps, motion_of, places, vectors

YOUNG, POISSON, DENSITY = 17e6, 0.3, 1.1e3
AMPLITUDE = 5e-4  # [m]
COUNTS = (4, 8, 16)
WAVES = {"shear": (1.0, 1.0, -2.0), "pressure": (1.0, 1.0, 1.0)}
HELD: list[Load] = [
    Motion("x-min", (0, None, None)),
    Motion("y-min", (None, 0, None)),
    Motion("z-min", (None, None, 0)),
    Motion("x-max", (None, 0, 0)),
    Motion("y-max", (0, None, 0)),
    Motion("z-max", (0, 0, None)),
]


def mode(x: Array, wave: str) -> Array:
    s, c = np.sin(0.5 * np.pi * x), np.cos(0.5 * np.pi * x)
    shape = [s[:, i] * c[:, (i + 1) % 3] * c[:, (i + 2) % 3] for i in range(3)]
    return AMPLITUDE * np.array(WAVES[wave]) * np.stack(shape, axis=1)


def frequency(wave: str) -> float:
    shear = YOUNG / (2.0 * (1.0 + POISSON))
    lame = YOUNG * POISSON / ((1.0 + POISSON) * (1.0 - 2.0 * POISSON))
    modulus = shear if wave == "shear" else lame + 2.0 * shear
    return float(0.5 * np.sqrt(3.0) * np.pi * np.sqrt(modulus / DENSITY))


def error(cell: str, wave: str, count: int) -> float:
    """Root mean square error at the nodes after 1.1 periods, over that of the amplitude."""
    law = LinearElastic(YOUNG, POISSON)
    body = Body.box((1, 1, 1), (count,) * 3, cell, law, DENSITY, MPI.COMM_SELF)
    end = 1.1 * 2.0 * np.pi / frequency(wave)
    certificate = critical_step(body, "linearised")
    step, steps = equal_steps(end, certificate, 0.9)
    motion = motion_of(body, certificate, HELD)
    start = mode(places(body), wave)
    vectors(motion)[:] = start
    for _ in advance(motion, step, steps):
        pass
    exact = start * np.cos(frequency(wave) * end)
    return float(np.linalg.norm(vectors(motion) - exact) / np.linalg.norm(start))


@pytest.mark.parametrize("wave", WAVES)
@pytest.mark.parametrize("cell", ["hexahedron", "tetrahedron"])
def test_rate_of_convergence_is_two(cell: str, wave: str) -> None:
    """Halving cells and step divides the error by four, the second time within 2 ± 0.1."""
    errors = np.array([error(cell, wave, count) for count in COUNTS])
    rates = np.log2(errors[:-1] / errors[1:])
    assert rates == pytest.approx([2.0, 2.0], abs=0.25)
    assert rates[1] == pytest.approx(2.0, abs=0.1)
    assert errors[-1] <= 0.012
