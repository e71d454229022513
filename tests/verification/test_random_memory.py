"""Random laws with memory at the step of ``convex``: V plus what was dissipated never rises.

The theorem is that of elastic laws, with the energy of the springs at the present history for the
stored one (docs/theory/memory.md). One architecture, so that one compiled kernel serves all laws.
"""

from __future__ import annotations

import numpy as np
import pytest

from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.lyapunov import LyapunovCheck
from lipmat.fem.mpi import MPI
from lipmat.fem.step import critical_step
from lipmat.materials.maxwell import Maxwell
from tests.verification.runs import motion_of

LAWS, STEPS, CELLS = 100, 100, 3
BRANCHES, KNOTS = 2, 3


def random_law(seed: int) -> Maxwell:
    """Return stiff springs that flow fast or slowly, at once or past a threshold, and harden."""
    rng = np.random.default_rng(seed)
    yields = 10.0 ** rng.uniform(-3, -1, (BRANCHES, 1))
    shear = 10.0 ** rng.uniform(5, 6, BRANCHES)
    knots = np.cumsum(rng.uniform(0.0, 1.0, (BRANCHES, KNOTS)), axis=1) - rng.choice([0.0, 1e-3])
    strength = 2 * shear[:, None] * yields * rng.uniform(0.5, 2.0, (BRANCHES, 3))
    return Maxwell(
        shear,
        np.abs(knots),
        10.0 ** rng.uniform(-3, 6, (BRANCHES, KNOTS)),
        strength,
        [0.0, 0.01, 0.1],
        bulk_modulus=10.0 ** rng.uniform(5, 6.5),
    )


@pytest.fixture(scope="module")
def law() -> Maxwell:
    """One law whose arrays the tests replace, so that it is traced and compiled once."""
    return random_law(0)


def test_energy_and_dissipation_never_grow(law: Maxwell) -> None:
    """Graded boxes thrown into free motion: no rise of V, and dissipation that only grows."""
    dissipating = 0
    for seed in range(LAWS):
        for name, values in random_law(seed).arrays().items():
            getattr(law, name).copy_(values)
        law.__dict__.pop("_bound", None)
        check, lost = thrown(law, seed)
        assert check.pairs == STEPS - 2
        assert check.largest_rise <= 1e-12
        assert (np.diff(lost) >= 0).all()
        dissipating += lost[-1] > 0.01 * lost.max() > 0
    assert dissipating == LAWS


def thrown(law: Maxwell, seed: int) -> tuple[LyapunovCheck, np.ndarray]:
    """Return the check of a run from a random velocity, and the dissipated energies [J]."""
    rng = np.random.default_rng([seed, 1])
    grid = box((1, 1, 1), (CELLS,) * 3, "hexahedron", MPI.COMM_SELF)
    edges = rng.uniform(0.25, 1.0, (3, CELLS))
    planes = np.concatenate([np.zeros((3, 1)), np.cumsum(edges, axis=1)], axis=1)
    x = grid.mesh.geometry.x
    for axis in range(3):
        x[:, axis] = planes[axis][np.rint(CELLS * x[:, axis]).astype(int)]
    body = Body(grid, [Material(law, 930.0)])
    certificate = critical_step(body)
    assert certificate.level == "convex"
    h, speed = certificate.value, 10.0 ** rng.uniform(-2, 0) * certificate.frequency.omega / 10
    shape = rng.standard_normal(body.owned) * np.sqrt(body.mass.mean() / body.mass)
    motion = motion_of(body, certificate, velocity=speed * shape)
    check, energy, lost = LyapunovCheck(body, motion, certificate), None, []
    energy = body.dissipated_energy(motion.memory, at_end=True)
    for n in range(STEPS):
        motion.begin_step(h)
        if n:
            check.check(h)
        lost.append(energy())
        motion.finish_step(h, (n + 1) * h)
    return check, np.array(lost)
