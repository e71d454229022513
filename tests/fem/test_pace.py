from __future__ import annotations

import numpy as np
import pytest

from lipmat.fem.pace import CLIMB, FEWEST, FLOOR, MOST, SHARE, Pace


def run_of(pace: Pace, omega: object, end: float) -> tuple[list[float], list[float]]:
    """Follow a frequency of time; return the steps taken and their share of the limit 2 / omega."""
    time, step, steps, shares = 0.0, 0.0, [], []
    while time < end:
        step = pace.step(time, omega(time), 2.0, step)
        for _ in range(pace.steps):
            steps.append(step)
            shares.append(step * omega(time) / 2.0)
            time += step
    return steps, shares


def test_a_body_that_does_not_change() -> None:
    pace = Pace()
    steps, shares = run_of(pace, lambda t: 1000.0, 2.0)
    assert shares == pytest.approx([1.0 / (1.0 + FLOOR)] * len(shares))
    assert len(set(steps)) == 1
    assert pace.steps == MOST
    assert pace.overruns == 0


@pytest.mark.parametrize("period", [0.5, 1.0, 4.0])
def test_a_frequency_that_rises_and_falls_is_followed(period: float) -> None:
    """By a tenth: the margin covers it but where the growth begins or gains speed."""
    pace = Pace()
    steps, shares = run_of(pace, lambda t: 4000.0 * (1 + 0.05 * np.sin(2 * np.pi * t / period)), 4)
    assert np.median(shares) >= 0.96
    assert min(shares) >= 0.9
    assert max(shares) <= 1.01
    assert np.mean(np.array(shares) > 1.0) <= 0.02
    assert (np.diff(steps) / steps[1:]).max() <= CLIMB
    assert len(steps) / np.count_nonzero(np.diff(steps)) >= 50  # few changes


def test_the_margin_of_a_growth_that_was_seen() -> None:
    pace = Pace()
    pace.step(0.0, 1000.0, 2.0, 0.0)
    assert pace.steps == FEWEST
    pace.step(0.1, 1000.0 * np.exp(0.1), 2.0, 2e-3)
    assert pace.growth == pytest.approx(3.0)  # from rest it goes with the square of time
    assert pace.overruns == 1
    assert pace.steps == FEWEST
    assert pace.margin == pytest.approx(FLOOR + 3.0 * SHARE * FEWEST * 2e-3 / np.exp(0.1))
    pace.step(0.2, 1000.0 * np.exp(0.2), 2.0, 2e-3)
    assert pace.growth == pytest.approx(1.5)  # what was expected fades


def test_a_smaller_step_is_taken_at_once_and_a_larger_one_in_small_shares() -> None:
    pace = Pace()
    assert pace.step(0.0, 1000.0, 2.0, 1.0) == pytest.approx(2e-3 / (1 + FLOOR))
    assert pace.step(0.1, 500.0, 2.0, 2e-3) == pytest.approx(2e-3 * (1 + CLIMB))


def test_a_restart_goes_on_alike() -> None:
    pace = Pace()
    pace.step(0.0, 1000.0, 2.0, 0.0)
    again = Pace(**pace.state())
    now = [p.step(0.02, 1010.0, 2.0, 1.9e-3) for p in (pace, again)]
    assert now[0] == now[1]
    assert again == pace


def energy(omega: np.ndarray, u: np.ndarray, w: np.ndarray, step: float) -> np.ndarray:
    """What a mode keeps under equal steps; w is its velocity at the time of u."""
    return w**2 + omega**2 * (1 - (omega * step / 2) ** 2) * u**2


def leapfrog(omega: np.ndarray, steps: list[float]) -> np.ndarray:
    """Largest factor by which the energy of modes grew over the steps, each from four phases."""
    phase = np.pi / 4 * np.arange(4)[:, None]
    u, w = np.cos(phase) / omega, np.sin(phase) + 0 * omega
    first = energy(omega, u, w, steps[0])
    v = w + steps[0] / 2 * omega**2 * u
    for before, step in zip([steps[0], *steps], steps, strict=False):
        v = v - (before + step) / 2 * omega**2 * u
        w = v + step / 2 * omega**2 * u
        last = energy(omega, u, w, step)
        u = u + step * v
    return (last / first).max(axis=0)


OMEGA = np.linspace(10.0, 1960.0, 2000)
"""Frequencies below 0.98 of the limit of the step 1e-3."""


def test_steps_that_alternate_pump_energy() -> None:
    """Though each step is below its own limit: why steps change rarely."""
    pumped = leapfrog(OMEGA, [1e-3, 0.8e-3] * 200)
    assert pumped.max() > 1e10


def test_steps_that_change_at_bounds_do_not() -> None:
    """The step falls and rises by some percent, as a body that twists and comes back makes it."""
    pace = Pace()
    steps, _ = run_of(pace, lambda t: 2000.0 * (1 + 0.05 * np.sin(2 * np.pi * t / 0.9) ** 2), 2.0)
    steps = [min(s, 1e-3) for s in steps]
    grown = leapfrog(OMEGA, steps)
    assert grown[OMEGA < 1000].max() < 1.2
    assert grown.max() < descents(steps, OMEGA[-1])


def descents(steps: list[float], omega: float) -> float:
    """The bound of the growth: the factors of all falls of the step."""
    room = 1 - (omega * np.array(steps) / 2) ** 2
    return float(np.prod(np.maximum(1.0, room[1:] / room[:-1]))) * (1 + 1e-9)
