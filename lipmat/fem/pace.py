r"""When to bound the frequency anew, and how far below the limit to stay until then.

A bound belongs to a state. Until the next one the frequency may grow; the step keeps a margin for
the growth that the last bounds suggest, and for its acceleration. That is an estimate: the next
bound tells whether it was enough.

A step that changes is not covered by the certificate of either value. With positions and velocities
at the same time a change of the step is only a change of the conserved energy,
``v^2 + w^2 (1 - (w h / 2)^2) u^2`` in a mode of frequency w. A larger step lowers it. A smaller
one raises it by ``(1 - (w h'/2)^2) / (1 - (w h/2)^2)`` at most, and over a descent these factors
multiply to that of its ends. So there are few changes: one at most for each bound, and upward by a
small share only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log
from typing import Any

FLOOR = 0.004  # of the frequency: margin of a body that does not change
SHARE = 1.0  # of the growth that is expected
TARGET = 0.03  # of the frequency: margin aimed at
FEWEST, MOST = 10, 120  # steps between bounds; the first tells how fast a body changes
FADING = 0.5  # of the growth seen before, at each bound
CLIMB = 0.03  # of the step: most that it grows at once


@dataclass
class Pace:
    """Margins and intervals of a run.

    Attributes:
        margin: Relative growth of the frequency that the present step allows for [-].
        steps: Steps until the next bound.
        growth: Of the logarithm of the frequency, as far as it is to be expected [1/s].
        overruns: Bounds that had grown beyond the margin.
    """

    margin: float = FLOOR
    steps: int = 0
    growth: float = 0.0
    overruns: int = 0
    _time: float = 0.0
    _omega: float = 0.0
    _seen: float | None = None

    def step(self, time: float, omega: float, largest: float, present: float) -> float:
        """Return the step to take until the next bound [s].

        Args:
            time: Present time [s].
            omega: The bound at it [rad/s].
            largest: The largest ``omega`` times step that is allowed [-].
            present: The step so far [s]; 0: none.
        """
        known = self._omega > 0.0 and time > self._time
        seen = log(omega / self._omega) / (time - self._time) if known else 0.0
        self.overruns += known and omega > (1.0 + self.margin) * self._omega
        # a body that starts at rest changes with the square of time: next three times as fast
        gain = 2.0 * seen if self._seen is None else max(seen - self._seen, 0.0)
        self.growth = max(seen + gain, FADING * self.growth, 0.0)
        self._seen = seen if known else None
        self.steps = self._interval(largest / omega, known)
        self.margin = FLOOR + SHARE * self.growth * self.steps * largest / omega
        self._time, self._omega = time, omega
        wanted = largest / (omega * (1.0 + self.margin))
        return min(wanted, (1.0 + CLIMB) * present) if present else wanted

    def _interval(self, step: float, known: bool) -> int:
        """Return the number of steps for which the margin is the one aimed at."""
        if not known:
            return FEWEST
        room = (TARGET - FLOOR) / max(SHARE * self.growth * step, 1e-9)
        return int(min(max(FEWEST, room), 2 * self.steps, MOST))

    def state(self) -> dict[str, Any]:
        """Return what a restart needs, as JSON values."""
        return asdict(self)
