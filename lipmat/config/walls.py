"""Rigid walls in a case file: ``wall = { plane = { point = …, normal = … }, stiffness = … }``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import StrictBool, model_validator

from lipmat.config.curves import Pairs, curve_factor, curve_integral
from lipmat.fem.wall import Cylinder, Plane
from lipmat.schema import Foundation, Length, Number, PositiveLength, Table, Velocity


class PlaneSpec(Table):
    """A plane.

    Attributes:
        point: any of its points [m].
        normal: towards the body, of any length.
    """

    point: tuple[Length, Length, Length]
    normal: tuple[Number, Number, Number]


class CylinderSpec(Table):
    """A circular cylinder without ends.

    Attributes:
        point: a point of its axis [m].
        axis: its direction, of any length.
        radius: [m].
        inside: whether the body is inside (a bore) or outside (an indenter).
    """

    point: tuple[Length, Length, Length]
    axis: tuple[Number, Number, Number]
    radius: PositiveLength
    inside: StrictBool


class WallSpec(Table):
    """A rigid wall without friction; a plane or a cylinder, which may move.

    Attributes:
        plane: the plane, or None.
        cylinder: the cylinder, or None.
        stiffness: pressure per depth [Pa/m]; None: chosen for each node.
        displacement: where the wall moves to, times the boundary's curve [m].
        velocity: of the wall, times the boundary's curve [m/s].
    """

    plane: PlaneSpec | None = None
    cylinder: CylinderSpec | None = None
    stiffness: Foundation | None = None
    displacement: tuple[Length, Length, Length] | None = None
    velocity: tuple[Velocity, Velocity, Velocity] | None = None

    @model_validator(mode="after")
    def _one_shape_and_one_motion(self) -> WallSpec:
        if (self.plane is None) == (self.cylinder is None):
            found = "neither" if self.plane is None else "both"
            raise ValueError(f"found {found}, expected exactly one of plane, cylinder")
        if self.displacement is not None and self.velocity is not None:
            raise ValueError("found displacement and velocity, expected at most one of them")
        self.shape()  # a direction of length zero is refused here
        return self

    @property
    def moves(self) -> bool:
        """Whether the wall has a motion."""
        return self.displacement is not None or self.velocity is not None

    def shape(self) -> Plane | Cylinder:
        """Return the plane or cylinder."""
        if self.plane is not None:
            return Plane(self.plane.point, self.plane.normal)
        assert self.cylinder is not None
        return Cylinder(**self.cylinder.model_dump())

    def translation(self, curve: Pairs | None) -> Callable[[float], Any] | None:
        """Return where the wall has moved to [m] as a function of time [s]; None if it stands."""
        if not self.moves:
            return None
        vector, factor = self.displacement, curve_factor
        if self.velocity is not None:
            vector, factor = self.velocity, curve_integral
        assert vector is not None
        x, y, z = vector

        def place(time: float) -> tuple[float, float, float]:
            f = factor(curve, time)
            return f * x, f * y, f * z

        return place
