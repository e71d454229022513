"""The stable time step of a body, computed and proved before the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lipmat.errors import InputError, nearest
from lipmat.fem.body import Body
from lipmat.fem.eigenvalue import HighestFrequency, ReferenceOperator, highest_frequency
from lipmat.fem.forms import GRADIENT_MEASURES, quadrature_degree
from lipmat.materials.domain import StretchDomain

LEVELS = ("linearised",)
Rungs = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """A certified time step.

    Attributes:
        value: The step [s].
        level: What is proved: at ``linearised``, that every frozen tangent is stable.
        viscosity: Factor beta of the viscosity beta h C0 [-].
        safety: Share of the limit that is taken [-].
        domains: Domain of each material on which the certificate holds; None: everywhere.
        frequency: The bound of the highest frequency and its proof.
        rungs: Rung of each material's ladder.
        control: Gives the step of other rungs.
    """

    value: float
    level: str
    viscosity: float
    safety: float
    domains: tuple[StretchDomain | None, ...]
    frequency: HighestFrequency
    rungs: Rungs
    control: StepControl = field(repr=False, compare=False)


class StepControl:
    """Certified steps of a body for every rung of its materials' ladders of domains.

    Args:
        body: The body.
        level: Level of the certificate.
        safety: Share of the limit that is taken, in (0, 1].
        seed: Of the random start of Lanczos.

    Raises:
        InputError: Unknown level, or a safety outside (0, 1].
    """

    def __init__(self, body: Body, level: str, safety: float, seed: int) -> None:
        if level not in LEVELS:
            hint = nearest(level, LEVELS)
            if level in ("convex", "energy"):
                hint = f"which comes with the small-strain laws, expected {LEVELS[0]!r}"
            raise InputError(f"level: found {level!r}, {hint}")
        if not 0 < safety <= 1:
            raise InputError(f"safety: found {safety}, expected more than 0 and at most 1")
        self.body, self.level, self.safety, self.seed = body, level, safety, seed
        self.ladders = [m.law.bound().rungs for m in body.materials]
        self._operator = ReferenceOperator(body)
        self._known: dict[tuple[float, ...], tuple[float, HighestFrequency]] = {}

    def at(self, rungs: Rungs) -> Step:
        """Return the step that is certified while each material stays in its rung's domain."""
        chosen = [ladder[i] for ladder, i in zip(self.ladders, rungs, strict=True)]
        frequency = self._frequency([r.tangent for r in chosen])
        value = self.safety * 2.0 / frequency.omega
        domains = tuple(r.domain for r in chosen)
        return Step(value, self.level, 0.0, self.safety, domains, frequency, rungs, self)

    def all_rungs(self) -> list[Step]:
        """Return the step of every rung; materials of shorter ladders stay on their last one."""
        count = max(len(ladder) for ladder in self.ladders)
        return [
            self.at(tuple(min(i, len(ladder) - 1) for ladder in self.ladders)) for i in range(count)
        ]

    def _frequency(self, bounds: list[Mapping[str, float]]) -> HighestFrequency:
        """Return the highest frequency; proportional bounds share one eigenvalue problem."""
        weights = self._weights_by_quadrature(bounds)
        scale = max(weights)
        key = tuple(float(f"{w / scale:.12e}") for w in weights)
        if key not in self._known:
            found = highest_frequency(self._operator, bounds, self.seed)
            self._known[key] = (scale, found)
        known_scale, found = self._known[key]
        ratio = float(np.sqrt(scale / known_scale)) * (
            1.0 + (0.0 if scale == known_scale else 1e-11)
        )
        return HighestFrequency(
            found.omega * ratio,
            found.lower * ratio,
            found.rule,
            found.failure_probability,
            found.cell,
            found.centre,
        )

    def _weights_by_quadrature(self, bounds: list[Mapping[str, float]]) -> list[float]:
        """Sum the bounds of parts that share operator and quadrature, material by material."""
        cell = str(self.body.mesh.topology.cell_name())
        weights = []
        for material, values in zip(self.body.materials, bounds, strict=True):
            sums: dict[tuple[str, int], float] = {}
            for part in material.law.parts:
                kind = "gradient" if part.measure in GRADIENT_MEASURES else part.measure
                key = (kind, quadrature_degree(part, cell))
                sums[key] = sums.get(key, 0.0) + values[part.name]
            weights += list(sums.values())
        return weights


def critical_step(
    body: Body, level: str = "linearised", safety: float = 1.0, seed: int = 0
) -> Step:
    """Return the certified step of a body at rest, with the control of all further rungs.

    A law that is certified on a ladder of domains starts on the smallest; a run changes the step
    when the body leaves it.

    Args:
        body: The body.
        level: ``linearised``.
        safety: Share of the limit that is taken, in (0, 1].
        seed: Of the random start of Lanczos.

    Raises:
        InputError: Unknown level, or a safety outside (0, 1].
    """
    control = StepControl(body, level, safety, seed)
    return control.at((0,) * len(body.materials))
