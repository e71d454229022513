"""Watches the energy account: warns, and ends a run whose energy no longer balances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lipmat.errors import InputError
from lipmat.fem.audit import Energies
from lipmat.fem.outcome import Ending, Outcome

WARNING = 0.01
LIMITS = (-0.1, 0.1)
_FROM_NOWHERE = (
    "check loads, boundary and units; take a level that proves that the nonlinear run cannot grow "
    "('convex' or 'energy'), or lower the safety"
)
_VANISHED = (
    "check loads and prescribed motion for jumps in time, which the work done over a step does not "
    "see; smooth them, or lower the safety"
)


class EnergyGuard:
    """Judges the relative error of the energy account at every check.

    Args:
        warning: Error of either sign from which the run warns, once [-].
        limits: Errors at which the run ends: below zero, energy vanished; above, it came from
            nowhere [-].

    Attributes:
        warnings: What it warned of so far, in one line each.

    Raises:
        InputError: A warning that is not positive, or limits that do not enclose zero.
    """

    def __init__(self, warning: float = WARNING, limits: tuple[float, float] = LIMITS) -> None:
        if not warning > 0:
            raise InputError(f"energy_warning: found {warning}, expected a positive number")
        low, high = limits
        if not low < 0 < high:
            raise InputError(
                f"energy_limits: found [{low}, {high}], expected a negative and a positive number"
            )
        self.warning, self.limits = warning, (low, high)
        self.warnings: list[str] = []

    def judge(self, energies: Energies, time: float) -> Ending | None:
        """Return how the run ends if the account [J] at a time [s] does not let it go on."""
        if not math.isfinite(energies.kinetic + energies.stored):
            return Ending(Outcome.NONFINITE, f"the energy is not finite at {time:.6g} s")
        error, (low, high) = energies.error, self.limits
        if not low <= error <= high:
            found, limit = _said(error), low if error < 0 else high
            message = f"{found} at {time:.6g} s, limit {limit:+.2%} (energy_limits)"
            return Ending(Outcome.ENERGY_ERROR, message, _VANISHED if error < 0 else _FROM_NOWHERE)
        if abs(error) > self.warning and not self.warnings:
            self.warnings.append(
                f"{_said(error)} at {time:.6g} s, more than {self.warning:.2%} (energy_warning): "
                "look before you trust"
            )
        return None

    def state(self) -> dict[str, Any]:
        """Return what a restart needs, as JSON values."""
        return {"warnings": list(self.warnings)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to what :meth:`state` gave."""
        self.warnings = list(state["warnings"])


def _said(error: float) -> str:
    what = "energy vanished" if error < 0 else "energy came from nowhere"
    return f"{what}: {error:+.3%} of the largest energy so far"
