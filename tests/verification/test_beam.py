"""Bending frequencies of a steel beam, 1 m x 0.05 m x 0.05 m, free and clamped at one end.

Euler and Bernoulli's slender beam has 265.83 Hz and 41.776 Hz. Timoshenko's, with shear and rotary
inertia (Phil. Mag. 41 (1921) 744; shear coefficient by Cowper, J. Appl. Mech. 33 (1966) 335), is
the reference for a solid of this thickness.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import brentq

from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.mpi import MPI
from lipmat.fem.step import critical_step
from lipmat.materials.linear import LinearElastic
from tests.verification.runs import advance, lowest_modes, motion_of, places, vectors

YOUNG, DENSITY, LENGTH, SIDE = 210e9, 7850.0, 1.0, 0.05
AREA, INERTIA = SIDE**2, SIDE**4 / 12.0
SLENDER = {"free": 4.7300407, "clamped": 1.8751041}  # first roots of Euler and Bernoulli's beam
RIGID = {"free": 6, "clamped": 0}  # modes below the first of bending


def slender(support: str) -> float:
    """Euler and Bernoulli's first frequency [Hz]."""
    wave = (SLENDER[support] / LENGTH) ** 2 * np.sqrt(YOUNG * INERTIA / (DENSITY * AREA))
    return float(wave / (2.0 * np.pi))


def timoshenko(support: str, poisson: float) -> float:
    """First frequency [Hz]: where the transfer of (deflection, turn, moment, force) fits the ends.

    w' = Q / kGA + psi, psi' = M / EI, M' = -Q - rho I omega^2 psi, Q' = -rho A omega^2 w; moments
    and forces are scaled by EI.
    """
    shear = YOUNG / (2.0 * (1.0 + poisson)) * 10.0 * (1.0 + poisson) / (12.0 + 11.0 * poisson)
    bending = YOUNG * INERTIA

    def mismatch(frequency: float) -> float:
        s = (2.0 * np.pi * frequency) ** 2 * DENSITY / bending
        system = np.zeros((4, 4))
        system[0, 1], system[0, 3] = 1.0, bending / (shear * AREA)
        system[1, 2], system[2, 3] = 1.0, -1.0
        system[2, 1], system[3, 0] = -s * INERTIA, -s * AREA
        transfer = expm(system * LENGTH)
        start = slice(0, 2) if support == "free" else slice(2, 4)
        return float(np.linalg.det(transfer[2:, start]))

    return float(brentq(mismatch, 0.9 * slender(support), slender(support), xtol=1e-9))


def beam(across: int, poisson: float, formulation: str = "selective") -> Body:
    size, cells = (LENGTH, SIDE, SIDE), (20 * across, across, across)
    grid = box(size, cells, "hexahedron", MPI.COMM_SELF)
    return Body(grid, [Material(LinearElastic(YOUNG, poisson), DENSITY)], formulation)


def first_mode(body: Body, support: str) -> tuple[float, np.ndarray]:
    """Frequency [Hz] and mode of the assembled forms and lumped mass."""
    clamped = np.repeat(places(body)[:, 0] < 1e-9, 3) & (support == "clamped")
    count = RIGID[support] + 2
    frequencies, modes = lowest_modes(body, count, clamped, 0.5 * slender(support))
    return float(frequencies[-2]), modes[:, -2]


@pytest.mark.parametrize(("support", "hertz"), [("free", 265.83), ("clamped", 41.776)])
def test_the_slender_beam(support: str, hertz: float) -> None:
    """The figures of the literature, and shear and rotary inertia below them by up to 1 %."""
    assert slender(support) == pytest.approx(hertz, abs=6e-3)
    assert 0.99 < timoshenko(support, 0.3) / slender(support) < 0.999


@pytest.mark.parametrize(
    ("support", "poisson", "tolerance"),
    [("free", 0.0, 3e-4), ("clamped", 0.0, 3e-4), ("free", 0.3, 1e-3)],
)
def test_frequency_against_timoshenko(support: str, poisson: float, tolerance: float) -> None:
    """Extrapolated from 3 and 6 hexahedra over the thickness, whose errors go with their square.

    The clamped beam has Poisson's ratio 0: at 0.3 a clamped end also stops the lateral strain,
    which beams know nothing of, and stands 0.3 % above.
    """
    coarse, fine = (first_mode(beam(across, poisson), support)[0] for across in (3, 6))
    exact = timoshenko(support, poisson)
    assert (4.0 * fine - coarse) / 3.0 == pytest.approx(exact, rel=tolerance)
    assert coarse > fine > exact
    assert fine == pytest.approx(exact, rel=3e-3)


@pytest.mark.parametrize("support", ["free", "clamped"])
def test_reduced_integration_swings_as_full_does(support: str) -> None:
    """Within 2 % with six hexahedra over the thickness, on the other side of the exact one."""
    names = ("full", "reduced")
    full, reduced = (first_mode(beam(6, 0.3, name), support)[0] for name in names)
    assert reduced < timoshenko(support, 0.3) < full
    assert reduced == pytest.approx(full, rel=0.02)


@pytest.mark.parametrize("level", ["linearised", "convex"])
def test_a_run_has_the_frequency_and_the_damping_of_the_theory(level: str) -> None:
    """From the free mode's deflection, five quarters of a period against the exact recurrence.

    A mode of frequency omega follows ``q+ - 2 q + q- = -x (q + beta (q - q-))``, x = (h omega)^2:
    it loses the factor ``sqrt(1 - beta x)`` a step, a damping ratio of ``beta h omega / 2``.
    """
    body = beam(2, 0.3)
    certificate = critical_step(body, level)
    hertz, mode = first_mode(body, "free")
    h, x = certificate.value, (2.0 * np.pi * hertz * certificate.value) ** 2
    steps = round(1.25 / (hertz * h))
    motion = motion_of(body, certificate, velocity=1e-3 * mode)
    weights = body.mass * mode
    found = [0.0]
    found += [float(weights @ vectors(motion).ravel()) for _ in advance(motion, h, steps)]
    beta = certificate.viscosity
    exact = [0.0, 1e-3 * h * float(weights @ mode)]
    for _ in range(1, steps):
        exact.append(2 * exact[-1] - exact[-2] - x * (exact[-1] + beta * (exact[-1] - exact[-2])))
    zero = next(i + a / (a - b) for i, (a, b) in enumerate(pairwise(found)) if a > 0 >= b)
    assert found == pytest.approx(exact, abs=1e-10 * max(exact))
    assert 0.5 / (zero * h) == pytest.approx(hertz, rel=1e-5)
