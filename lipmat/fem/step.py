r"""The stable time step of a body, computed and proved before the run.

With x = (h omega)^2 and the viscosity beta h C0, the three levels hold for

    linearised   x < 4 / (1 + 2 beta),                            every frozen tangent is stable
    convex       x <= (sqrt(8 (1 + beta)) - 3) / beta^2,          the Lyapunov function cannot rise
    energy       x <= (2 beta - 1) / beta^2,          kinetic plus stored energy cannot rise
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite, sqrt

import numpy as np

from lipmat.errors import InputError, nearest
from lipmat.fem.body import Body
from lipmat.fem.contact import BoundWall, Wall, bind
from lipmat.fem.eigenvalue import Bounds, HighestFrequency, ReferenceOperator, highest_frequency
from lipmat.fem.forms import is_gradient_bound
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import is_small_strain

LEVELS = ("linearised", "convex", "energy")
PROVES = {
    "linearised": "every frozen tangent is stable; the nonlinear run may still grow",
    "convex": "the nonlinear run cannot grow: a Lyapunov function cannot rise",
    "energy": "kinetic plus stored energy itself cannot rise",
}
BEST_VISCOSITY = {"linearised": 0.0, "convex": 0.245, "energy": 1.0}
VISCOSITIES = {"linearised": (0.0, inf), "convex": (0.125, 0.5), "energy": (0.5, 1.0)}
Rungs = tuple[int, ...]


def limit(level: str, viscosity: float) -> float:
    """Return the largest ``h omega`` that a level allows (theory, section 4).

    Raises:
        InputError: Unknown level, or a viscosity outside the level's range.
    """
    if level not in LEVELS:
        raise InputError(f"level: found {level!r}, {nearest(level, LEVELS)}")
    low, high = VISCOSITIES[level]
    enough = viscosity > low or viscosity == low == 0.0
    if not (isfinite(viscosity) and enough and viscosity <= high):
        raise InputError(
            f"viscosity: found {viscosity:g}, expected more than {low:g} and at most {high:g} "
            f"at level {level!r}"
            if low
            else f"viscosity: found {viscosity:g}, expected 0 or more at level {level!r}"
        )
    if level == "linearised":
        return 2.0 / sqrt(1.0 + 2.0 * viscosity)
    if level == "convex":
        return sqrt(sqrt(8.0 * (1.0 + viscosity)) - 3.0) / viscosity
    return sqrt(2.0 * viscosity - 1.0) / viscosity


def default_level(body: Body, walls: Sequence[Wall] = ()) -> str:
    """Return the level that proves most, and of those the one whose step is the largest."""
    return next(
        level for level in ("convex", "energy", "linearised") if refusal(body, level, walls) is None
    )


def refusal(body: Body, level: str, walls: Sequence[Wall] = ()) -> str | None:
    """Return why a level cannot be certified for a body, or None if it can."""
    if level == "linearised":
        return None
    for material in body.materials:
        if not is_small_strain(material.law):
            return (
                f"the law {material.law.name!r} is one of large deformation, whose bound holds in "
                "a domain only, expected 'linearised'"
            )
    if not all(wall.shape.convex for wall in walls):
        return "a wall that is a cylinder met from outside is not convex, expected 'linearised'"
    if level == "energy":
        return None
    for material in body.materials:
        if material.law.bound().rungs[-1].domain is not None:
            return (
                f"the bound of the law {material.law.name!r} holds in a domain only, and the proof "
                "needs it beyond, expected 'energy'"
            )
        if not material.law.convex:
            return f"the law {material.law.name!r} softens past a peak, expected 'energy'"
    if walls:
        return "its viscosity would hold the walls' nodes also in free flight, expected 'energy'"
    return None


@dataclass(frozen=True)
class Step:
    """A certified time step.

    Attributes:
        value: The step [s].
        level: What is proved, see ``PROVES``.
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
        level: Level of the certificate; None: :func:`default_level`.
        safety: Share of the limit that is taken, in (0, 1].
        seed: Of the random start of Lanczos.
        viscosity: Factor beta; None: the one that allows the largest step.
        walls: Rigid walls, whose stiffness is a part of K0.

    Raises:
        InputError: Unknown level, one that the laws or walls do not allow, a viscosity outside the
            level's range or for a law of large deformation, or a safety outside (0, 1].
    """

    def __init__(
        self,
        body: Body,
        level: str | None,
        safety: float,
        seed: int,
        viscosity: float | None = None,
        walls: Sequence[Wall] = (),
    ) -> None:
        self.level = default_level(body, walls) if level is None else level
        if self.level not in LEVELS:
            raise InputError(f"level: found {level!r}, {nearest(self.level, LEVELS)}")
        self.viscosity = BEST_VISCOSITY[self.level] if viscosity is None else viscosity
        self.limit = limit(self.level, self.viscosity)
        if walls and self.viscosity and self.level == "linearised":
            # the walls' forces are taken a step ahead, which is their viscosity of factor 1
            self.limit = min(self.limit, limit(self.level, 1.0))
        if not 0 < safety <= 1:
            raise InputError(f"safety: found {safety}, expected more than 0 and at most 1")
        if self.viscosity and not body.small_strain and self.level == "linearised":
            raise InputError(
                f"viscosity: found {self.viscosity:g}, expected 0: it would resist the rotation "
                "of a law of large deformation"
            )
        self.body, self.safety, self.seed = body, safety, seed
        self.mass_factor = body.mass_factor
        """That of the body when the steps were certified."""
        self.longest = inf
        """A step that is asked for: none is longer [s]."""
        self.ladders = [m.law.bound().rungs for m in body.materials]
        if reason := refusal(body, self.level, walls):
            raise InputError(f"level: found {self.level!r}, but {reason}")
        self.walls = self._bound(walls)
        self.contact = np.sum([w.nodal_stiffness for w in self.walls], axis=0) if walls else None
        """Stiffness of the walls at the owned displacement components [N/m]; None: no walls."""
        self.operator = ReferenceOperator(body, self.contact)
        """K0 and M with the walls; whoever uses it sets its bounds."""
        self._known: dict[tuple[float, ...], tuple[float, HighestFrequency]] = {}

    def _bound(self, walls: Sequence[Wall]) -> tuple[BoundWall, ...]:
        """Bind walls to the body; a default stiffness follows from its frequency without them."""
        if not walls:
            return ()
        smallest = [ladder[0].tangent for ladder in self.ladders]
        omega = highest_frequency(ReferenceOperator(self.body), smallest, self.seed).omega
        return tuple(bind(self.body, wall, omega) for wall in walls)

    def at(self, rungs: Rungs) -> Step:
        """Return the step that is certified while each material stays in its rung's domain."""
        chosen = [ladder[i] for ladder, i in zip(self.ladders, rungs, strict=True)]
        frequency = self._frequency([r.tangent for r in chosen])
        return Step(
            min(self.longest, self.safety * self.limit / frequency.omega),
            self.level,
            self.viscosity,
            self.safety,
            tuple(r.domain for r in chosen),
            frequency,
            rungs,
            self,
        )

    def all_rungs(self) -> list[Step]:
        """Return the step of every rung; materials of shorter ladders stay on their last one."""
        count = max(len(ladder) for ladder in self.ladders)
        return [
            self.at(tuple(min(i, len(ladder) - 1) for ladder in self.ladders)) for i in range(count)
        ]

    def _frequency(self, bounds: Bounds) -> HighestFrequency:
        """Return the highest frequency; proportional bounds share one problem if K0 is theirs."""
        weights = self._weights_by_operator(bounds)
        fixed = self.walls or any(f.hourglass for f in self.body.forms)
        scale = 1.0 if fixed else max(weights)
        key = tuple(float(f"{w / scale:.12e}") for w in weights)
        if key not in self._known:
            self._known[key] = (scale, highest_frequency(self.operator, bounds, self.seed))
        known_scale, found = self._known[key]
        rounding = 0.0 if scale == known_scale else 1e-11
        ratio = sqrt(scale / known_scale) * (1.0 + rounding)
        return replace(found, omega=found.omega * ratio, lower=found.lower * ratio)

    def _weights_by_operator(self, bounds: Bounds) -> list[float]:
        """Sum the bounds of parts that share an operator, material by material."""
        weights: list[float] = []
        for forms, values in zip(self.body.forms, bounds, strict=True):
            sums: dict[tuple[str, bool], np.ndarray] = {}
            for part in forms.law.parts:
                meaned = forms.meaned[part.name]
                kind = "gradient" if is_gradient_bound(part) else part.measure
                bound = np.ravel(values[part.name])
                sums[kind, meaned] = sums.get((kind, meaned), np.zeros(1)) + bound
            weights += [float(w) for total in sums.values() for w in total]
        return weights


def critical_step(
    body: Body,
    level: str | None = None,
    safety: float = 1.0,
    seed: int = 0,
    viscosity: float | None = None,
    walls: Sequence[Wall] = (),
) -> Step:
    """Return the certified step of a body at rest, with the control of all further rungs.

    A law that is certified on a ladder of domains starts on the smallest; a run changes the step
    when the body leaves it.

    Args:
        body: The body.
        level: ``linearised``, ``convex`` or ``energy``; None: ``convex`` for convex laws of small
            strain, ``energy`` for others of small strain and where there are walls that are convex,
            else ``linearised``.
        safety: Share of the limit that is taken, in (0, 1]; the proof is the safety.
        seed: Of the random start of Lanczos.
        viscosity: Factor beta of the viscosity beta h C0; None: the one of the largest step.
        walls: Rigid walls that the body may touch; their stiffness is a part of the certificate.

    Raises:
        InputError: Unknown level, one that the laws or walls do not allow, a viscosity outside the
            level's range, or a safety outside (0, 1].
    """
    control = StepControl(body, level, safety, seed, viscosity, walls)
    return control.at((0,) * len(body.materials))
