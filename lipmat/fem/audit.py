"""The energy account: kinetic, stored, hourglass, dissipated, viscous, contact, external."""

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
        hourglass: In the stiffness against hourglass modes [J].
        dissipated: By the materials since the start [J].
        viscous: Dissipated by the viscosity of the scheme since the start [J].
        contact: Stored in the penalty of the walls [J].
        external: Work of loads, walls and prescribed motion since the start [J].
        error: What does not balance, over the largest energy seen so far [-]; positive where energy
            came from nowhere.
    """

    kinetic: float
    stored: float
    hourglass: float
    dissipated: float
    viscous: float
    contact: float
    external: float
    error: float


class Audit:
    """Balances the account with its start: kinetic (leapfrog) and all others, less external work.

    This kinetic term is the one that central difference conserves exactly together with the stored
    energy of a linear body, see :class:`lipmat.fem.integrator.Account`. No term is inferred from
    the others: the balance can fail.

    Args:
        body: The body.
        integrator: Its motion.
    """

    def __init__(self, body: Body, integrator: CentralDifference) -> None:
        self._integrator = integrator
        memory = integrator.memory
        self._stored = body.stored_energy(integrator.displacement, memory)
        self._dissipated = body.dissipated_energy(memory) if memory else None
        self._hourglass = body.hourglass_energy(integrator.displacement)
        self._start: float | None = None
        self._largest = 0.0

    def energies(self, step: float) -> Energies:
        """Return the account at the present time, after ``begin_step(step)``."""
        a = self._integrator.energies(step)
        stored = self._stored()
        hourglass = 0.0 if self._hourglass is None else self._hourglass()
        dissipated = 0.0 if self._dissipated is None else self._dissipated()
        lost = dissipated + a.viscous
        total = a.leapfrog + stored + hourglass + lost + a.contact - a.external
        if self._start is None:
            self._start = total
        now = a.kinetic + stored + hourglass + a.contact
        self._largest = max(self._largest, now, abs(a.external), lost)
        error = (total - self._start) / self._largest if self._largest > 0 else 0.0
        return Energies(
            a.kinetic, stored, hourglass, dissipated, a.viscous, a.contact, a.external, error
        )

    def state(self) -> dict[str, float | None]:
        """Return what a restart needs."""
        return {"start": self._start, "largest": self._largest}

    def restore(self, state: dict[str, float | None]) -> None:
        """Return to a state that :meth:`state` gave."""
        self._start, self._largest = state["start"], float(state["largest"] or 0.0)
