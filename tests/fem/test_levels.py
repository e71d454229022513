r"""The three levels of certificate, mode by mode and on random systems of springs.

With x = (h omega)^2 of a mode of K0 over M, d = u+ - 2u + u- and g the gradient over the mode's
stiffness, the scheme is ``d = -x (g + beta (u - u-))``.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from lipmat.errors import InputError
from lipmat.fem.step import BEST_VISCOSITY, critical_step, limit
from tests.fem.bodies import small_box
from tests.fem.laws import steel_like

Array = np.ndarray
JUST_BELOW, JUST_ABOVE = 1.0 - 1e-6, 1.0 + 1e-6
VISCOSITIES = {
    "linearised": (0.0, 0.06, 0.245, 1.0, 3.0),
    "convex": (0.13, 0.16, 0.2, 0.245, 0.3, 0.4, 0.5),
    "energy": (0.51, 0.6, 0.75, 0.9, 1.0),
}
CASES = [(level, beta) for level, values in VISCOSITIES.items() for beta in values]


def growth(x: float, beta: float, share: float) -> float:
    """Largest root of the recurrence where the tangent is a share of K0 in this mode."""
    return float(np.abs(np.roots([1.0, x * (share + beta) - 2.0, 1.0 - x * beta])).max())


def energy_margin(x: float, beta: float) -> float:
    """Determinant of minus the form that bounds the change of kinetic and stored energy.

    In the increment D = u+ - u and in d, times h^2 (descent lemma, the scheme inserted):
    ``change <= -(beta - 1/2) x D^2 + beta x d D - 1/2 d^2``.
    """
    return (beta - 0.5) * x * 0.5 - (0.5 * beta * x) ** 2


def convex_margin(x: float, beta: float) -> float:
    """What must not be negative for V not to rise: ``8 beta (1 - beta x) - (1 - beta^2 x)^2``."""
    return 8.0 * beta * (1.0 - beta * x) - (1.0 - beta**2 * x) ** 2


@pytest.mark.parametrize("beta", VISCOSITIES["linearised"])
def test_frozen_tangents_are_stable_up_to_the_limit(beta: float) -> None:
    """Every share of K0 in every mode below it; K0 itself grows just above."""
    x = (JUST_BELOW * limit("linearised", beta)) ** 2
    found = [
        growth(m * x, beta, s) for m in (1e-6, 0.3, 0.7, 1.0) for s in np.linspace(0.01, 1, 12)
    ]
    assert max(found) <= 1.0 + 1e-12
    assert growth((JUST_ABOVE * limit("linearised", beta)) ** 2, beta, 1.0) > 1.0 + 1e-7


@pytest.mark.parametrize(
    ("level", "margin"), [("convex", convex_margin), ("energy", energy_margin)]
)
def test_the_limit_is_where_the_proof_ends(level: str, margin: object) -> None:
    """No margin at the limit, more below it in every mode, less above."""
    assert callable(margin)
    for beta in VISCOSITIES[level]:
        x = limit(level, beta) ** 2
        assert margin(x, beta) == pytest.approx(0.0, abs=1e-12)
        assert min(margin(m * x, beta) for m in np.linspace(1e-3, 0.999, 50)) > 0.0
        assert margin(1.001 * x, beta) < 0.0


@pytest.mark.parametrize(
    ("level", "beta", "step"), [("convex", 0.245, 1.611), ("energy", 1.0, 1.0)]
)
def test_best_viscosity(level: str, beta: float, step: float) -> None:
    """The largest step of all viscosities: 1.611 at 0.245 (81 % of undamped), and 1 at 1."""
    low, high = VISCOSITIES[level][0], VISCOSITIES[level][-1]
    best = minimize_scalar(
        lambda b: -limit(level, b), bounds=(low, high), method="bounded", options={"xatol": 1e-7}
    )
    assert best.x == pytest.approx(beta, abs=1e-3)
    assert -best.fun == pytest.approx(step, abs=1e-3)
    assert limit(level, BEST_VISCOSITY[level]) == pytest.approx(-best.fun, rel=1e-5)


@pytest.mark.parametrize(("level", "beta"), [c for c in CASES if c[0] != "linearised"])
def test_proved_levels_imply_the_linearised_one(level: str, beta: float) -> None:
    assert limit(level, beta) < limit("linearised", beta)


def test_a_spring_gains_energy_above_the_limit_of_energy() -> None:
    """The level is sharp: for a linear spring the proof's inequality is an equation."""

    def largest_gain(x: float, beta: float) -> float:
        worst = -np.inf
        for angle in np.linspace(0.0, np.pi, 2001):
            u, before = np.cos(angle), np.sin(angle)  # displacement, last increment
            after = before - x * (u + beta * before)
            start, end = before**2 + x * u**2, after**2 + x * (u + after) ** 2
            worst = max(worst, (end - start) / start)
        return worst

    for beta in VISCOSITIES["energy"]:
        x = limit("energy", beta) ** 2
        assert largest_gain(x, beta) <= 1e-15
        assert largest_gain(1.02 * x, beta) > 1e-6


@pytest.mark.parametrize(("level", "beta"), CASES)
def test_certified_step(level: str, beta: float) -> None:
    step = critical_step(small_box(steel_like(), "hexahedron", 2), level, 0.9, viscosity=beta)
    assert step.value * step.frequency.omega == pytest.approx(0.9 * limit(level, beta), rel=1e-14)
    assert (step.level, step.viscosity) == (level, beta)


@pytest.mark.parametrize(
    ("level", "beta", "message"),
    [
        ("convexe", 0.2, "level: found 'convexe', did you mean 'convex'"),
        ("linearised", -0.1, "viscosity: found -0.1, expected 0 or more at level 'linearised'"),
        (
            "convex",
            0.1,
            "viscosity: found 0.1, expected more than 0.125 and at most 0.5 at level 'convex'",
        ),
        ("convex", 0.6, "viscosity: found 0.6"),
        (
            "energy",
            1.2,
            "viscosity: found 1.2, expected more than 0.5 and at most 1 at level 'energy'",
        ),
        ("energy", np.nan, "viscosity: found nan"),
    ],
)
def test_no_limit(level: str, beta: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        limit(level, beta)
