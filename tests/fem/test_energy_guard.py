"""The guard of the energy account: signs, limits, one warning, its state."""

from __future__ import annotations

import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.audit import Energies
from lipmat.fem.energy_guard import EnergyGuard
from lipmat.fem.outcome import Ending, Outcome


def account(error: float, kinetic: float = 1.0) -> Energies:
    return Energies(kinetic, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, error)


@pytest.mark.parametrize(
    ("error", "said", "limit", "advice"),
    [
        (0.21, "energy came from nowhere: +21.000%", "limit +20.00%", "'convex' or 'energy'"),
        (-0.11, "energy vanished: -11.000%", "limit -10.00%", "jumps in time"),
    ],
)
def test_beyond_a_limit(error: float, said: str, limit: str, advice: str) -> None:
    """The message says sign, value, time and limit; the advice suits the sign."""
    guard = EnergyGuard(0.01, (-0.1, 0.2))
    ending = guard.judge(account(error), 0.125)
    assert isinstance(ending, Ending)
    assert ending.outcome is Outcome.ENERGY_ERROR
    assert ending.message.startswith(f"{said} of the largest energy so far at 0.125 s, {limit}")
    assert advice in ending.advice


@pytest.mark.parametrize("error", [0.2, -0.1, 0.0])
def test_up_to_a_limit_the_run_goes_on(error: float) -> None:
    assert EnergyGuard(0.01, (-0.1, 0.2)).judge(account(error), 1.0) is None


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_it_warns_once(sign: float) -> None:
    guard = EnergyGuard(0.01, (-0.1, 0.1))
    for error in (0.0, 0.01, 0.02, 0.0, 0.05):
        assert guard.judge(account(sign * error), 0.5 + error) is None
    (warning,) = guard.warnings
    assert f"{sign * 0.02:+.3%}" in warning
    assert "at 0.52 s, more than 1.00% (energy_warning)" in warning
    resumed = EnergyGuard(0.01, (-0.1, 0.1))
    resumed.restore(guard.state())
    assert resumed.judge(account(sign * 0.05), 1.0) is None
    assert resumed.warnings == [warning]


@pytest.mark.parametrize("kinetic", [np.nan, np.inf])
def test_what_is_not_finite(kinetic: float) -> None:
    ending = EnergyGuard().judge(account(np.nan, kinetic), 0.5)
    assert ending == Ending(Outcome.NONFINITE, "the energy is not finite at 0.5 s")
    assert ending is not None
    assert ending.advice == Outcome.NONFINITE.advice


@pytest.mark.parametrize(
    ("warning", "limits", "message"),
    [
        (0.0, (-0.1, 0.1), "energy_warning: found 0.0, expected a positive number"),
        (np.nan, (-0.1, 0.1), "energy_warning: found nan"),
        (0.01, (0.1, 0.2), r"energy_limits: found \[0.1, 0.2\], expected a negative and a posit"),
        (0.01, (-0.1, np.nan), r"energy_limits: found \[-0.1, nan\]"),
    ],
)
def test_bad_limits(warning: float, limits: tuple[float, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EnergyGuard(warning, limits)


def hourglass(energy: float, stored: float) -> Energies:
    return Energies(1.0, stored, energy, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_energy_in_hourglass_modes_warns_and_ends_the_run() -> None:
    """Over the largest stored energy so far: a body that springs back is not blamed."""
    guard = EnergyGuard()
    assert guard.judge(hourglass(0.09, 1.0), 0.1) is None
    assert guard.judge(hourglass(0.09, 0.01), 0.2) is None
    assert guard.warnings == []
    assert guard.judge(hourglass(0.3, 0.5), 0.3) is None
    (warning,) = guard.warnings
    assert warning.startswith("hourglass energy: 30.0% of the largest stored energy at 0.3 s")
    ending = guard.judge(hourglass(0.51, 0.5), 0.4)
    assert ending is not None
    assert ending.outcome is Outcome.ENERGY_ERROR
    assert "51.0% of the largest stored energy at 0.4 s, limit 50%" in ending.message
    assert "refine the mesh, or take the formulation 'selective'" in ending.advice
