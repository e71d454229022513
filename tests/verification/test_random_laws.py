r"""Random learned laws on random graded meshes: what the levels prove, step by step.

With A = h^2 K0, increments Delta = u_{n+1} - u_n and D = u_{n+1} - 2 u_n + u_{n-1}, and
phi = h^2 U, 0 at its minimum, the function of the level ``convex`` is (theory, section 4)

    V_n = phi_n + 1/2 |Delta|_M^2 + beta/2 (|D|_M^2 - beta |D|_A^2)
          - 1/2 ((Delta, D)_M - beta^2 (Delta, D)_A).

**Bound of the energy.** Let ``E_n = phi_n + 1/2 |Delta|_M^2``. Convexity and ``phi'' <= A`` give
``phi >= 1/2 |g|^2`` in the norm of the inverse of A, and the scheme is ``g = -M D - beta A (Delta -
D)``. With a share t = 1 - c of phi replaced by this, in each mode of (A, M), x = (h omega_j)^2,

    V - c E >= a delta^2 + 2 b delta d + e d^2,     r = 1 - beta x,
    a = (1 - c) (1 + beta^2 x) / 2,
    b = t beta r / 2 - (1 - beta^2 x) / 4,
    e = beta r / 2 + t r^2 / (2 x).

As long as a, e >= 0 and b^2 <= a e for all x up to the limit, ``c E_n <= V_n <= ... <= V_1``. The
largest such c is 0.188 at beta = 0.245: no energy is ever above 5.3 times the first V.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.optimize import brentq

from lipmat.fem.body import Body, Material
from lipmat.fem.grid import box
from lipmat.fem.mpi import MPI
from lipmat.fem.step import BEST_VISCOSITY, Step, critical_step, limit
from lipmat.materials.principal_values import PrincipalValues
from tests.verification.random_laws import STRAIN, random_law
from tests.verification.runs import motion_of, reference_matrix

LAWS, STEPS, CELLS = 200, 100, 3


@pytest.fixture(scope="module")
def law() -> Iterator[PrincipalValues]:
    """One law whose arrays the tests replace; it is traced once, and its bound not sampled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrincipalValues, "largest_sampled_ratio", lambda self: 0.0)
        yield random_law(0)


def random_body(law: PrincipalValues, seed: int, convex: bool) -> Body:
    """Give the law random arrays and a box of cells whose edges differ by up to four times."""
    for name, values in random_law(seed, convex).arrays().items():
        getattr(law, name).copy_(values)
    law.__dict__.pop("_bound", None)
    grid = box((1, 1, 1), (CELLS,) * 3, "hexahedron", MPI.COMM_SELF)
    edges = np.random.default_rng([seed, 1]).uniform(0.25, 1.0, (3, CELLS))
    planes = np.concatenate([np.zeros((3, 1)), np.cumsum(edges, axis=1)], axis=1)
    x = grid.mesh.geometry.x
    for axis in range(3):
        x[:, axis] = planes[axis][np.rint(CELLS * x[:, axis]).astype(int)]
    return Body(grid, [Material(law, 930.0)])


class Run:
    """Stored energy, velocities and increments of a free run from a random velocity."""

    def __init__(self, body: Body, certificate: Step, seed: int, share: float = 1.0) -> None:
        h = share * certificate.value
        rng = np.random.default_rng([seed, 2])
        shape = rng.standard_normal(body.owned) * np.sqrt(body.mass.mean() / body.mass)
        speed = STRAIN * rng.choice([1.0, 3.0, 10.0]) * certificate.frequency.omega / 10
        motion = motion_of(body, certificate, velocity=speed * shape)
        energy = body.stored_energy(motion.displacement)
        stored, velocity = [], []
        for n in range(STEPS):
            stored.append(energy())
            motion.begin_step(h)
            motion.finish_step(h, (n + 1) * h)
            velocity.append(motion.velocity.copy())
        self.stored, v = np.array(stored), np.array(velocity)
        self.kinetic = 0.5 * (v * v) @ body.mass
        mass, beta = np.diag(body.mass), certificate.viscosity
        stiff = h**2 * reference_matrix(body)
        jump = v[1:] - v[:-1]
        quadratic = 0.5 * beta * np.einsum("ni,ij,nj->n", jump, mass - beta * stiff, jump)
        mixed = 0.5 * np.einsum("ni,ij,nj->n", v[1:], mass - beta**2 * stiff, jump)
        self.lyapunov = self.stored[1:] + self.kinetic[1:] + quadratic - mixed
        """V over h^2, from the second step on [J]."""
        self.ahead = self.stored + self.kinetic
        """Stored energy with the kinetic energy half a step ahead: E over h^2 [J]."""
        self.behind = self.stored[1:] + self.kinetic[:-1]
        """Stored energy with the kinetic energy half a step back [J]."""


def share_of_energy(beta: float) -> float:
    """The largest c of the bound ``c E <= V`` at a viscosity."""
    x = np.linspace(1e-6, 1.0, 4001) * limit("convex", beta) ** 2
    r = 1.0 - beta * x

    def margin(c: float) -> float:
        a = 0.5 * (1.0 - c) * (1.0 + beta**2 * x)
        b = 0.5 * (1.0 - c) * beta * r - 0.25 * (1.0 - beta**2 * x)
        e = 0.5 * beta * r + (1.0 - c) * r**2 / (2.0 * x)
        return float((a * e - b * b).min())

    return float(brentq(margin, 1e-9, 1.0 - 1e-9))


def run_of(law: PrincipalValues, seed: int, convex: bool, share: float = 1.0) -> Run:
    """A run at the default level of the law, at a share of its step."""
    body = random_body(law, seed, convex)
    certificate = critical_step(body)
    assert law.convex == convex
    assert certificate.level == ("convex" if convex else "energy")
    return Run(body, certificate, seed, share)


def test_convex_laws_at_convex(law: PrincipalValues) -> None:
    """No rise of V in any step; energy below ``V_1 / c`` always, V above ``c E``."""
    c = share_of_energy(BEST_VISCOSITY["convex"])
    assert c == pytest.approx(0.188, abs=1e-3)
    for seed in range(LAWS):
        run = run_of(law, seed, convex=True)
        v, e = run.lyapunov, run.ahead[1:]
        assert (np.diff(v) / v[:-1]).max() <= 1e-13
        assert e.max() <= v[0] / c
        assert (v / e).min() >= c
        assert e.max() <= 1.5 * e[0]  # what was found, 1.28, is far from the bound


def test_nonconvex_laws_at_energy(law: PrincipalValues) -> None:
    """No rise of stored plus kinetic energy in any step, though most laws pass their peaks."""
    below_rest = 0
    for seed in range(LAWS):
        run = run_of(law, seed, convex=False)
        size = np.abs(run.stored[1:-1]) + run.kinetic[:-2]
        assert (np.diff(run.behind) / size).max() <= 1e-13
        below_rest += run.stored.min() < 0.0
    assert below_rest >= LAWS // 2


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize(("convex", "share"), [(True, 1.15), (False, 1.4)])
def test_longer_steps_break_what_is_proved(
    law: PrincipalValues, convex: bool, share: float
) -> None:
    """So that the tests above can fail; at ``energy`` the laws' own tangents leave more room."""
    risen = 0
    for seed in range(10):
        run = run_of(law, seed, convex, share)
        v = run.lyapunov if convex else run.behind
        risen += not (np.diff(v) <= 1e-3 * v[0]).all()
    assert risen >= 3
