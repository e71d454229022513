"""How a run ends: a closed set of outcomes, each with its advice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The end of a run; all but ``completed`` make the command exit with code 1."""

    COMPLETED = "completed"
    ENERGY_ERROR = "energy_error"
    NONFINITE = "nonfinite"
    INVERTED_CELL = "inverted_cell"
    LEFT_DOMAIN = "left_domain"
    INTERRUPTED = "interrupted"

    @property
    def advice(self) -> str:
        """What to do about it."""
        return _ADVICE[self]


_ADVICE = {
    Outcome.COMPLETED: "nothing to do",
    Outcome.ENERGY_ERROR: "check loads, boundary and units, or lower the safety",
    Outcome.NONFINITE: "a value is not finite: check loads, units and the boundary conditions",
    Outcome.INVERTED_CELL: "a cell turned inside out: refine the mesh there, or load more gently",
    Outcome.LEFT_DOMAIN: "the law is not certified there: fit it to data of larger stretch, "
    "or load more gently",
    Outcome.INTERRUPTED: "the records up to here are valid, and lipmat resume goes on from here",
}


@dataclass(frozen=True)
class Ending:
    """How and why a run ended.

    Attributes:
        outcome: One of the closed set.
        message: What happened, where and when, in one line.
        hint: What to do about this very ending; empty: the outcome's advice.
    """

    outcome: Outcome
    message: str
    hint: str = ""

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self.hint or self.outcome.advice
