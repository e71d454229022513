"""Steps that follow the present state of a body: when to bound its frequency, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lipmat.fem.body import Body
from lipmat.fem.guard import State
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.fem.pace import FEWEST, Pace
from lipmat.fem.sharp import SharpBound, SharpFrequency, applies
from lipmat.fem.step import Rungs, Step, StepControl
from lipmat.materials.domain import StretchDomain

# isort: split
from dolfinx import fem

NOTICED = 0.002  # energy error that makes the run back off [-]
BACK_OFF = 0.1  # of the step
START = 0.9  # share of the limit at first: a fall from near the limit adds energy
HASTY = 3  # bounds that followed the one before too soon
WIDER = 2.0  # how much wider the neighbourhoods are after each of them [-]


class SharpSteps:
    """Gives a run its step from bounds at the body's present state.

    Where the ladder of domains gives the smaller frequency, its bound is taken. It cannot, and is
    not computed, while the sharp bound is below what Lanczos found from below for the smallest
    domain: larger domains only have larger frequencies.

    A body that leaves the neighbourhood of a bound within a few steps, or makes the run back off
    then, gets wider ones. If it does so ``HASTY`` times, it changes too fast for this to pay, and
    steps that change often add energy: the rest of the run then takes the steps of the ladder.

    Every frozen tangent is stable at the limit, but the nonlinear run may still grow there. So the
    run watches its energy account: each time energy has come from nowhere, ``NOTICED`` of the
    largest so far, it backs off from the limit by ``BACK_OFF``.

    Args:
        control: The ladder's steps, of level ``linearised``.
    """

    def __init__(self, control: StepControl) -> None:
        self._control = control
        self._bound = SharpBound(control.body, control.operator, control.seed)
        self._least = control.at((0,) * len(control.ladders)).frequency.lower
        self._pace = Pace()
        self._next, self._last, self._hasty = 0, 0, 0
        self._domains: tuple[StretchDomain | None, ...] = ()
        self._products = 0
        self._share, self._error = 1.0, 0.0
        self._failure = 0.0
        self.smallest, self.largest = 0.0, 0.0
        """Of the steps so far [s]."""

    @property
    def active(self) -> bool:
        """Whether the steps are those of bounds at the present state."""
        return self._hasty < HASTY

    @property
    def next(self) -> int:
        """Steps done when the pace asks for a new bound."""
        return self._next

    def due(self, steps: int) -> bool:
        """Tell whether the pace asks for a new bound at a number of steps."""
        return self.active and steps >= self._next

    def left(self, states: Sequence[State | None]) -> bool:
        """Tell whether a body left the neighbourhood of the last bound."""
        return self.active and any(
            d is not None
            and s is not None
            and not d.holds(s.stretch_min, s.stretch_max, s.volume_min, s.volume_max)
            for d, s in zip(self._domains, states, strict=True)
        )

    def step(
        self, displacement: fem.Function, time: float, steps: int, rungs: Rungs, present: float
    ) -> float:
        """Bound the frequency anew; return the step until the next time [s].

        Args:
            displacement: Of the body.
            time: The present time [s].
            steps: Steps done.
            rungs: Those of the ladder that the body is in.
            present: Step so far [s]; 0: none.
        """
        self._hasty += bool(steps) and steps - self._last < min(FEWEST, self._pace.steps)
        self._last = steps
        control = self._control
        if not self.active:
            return control.at(rungs).value
        found = self._bound.refresh(displacement, rungs, WIDER**self._hasty)
        self._book(found)
        omega, self._domains = found.omega, found.domains
        if omega > self._least:
            ladder = control.at(rungs)
            if omega >= ladder.frequency.omega:
                omega, self._domains = ladder.frequency.omega, ladder.domains
        largest = self._share * control.safety * control.limit
        if not steps:
            largest *= START
        value = self._pace.step(time, omega, largest, present)
        value = min(value, control.longest)
        self._next = steps + self._pace.steps
        self.smallest = min(value, self.smallest or value)
        self.largest = max(value, self.largest)
        return value

    def watch(self, energy_error: float) -> None:
        """Back off, at the next step and by a bound at once, if energy came from nowhere [-]."""
        if energy_error > self._error + NOTICED:
            self._share, self._error = (1.0 - BACK_OFF) * self._share, energy_error
            self._next = 0

    def _book(self, found: SharpFrequency) -> None:
        self._products += found.products
        self._failure += found.failure_probability

    def summary(self) -> dict[str, Any]:
        """Return what was found as JSON values."""
        return {
            "bounds": self._bound.refreshes,
            "products": self._products,
            "failure_probability": self._failure,
            "beyond_the_margin": self._pace.overruns,
            "share_of_the_limit": self._share,
            "given_up": not self.active,
            "smallest_step": self.smallest,
            "largest_step": self.largest,
        }

    def state(self) -> dict[str, Any]:
        """Return what a restart needs, as JSON values."""
        return {
            "refreshes": self._bound.refreshes,
            "pace": self._pace.state(),
            "next": [self._next, self._last, self._hasty],
            "domains": [None if d is None else d.as_dict() for d in self._domains],
            "booked": [self._products, self._failure, self.smallest, self.largest],
            "watched": [self._share, self._error],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to what :meth:`state` gave."""
        self._bound.refreshes = state["refreshes"]
        self._next, self._last, self._hasty = state["next"]
        self._pace = Pace(**state["pace"])
        self._domains = tuple(None if d is None else StretchDomain(**d) for d in state["domains"])
        self._products, self._failure, self.smallest, self.largest = state["booked"]
        self._share, self._error = state["watched"]


def sharp_steps(step: Step) -> SharpSteps | None:
    """Return sharp steps for a run that begins with a step, if its laws allow them.

    Not for hexahedra of the formulation ``full``, where eight points in a cell make bounds dear.
    """
    control = step.control
    suits = control.level == "linearised" and not control.viscosity and applies(control.body)
    return SharpSteps(control) if suits and not _has_many_points(control.body) else None


def _has_many_points(body: Body) -> bool:
    hexahedra = str(body.mesh.topology.cell_name()) == "hexahedron"
    return hexahedra and body.formulation == "full"
