"""Pulses in an elastic bar: speed, stress and reflection.

One-dimensional waves in a bar without lateral motion run at ``c = sqrt((K + 4 G / 3) / rho)``; the
stress of a wave of velocity v is ``rho c v``, and a free end moves at twice its velocity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lipmat.fem.loads import Traction
from lipmat.fem.step import critical_step
from tests.verification.bars import CELLS, DENSITY, GUIDES, LENGTH, SPEED, bar
from tests.verification.runs import Array, advance, equal_steps, motion_of, places

STRESS = 1e6  # of the pulse [Pa]
VELOCITY = STRESS / (DENSITY * SPEED)
SPAN = 0.2 * LENGTH / SPEED  # of the half-sine [s]


def half_sine(time: float) -> float:
    return float(np.sin(np.pi * time / SPAN)) if time < SPAN else 0.0


def velocities(end: float, curve: Callable[[float], float]) -> tuple[Array, Array, float]:
    """Push on the end x = 0; return velocities over times and places, places, and the step.

    The step is 0.9 of the critical one without viscosity, so that the scheme has its dispersion.
    """
    body = bar()
    certificate = critical_step(body, "linearised")
    step, count = equal_steps(end, certificate, 0.9)
    push = Traction("x-min", (STRESS, 0, 0), curve)
    motion = motion_of(body, certificate, [push, *GUIDES])
    x = places(body)[:, 0]
    order = np.argsort(x)[::4]
    rows = [motion.velocity[::3][order].copy() for _ in advance(motion, step, count)]
    return np.array(rows), x[order], step


def test_half_sine_pulse() -> None:
    """Speed of its centroid to 5e-4, its shape to 1 %, and twice its velocity at the free end."""
    v, x, step = velocities(1.3 * LENGTH / SPEED, half_sine)
    times = (np.arange(len(v)) + 0.5) * step
    early, late = (int(np.searchsorted(times, t * LENGTH / SPEED)) for t in (0.4, 0.8))
    centroid = [v[n] @ x / v[n].sum() for n in (early, late)]
    speed = (centroid[1] - centroid[0]) / (times[late] - times[early])
    exact = np.array([half_sine(t) if t > 0 else 0.0 for t in times[late] - x / SPEED])
    assert speed == pytest.approx(SPEED, rel=5e-4)
    assert np.sqrt(np.mean((v[late] / VELOCITY - exact) ** 2)) <= 0.01
    assert v[late].max() == pytest.approx(VELOCITY, rel=5e-3)
    assert v[:, -1].max() == pytest.approx(2.0 * VELOCITY, rel=0.015)


def test_step_pulse() -> None:
    """Stress rho c v behind the front, the front at c t, both to half a per cent."""
    now = 0.9 * LENGTH / SPEED
    v, x, step = velocities(now, lambda time: 1.0)
    now -= 0.5 * step
    behind = x < 0.8 * SPEED * now
    front = x[np.argmax(v[-1] < 0.5 * VELOCITY)]
    assert v[-1][behind].mean() * DENSITY * SPEED == pytest.approx(STRESS, rel=2e-3)
    assert v[:, 0].mean() * DENSITY * SPEED == pytest.approx(STRESS, rel=5e-3)
    assert front == pytest.approx(SPEED * now, abs=LENGTH / CELLS)
    assert np.abs(v[-1][x > 1.05 * SPEED * now]).max() <= 1e-3 * VELOCITY
