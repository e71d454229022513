"""An elastic bar meets a rigid wall at speed v: stress rho c v for a time 2 L / c, rebound at v."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from lipmat.fem.step import critical_step
from lipmat.fem.wall import Plane, Wall
from tests.verification.bars import DENSITY, GUIDES, LENGTH, SIDE, SPEED, bar
from tests.verification.runs import Array, advance, equal_steps, motion_of, places

VELOCITY = 1.0  # [m/s]
STRESS = DENSITY * SPEED * VELOCITY
STIFF = 3e14  # wall [Pa/m]: 17 times the default


@dataclass(frozen=True)
class Impact:
    """What an impact gives.

    Attributes:
        time: [s].
        pressure: Of the wall on the bar over time [Pa].
        impulse: Of the wall, over ``2 m v`` [-].
        rebound: Mean velocity after it, over v [-].
        viscous: Dissipated share of the kinetic energy at the start [-].
        energy: All energies at the end, over that at the start [-].
    """

    time: Array
    pressure: Array
    impulse: float
    rebound: float
    viscous: float
    energy: float

    def contact_time(self) -> float:
        """From when the wall first bears half the stress to when it last does [s]."""
        pressed = self.time[self.pressure > 0.5 * STRESS]
        return float(pressed[-1] - pressed[0])

    def plateau(self) -> Array:
        """The pressure between a tenth and nine tenths of the contact [Pa]."""
        share = self.time * SPEED / (2.0 * LENGTH)
        return self.pressure[(share > 0.1) & (share < 0.9)]


def impact(level: str, stiffness: float | None = None) -> Impact:
    """Let the bar run into a wall at x = 0, which it touches at the start; stiffness [Pa/m]."""
    body = bar()
    wall = Wall("x-min", Plane((0, 0, 0), (1, 0, 0)), stiffness)
    certificate = critical_step(body, level, walls=[wall])
    step, steps = equal_steps(2.3 * LENGTH / SPEED, certificate)
    motion = motion_of(body, certificate, GUIDES, [-VELOCITY, 0, 0] + 0.0 * places(body))
    forces = [motion.walls[0].resultant[0] for _ in advance(motion, step, steps)]
    stored = body.stored_energy(motion.displacement)()
    motion.begin_step(step)
    account = motion.energies(step)
    mass, start = body.mass[::3], 0.5 * body.mass[::3].sum() * VELOCITY**2
    whole = account.leapfrog + stored + account.viscous + account.contact - account.external
    return Impact(
        time=np.arange(steps) * step,
        pressure=np.array(forces) / SIDE**2,
        impulse=step * sum(forces) / (2.0 * mass.sum() * VELOCITY),
        rebound=float(mass @ motion.velocity[::3]) / (mass.sum() * VELOCITY),
        viscous=account.viscous / start,
        energy=whole / start,
    )


def test_without_viscosity() -> None:
    """Contact time 2 L / c to half a per cent; stress, impulse, rebound, energy to a thousandth."""
    found = impact("linearised")
    assert found.contact_time() == pytest.approx(2.0 * LENGTH / SPEED, rel=5e-3)
    assert found.plateau().mean() == pytest.approx(STRESS, rel=1e-3)
    assert found.plateau() == pytest.approx(STRESS, rel=0.03)
    assert found.impulse == pytest.approx(1.0, rel=1e-3)
    assert found.rebound == pytest.approx(1.0, rel=1e-3)
    assert found.energy == pytest.approx(1.0, rel=1e-3)


def test_with_the_viscosity_of_a_proved_step() -> None:
    """At ``energy`` the stress does not ring; fronts lose 6 % of the energy, which is booked."""
    found = impact("energy")
    assert found.contact_time() == pytest.approx(2.0 * LENGTH / SPEED, rel=0.02)
    assert found.plateau() == pytest.approx(STRESS, rel=1e-3)
    assert 0.95 <= found.rebound <= 1.0
    assert 0.03 <= found.viscous <= 0.08
    assert found.energy == pytest.approx(1.0, rel=1e-5)


def test_a_stiff_wall_needs_a_proved_step() -> None:
    """At the step of ``linearised`` impact on a stiff wall makes energy; at ``energy`` it does not.

    Every frozen tangent is stable, but contact that opens and closes switches between them.
    """
    assert impact("linearised", STIFF).energy >= 2.0
    assert impact("energy", STIFF).energy == pytest.approx(1.0, rel=1e-5)
