"""Rigid walls: planes and cylinders, which may move.

With the unit normal n, the radial distance d to the axis of a cylinder of radius R and the
direction t around it, the penalty ``k p^2 / 2`` of the depth p has inside the wall the Hessian

    plane                    k n n^T
    cylinder, body inside    k (n n^T + (d - R)/d t t^T)     d > R
    cylinder, body outside   k (n n^T - (R - d)/d t t^T)     d < R

None of them exceeds k. The first two are convex; the third curves downwards around the axis, so a
body outside a cylinder has no certificate that needs a convex potential.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError

Array = NDArray[np.float64]
Vector = tuple[float, float, float]
Translation = Callable[[float], Sequence[float]]


@dataclass(frozen=True)
class Plane:
    """A plane; the body is on the side that its normal points to.

    Attributes:
        point: Any of its points [m].
        normal: Towards the body, of any length.

    Raises:
        InputError: A normal of no length, or a number that is not finite.
    """

    point: Vector
    normal: Vector

    def __post_init__(self) -> None:
        _finite(self.point, "wall: point")
        _unit(self.normal, "wall: normal")

    @property
    def convex(self) -> bool:
        """Whether the potential is convex: it is."""
        return True

    @cached_property
    def _n(self) -> Array:
        return _unit(self.normal, "wall: normal")

    def directions(self) -> NDArray[np.bool_]:
        """Return which components the normal has."""
        found: NDArray[np.bool_] = self._n != 0.0
        return found

    def gap(self, x: Array) -> tuple[Array, Array]:
        """Return gap (n,) [m], negative inside the wall, and normals (n, 3) at places (n, 3)."""
        return (x - self.point) @ self._n, np.broadcast_to(self._n, x.shape)


@dataclass(frozen=True)
class Cylinder:
    """A circular cylinder without ends.

    Attributes:
        point: A point of its axis [m].
        axis: Its direction, of any length.
        radius: [m].
        inside: Whether the body is inside (a bore) or outside (an indenter, not convex).

    Raises:
        InputError: An axis of no length, a radius that is not positive, or a number that is not
            finite.
    """

    point: Vector
    axis: Vector
    radius: float
    inside: bool

    def __post_init__(self) -> None:
        _finite(self.point, "wall: point")
        _unit(self.axis, "wall: axis")
        _positive(self.radius, "wall: radius")

    @property
    def convex(self) -> bool:
        """Whether the potential is convex: only that of a bore."""
        return self.inside

    @cached_property
    def _a(self) -> Array:
        return _unit(self.axis, "wall: axis")

    def directions(self) -> NDArray[np.bool_]:
        """Return which components the normal can have: all but a coordinate along the axis."""
        found: NDArray[np.bool_] = np.abs(self._a) != 1.0
        return found

    def gap(self, x: Array) -> tuple[Array, Array]:
        """Return gap (n,) [m], negative inside the wall, and normals (n, 3) at places (n, 3)."""
        radial = x - self.point
        radial -= np.outer(radial @ self._a, self._a)
        distance = np.linalg.norm(radial, axis=1)
        radial /= np.maximum(distance, np.finfo(float).tiny)[:, None]
        if self.inside:
            return self.radius - distance, -radial
        return distance - self.radius, radial


@dataclass(frozen=True)
class Wall:
    """A rigid wall that a surface group of the body may touch, without friction.

    Attributes:
        on: Name of the group; its nodes are watched.
        shape: Plane or cylinder.
        stiffness: Pressure per depth [Pa/m]; None: at each node a tenth of its mass times the
            square of the body's highest frequency.
        translation: Where the wall has moved to at a time [s], as a vector [m]; None: it stands.

    Raises:
        InputError: A stiffness that is not positive.
    """

    on: str
    shape: Plane | Cylinder
    stiffness: float | None = None
    translation: Translation | None = None

    def __post_init__(self) -> None:
        if self.stiffness is not None:
            _positive(self.stiffness, f"wall on {self.on!r}: stiffness")


def _finite(vector: Sequence[float], where: str) -> None:
    v = np.asarray(vector, dtype=np.float64)
    if v.shape != (3,) or not np.isfinite(v).all():
        raise InputError(f"{where}: found {list(vector)}, expected three finite numbers")


def _positive(value: float, where: str) -> None:
    if not (np.isfinite(value) and value > 0.0):
        raise InputError(f"{where}: found {value}, expected a positive number")


def _unit(vector: Sequence[float], where: str) -> Array:
    """Return a vector of length one."""
    _finite(vector, where)
    v = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(v))
    if length == 0.0:
        raise InputError(f"{where}: found {list(vector)}, expected a vector that is not zero")
    unit: Array = v / length
    return unit
