"""What acts on the body in a case file: boundary, initial velocity, gravity, and their curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, BeforeValidator, field_validator, model_validator

from lipmat.config.curves import Curve, curve_factor
from lipmat.config.expression import compile_expression
from lipmat.config.walls import WallSpec
from lipmat.errors import InputError
from lipmat.schema import Acceleration, Length, Name, Stress, Table, Velocity

Floats = NDArray[np.float64]
KINDS = ("displacement", "velocity", "traction", "traction_field", "pressure", "wall")


def _none_if_free(entry: object) -> object:
    return None if entry == "free" else entry


def _not_all_free(entries: tuple[float | None, ...] | None) -> tuple[float | None, ...] | None:
    if entries is not None and all(entry is None for entry in entries):
        raise ValueError("expected at least one component that is not 'free'")
    return entries


_Free = BeforeValidator(_none_if_free)
_LengthOrFree = Annotated[Length | None, _Free]
_VelocityOrFree = Annotated[Velocity | None, _Free]


class BoundarySpec(Table):
    """What a part of the boundary is held to or loaded by; exactly one kind of ``KINDS``.

    Attributes:
        on: a named group of the mesh, or ``x-min`` … ``z-max`` of a box.
        displacement: along x, y, z [m]; None (``"free"`` in the file) where not prescribed.
        velocity: along x, y, z [m/s]; None (``"free"`` in the file) where not prescribed.
        traction: force per reference area along x, y, z [Pa].
        traction_field: three expressions in x, y, z [m] and t [s] that give it [Pa].
        pressure: against the outward normal [Pa].
        wall: a rigid wall that it may touch.
        curve: pairs of time [s] and the factor on the value (of a wall, on its motion), piecewise
            linear.
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
    traction_field: tuple[str, str, str] | None = None
    pressure: Stress | None = None
    wall: WallSpec | None = None
    curve: Curve | None = None

    @field_validator("traction_field")
    @classmethod
    def _check_expressions(cls, texts: tuple[str, str, str] | None) -> tuple[str, str, str] | None:
        _compiled(texts or (), "xyzt")
        return texts

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> BoundarySpec:
        found = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(found) != 1:
            raise ValueError(
                f"found {' and '.join(found) or 'none'}, expected exactly one of {', '.join(KINDS)}"
            )
        if self.wall is not None and self.curve is not None and not self.wall.moves:
            raise ValueError("found a curve of a wall that stands, give the wall a displacement")
        return self

    def factor(self, time: float) -> float:
        """Return the factor on the value at a time [s]; constant outside the curve."""
        return curve_factor(self.curve, time)

    def traction_at(self) -> Callable[[Floats, float], Floats]:
        """Return the field of tractions (3, n) [Pa] of points (3, n) [m] and a time [s]."""
        rows = _compiled(self.traction_field or (), "xyzt")

        def field(points: Floats, time: float) -> Floats:
            return np.stack([row(*points, time) for row in rows])

        return field


def _compiled(texts: Sequence[str], names: str) -> list[Callable[..., Floats]]:
    """Compile the components of a field; an error names the component."""
    pairs = zip("xyz", texts, strict=False)
    return [compile_expression(text, tuple(names), f"component {axis}") for axis, text in pairs]


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
        _compiled(texts or (), "xyz")
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
        velocity = np.stack([row(x, y, z) for row in _compiled(self.velocity_field, "xyz")])
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
