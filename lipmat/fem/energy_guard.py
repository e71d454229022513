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
HOURGLASS_WARNING, HOURGLASS_LIMIT = 0.1, 0.5
_FROM_NOWHERE = (
    "check loads, boundary and units; take a level that proves that the nonlinear run cannot grow "
    "('convex' or 'energy'), or lower the safety"
)
_VANISHED = (
    "check loads and prescribed motion for jumps in time, which the work done over a step does not "
    "see; smooth them, or lower the safety"
)
_HOURGLASS = "refine the mesh, or take the formulation 'selective'"


class EnergyGuard:
    """Judges the relative error of the energy account at every check.

    It does the same with the energy in hourglass modes, over the largest stored energy so far: a
    tenth is a warning, a half ends the run.

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
        self._largest = 0.0

    def judge(self, energies: Energies, time: float) -> Ending | None:
        """Return how the run ends if the account [J] at a time [s] does not let it go on."""
        if not math.isfinite(energies.kinetic + energies.stored):
            return Ending(Outcome.NONFINITE, f"the energy is not finite at {time:.6g} s")
        error, (low, high) = energies.error, self.limits
        if not low <= error <= high:
            found, limit = _said(error), low if error < 0 else high
            message = f"{found} at {time:.6g} s, limit {limit:+.2%} (energy_limits)"
            return Ending(Outcome.ENERGY_ERROR, message, _VANISHED if error < 0 else _FROM_NOWHERE)
        if abs(error) > self.warning:
            self._warn(
                f"{_said(error)} at {time:.6g} s, more than {self.warning:.2%} (energy_warning): "
                "look before you trust"
            )
        return self._judge_hourglass(energies, time)

    def _judge_hourglass(self, energies: Energies, time: float) -> Ending | None:
        self._largest = max(self._largest, energies.stored)
        if energies.hourglass <= HOURGLASS_WARNING * self._largest:
            return None
        share = energies.hourglass / self._largest
        found = f"hourglass energy: {share:.1%} of the largest stored energy at {time:.6g} s"
        if share > HOURGLASS_LIMIT:
            message = f"{found}, limit {HOURGLASS_LIMIT:.0%}"
            return Ending(Outcome.ENERGY_ERROR, message, _HOURGLASS)
        self._warn(f"{found}, more than {HOURGLASS_WARNING:.0%}: {_HOURGLASS}")
        return None

    def _warn(self, text: str) -> None:
        """Keep a warning; one of each kind is enough."""
        kind = text.split(":")[0]
        if not any(known.startswith(kind) for known in self.warnings):
            self.warnings.append(text)

    def state(self) -> dict[str, Any]:
        """Return what a restart needs, as JSON values."""
        return {"warnings": list(self.warnings), "largest": self._largest}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to what :meth:`state` gave."""
        self.warnings, self._largest = list(state["warnings"]), float(state["largest"])


def _said(error: float) -> str:
    what = "energy vanished" if error < 0 else "energy came from nowhere"
    return f"{what}: {error:+.3%} of the largest energy so far"
