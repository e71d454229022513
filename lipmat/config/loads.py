"""What acts on the body in a case file: boundary, initial velocity, gravity, and their curves."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from lipmat.config.expression import compile_expression
from lipmat.errors import InputError
from lipmat.schema import Acceleration, Length, Name, Number, Stress, Table, Time, Velocity


def _increasing(curve: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    for (earlier, _), (later, _) in pairwise(curve):
        if later <= earlier:
            raise ValueError(f"expected increasing times, but {later!r} s follows {earlier!r} s")
    return curve


def _none_if_free(entry: object) -> object:
    return None if entry == "free" else entry


def _not_all_free(entries: tuple[float | None, ...] | None) -> tuple[float | None, ...] | None:
    if entries is not None and all(entry is None for entry in entries):
        raise ValueError("expected at least one component that is not 'free'")
    return entries


Curve = Annotated[tuple[tuple[Time, Number], ...], Field(min_length=2), AfterValidator(_increasing)]
_Free = BeforeValidator(_none_if_free)
_LengthOrFree = Annotated[Length | None, _Free]
_VelocityOrFree = Annotated[Velocity | None, _Free]


def curve_factor(curve: tuple[tuple[float, float], ...] | None, time: float) -> float:
    """Return the factor of a piecewise linear curve at a time [s].

    It is constant outside the times of the curve, and 1 without a curve.
    """
    if curve is None:
        return 1.0
    times, factors = zip(*curve, strict=True)
    return float(np.interp(time, times, factors))


class BoundarySpec(Table):
    """What a part of the boundary is held to or loaded by; exactly one of the four kinds.

    Attributes:
        on: a named group of the mesh, or ``x-min`` … ``z-max`` of a box.
        displacement: along x, y, z [m]; None (``"free"`` in the file) where not prescribed.
        velocity: along x, y, z [m/s]; None (``"free"`` in the file) where not prescribed.
        traction: force per reference area along x, y, z [Pa].
        pressure: against the outward normal [Pa].
        curve: pairs of time [s] and the factor on the value, piecewise linear.
    """

    on: Name
    displacement: (
        Annotated[tuple[_LengthOrFree, _LengthOrFree, _LengthOrFree], AfterValidator(_not_all_free)]
        | None
    ) = None
    velocity: (
        Annotated[
            tuple[_VelocityOrFree, _VelocityOrFree, _VelocityOrFree], AfterValidator(_not_all_free)
        ]
        | None
    ) = None
    traction: tuple[Stress, Stress, Stress] | None = None
    pressure: Stress | None = None
    curve: Curve | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_wall(cls, data: object) -> object:
        if isinstance(data, dict) and "wall" in data:
            raise ValueError("'wall' (contact) is not available yet, remove it")
        return data

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> BoundarySpec:
        kinds = ("displacement", "velocity", "traction", "pressure")
        found = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(found) != 1:
            raise ValueError(
                f"found {' and '.join(found) or 'none'}, expected exactly one of {', '.join(kinds)}"
            )
        return self

    def factor(self, time: float) -> float:
        """Return the factor on the value at a time [s]; constant outside the curve."""
        return curve_factor(self.curve, time)


class InitialSpec(Table):
    """The velocity at the start: the same everywhere, or an expression of the place.

    Attributes:
        velocity: along x, y, z [m/s].
        velocity_field: three expressions in x, y, z [m] that give m/s.
    """

    velocity: tuple[Velocity, Velocity, Velocity] = (0.0, 0.0, 0.0)
    velocity_field: tuple[str, str, str] | None = None

    @field_validator("velocity_field")
    @classmethod
    def _check_expressions(cls, texts: tuple[str, str, str] | None) -> tuple[str, str, str] | None:
        for axis, text in zip("xyz", texts or (), strict=False):
            compile_expression(text, where=f"component {axis}")
        return texts

    @model_validator(mode="after")
    def _one_velocity(self) -> InitialSpec:
        if self.velocity_field is not None and any(self.velocity):
            raise ValueError("found velocity and velocity_field, expected only one of them")
        return self

    def velocity_at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return the velocity [m/s], shape (3, n), at points [m], shape (3, n).

        Raises:
            InputError: an expression has no finite value at one of the points.
        """
        x, y, z = np.asarray(points, dtype=np.float64)
        if self.velocity_field is None:
            return np.repeat(np.array(self.velocity)[:, None], len(x), axis=1)
        rows = [compile_expression(text)(x, y, z) for text in self.velocity_field]
        velocity = np.stack(rows)
        bad = np.flatnonzero(~np.isfinite(velocity).all(axis=0))
        if bad.size:
            place = ", ".join(f"{c[bad[0]]:g}" for c in (x, y, z))
            raise InputError(
                f"[initial] velocity_field: found {velocity[:, bad[0]].tolist()} m/s "
                f"at ({place}) m, expected finite numbers"
            )
        return velocity


class GravitySpec(Table):
    """A body force per mass.

    Attributes:
        acceleration: along x, y, z [m/s^2].
        curve: pairs of time [s] and the factor on the acceleration, piecewise linear.
    """

    acceleration: tuple[Acceleration, Acceleration, Acceleration]
    curve: Curve | None = None

    def factor(self, time: float) -> float:
        """Return the factor on the acceleration at a time [s]; constant outside the curve."""
        return curve_factor(self.curve, time)
