"""The certified step against the exact one, and runs on both sides of the exact limit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lipmat.fem.body import Body
from lipmat.fem.estimates import element_estimate
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.step import critical_step, limit
from tests.fem.bodies import ball, exact_frequency, exact_frequency_of_the_bound, small_box
from tests.fem.laws import law, principal

SHAPES = ("box of hexahedra", "ball of tetrahedra")


def body_of(shape: str, folder: Path, fine: bool) -> Body:
    if shape == "box of hexahedra":
        return small_box(law("linear"), "hexahedron", cells=8 if fine else 3)
    return ball(law("linear"), folder, 0.25 if fine else 0.9)


@pytest.mark.parametrize("shape", SHAPES)
def test_certified_step_is_the_exact_one_to_two_parts_in_a_thousand(
    shape: str, tmp_path: Path
) -> None:
    """``2 / omega`` by ARPACK on force and lumped mass, over the certified step: in [1, 1.002]."""
    body = body_of(shape, tmp_path, fine=True)
    ratio = 2.0 / exact_frequency(body) / critical_step(body, "linearised").value
    assert 1.0 <= ratio <= 1.002


@pytest.mark.parametrize("level", ["linearised", "convex", "energy"])
@pytest.mark.parametrize("shape", ["box", "ball with slivers"])
def test_certified_step_of_a_learned_law_is_the_exact_one_of_its_bound(
    shape: str, level: str, tmp_path: Path
) -> None:
    """Certified over exact step of K(C0), each in units of the level's limit: in [0.998, 1]."""
    body = (
        small_box(principal(), "hexahedron", cells=6, distort=True)
        if shape == "box"
        else ball(principal(), tmp_path, 0.3, slivers=True)
    )
    step = critical_step(body, level)
    exact = limit(level, step.viscosity) / exact_frequency_of_the_bound(body)
    assert 0.998 <= step.value / exact <= 1.0
    if shape != "box":  # it does hold slivers: one cell alone would allow a small share of the step
        bounds = [step.control.ladders[0][0].tangent]
        assert element_estimate(body, bounds) < 0.5 * 2.0 / step.frequency.omega


def free_run(body: Body, step: float, steps: int) -> tuple[float, np.ndarray]:
    """Run from a small random velocity; return the conserved energy and kinetic energies.

    Kinetic energies are those of velocities between the steps, once every hundred steps.
    """
    velocity = 1e-3 * np.random.default_rng(0).standard_normal(body.owned)
    motion = CentralDifference(body, (), velocity)
    stored = body.stored_energy(motion.displacement)
    kinetic = []
    for n in range(steps):
        motion.begin_step(step)
        if n == 0:
            conserved = motion.energies(step).leapfrog + stored()
        motion.finish_step(step, (n + 1) * step)
        if n % 100 == 99:
            v = motion.velocity
            kinetic.append(0.5 * float(v @ (body.mass * v)))
    return conserved, np.array(kinetic)


@pytest.mark.parametrize("shape", SHAPES)
def test_0999_of_the_exact_limit_is_stable(shape: str, tmp_path: Path) -> None:
    """Over 100,000 steps against the bound of theory: in every mode the conserved energy is at
    least ``1 - (h omega / 2)²`` of the kinetic energy between the steps.
    """
    body = body_of(shape, tmp_path, fine=False)
    conserved, kinetic = free_run(body, 0.999 * 2.0 / exact_frequency(body), 100_000)
    assert kinetic.max() <= conserved / (1.0 - 0.999**2)
    assert kinetic.min() >= 0.01 * conserved


@pytest.mark.parametrize("shape", SHAPES)
def test_101_of_the_exact_limit_is_not_stable(shape: str, tmp_path: Path) -> None:
    """The kinetic energy grows by e^0.56 a step in the highest mode."""
    body = body_of(shape, tmp_path, fine=False)
    conserved, kinetic = free_run(body, 1.01 * 2.0 / exact_frequency(body), 400)
    growth = np.log(kinetic[-1] / kinetic[-2]) / 100
    assert kinetic[-1] > 1e20 * abs(conserved)
    assert growth == pytest.approx(4 * np.arccosh(1.01), rel=1e-2)
