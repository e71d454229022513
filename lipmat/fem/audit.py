"""The energy account: kinetic, stored and external energy, and what does not balance."""

from __future__ import annotations

from dataclasses import dataclass

from lipmat.fem.body import Body
from lipmat.fem.integrator import CentralDifference


@dataclass(frozen=True)
class Energies:
    """Energies of the body at one time.

    Attributes:
        kinetic: [J].
        stored: From the law's own potential [J].
        external: Work of loads and prescribed motion since the start [J].
        error: What does not balance, over the largest energy seen so far [-].
    """

    kinetic: float
    stored: float
    external: float
    error: float


class Audit:
    """Balances ``kinetic in leapfrog form + stored - external work`` against its start.

    This kinetic term is the one that central difference conserves exactly together with the stored
    energy of a linear body, see :meth:`CentralDifference.energies`.

    Args:
        body: The body.
        integrator: Its motion.
    """

    def __init__(self, body: Body, integrator: CentralDifference) -> None:
        self._integrator = integrator
        self._stored = body.stored_energy(integrator.displacement)
        self._start: float | None = None
        self._largest = 0.0

    def energies(self, step: float) -> Energies:
        """Return the account at the present time, after ``begin_step(step)``."""
        kinetic, leapfrog, external = self._integrator.energies(step)
        stored = self._stored()
        total = leapfrog + stored - external
        if self._start is None:
            self._start = total
        self._largest = max(self._largest, kinetic + stored, abs(external))
        error = (total - self._start) / self._largest if self._largest > 0 else 0.0
        return Energies(kinetic, stored, external, error)
