"""What a comparison finds, as plain numbers that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Row:
    """What was found of one code; None: not measured.

    Attributes:
        name: Of the code.
        reason: Why it is not compared; empty: it is.
        version: Of the code.
        law: ``learned`` or ``elastic``.
        way: How it is used.
        agreement: Largest difference of the force from lipmat's over the largest force [-].
        force_rate: Internal force [cells/s].
        step_rate: Full step [cells/s].
        force_ratio: lipmat's rate of the force over this one's, of the paired runs [-].
        step_ratio: The same of the full step [-].
        rule: Where its step comes from.
        step: The step that it takes [s].
        limit: The exact limit at rest [s].
        steps: Steps to the end of the problem.
        solution: Time to solution [s].
        error: Difference of the displacement at the end from that on a mesh twice as fine, over it
            (root of the mean square) [-].
        extrapolated: Whether that is the time of some steps times their number.
        remark: What else is to be known.
    """

    name: str
    reason: str = ""
    version: str = ""
    law: str = ""
    way: str = ""
    agreement: float | None = None
    force_rate: float | None = None
    step_rate: float | None = None
    force_ratio: float | None = None
    step_ratio: float | None = None
    rule: str = ""
    step: float | None = None
    limit: float | None = None
    steps: int | None = None
    solution: float | None = None
    error: float | None = None
    extrapolated: bool = False
    remark: str = ""


@dataclass
class Steps:
    """What lipmat's force says about steps for the problem.

    Attributes:
        limit: Exact 2/omega at rest [s].
        smallest: The smallest along the run [s].
        usual: Edge length over wave speed [s].
        largest: The largest step that completes, to a percent [s].
        failure: Why the usual step with its factor does not complete; None: it does.
    """

    limit: float
    smallest: float
    usual: float
    largest: float
    failure: str | None


@dataclass
class Comparison:
    """All rows, and where and when they were measured."""

    machine: str
    python: str
    date: str
    cells: int
    end: float
    steps: Steps | None
    rows: list[Row] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Return what :meth:`as_dict` gave."""
        plain = dict(data)
        rows = [Row(**row) for row in plain.pop("rows")]
        steps = plain.pop("steps")
        return cls(**plain, steps=None if steps is None else Steps(**steps), rows=rows)
