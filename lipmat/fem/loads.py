"""Boundary conditions and loads: prescribed motion, tractions, pressure, gravity, time curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import ufl
from numpy.typing import ArrayLike, NDArray

from lipmat.errors import InputError
from lipmat.fem.body import Array, Body
from lipmat.fem.lift import cofactor
from lipmat.fem.mpi import MPI  # noqa: F401  (before dolfinx)
from lipmat.fem.surface import SurfaceAssembler, nodal_areas, surface
from lipmat.fem.wall import Wall

# isort: split
from dolfinx import fem, la

Curve = Callable[[float], float]


def constant(time: float) -> float:
    """The curve of a load that does not vary."""
    return 1.0


@dataclass(frozen=True)
class Motion:
    """Prescribed displacement [m] or velocity [m/s] of a surface group.

    Attributes:
        on: Name of the group.
        values: Three components; None leaves one free.
        kind: ``displacement`` or ``velocity``.
        curve: Factor over time [s].
    """

    on: str
    values: tuple[float | None, float | None, float | None]
    kind: str = "displacement"
    curve: Curve = constant


@dataclass(frozen=True)
class Traction:
    """Force per reference area [Pa] of fixed direction on a surface group."""

    on: str
    values: tuple[float, float, float]
    curve: Curve = constant


@dataclass(frozen=True)
class TractionField:
    """Force per reference area [Pa] that varies over a surface group and in time.

    Attributes:
        on: Name of the group.
        field: Function of reference points (3, n) [m] and a time [s] to tractions (3, n). Each
            node takes the value at its place times its area ``int v ds``.
        curve: Factor over time [s].
    """

    on: str
    field: Callable[[Array, float], ArrayLike]
    curve: Curve = constant


@dataclass(frozen=True)
class Pressure:
    """Pressure [Pa] against the outward normal of the deformed surface group.

    It turns with the surface, and its load stiffness is no part of the certificate of the step;
    with laws of small strain it acts on the undeformed surface and is inside every certificate.
    """

    on: str
    value: float
    curve: Curve = constant


@dataclass(frozen=True)
class Gravity:
    """Acceleration [m/s^2] of the whole body."""

    values: tuple[float, float, float]
    curve: Curve = constant


Load = Motion | Traction | TractionField | Pressure | Gravity | Wall


class ExternalForce:
    """The sum of all forces from outside on the owned displacement components.

    Args:
        body: The body.
        u: Its displacement; pressure follows it.
        loads: Those that are forces are taken; walls are the integrator's.

    Raises:
        InputError: An unknown group, or a field of tractions that is not finite at time zero.
    """

    def __init__(self, body: Body, u: fem.Function, loads: Sequence[Load]) -> None:
        self._dead: list[tuple[Array, Curve]] = []
        self._follower: list[tuple[SurfaceAssembler, Curve]] = []
        self._fields: list[_NodalTraction] = []
        self._owned = body.owned
        self._work = la.vector(body.space.dofmap.index_map, 3)
        for load in loads:
            if isinstance(load, Gravity):
                nodes = body.owned // 3
                self._dead.append(
                    (body.physical_mass[: body.owned] * np.tile(load.values, nodes), load.curve)
                )
            elif isinstance(load, Traction):
                self._dead.append((self._traction(body, load), load.curve))
            elif isinstance(load, TractionField):
                self._fields.append(_NodalTraction(body, load))
            elif isinstance(load, Pressure):
                assemble = _pressure_form(body, u, load)
                if body.small_strain:  # on the undeformed surface: a dead load
                    assemble(self._work)
                    self._dead.append((np.array(self._work.array[: self._owned]), load.curve))
                else:
                    self._follower.append((assemble, load.curve))

    def _traction(self, body: Body, load: Traction) -> Array:
        v, values = ufl.TestFunction(body.space), np.array(load.values, dtype=np.float64)
        force = fem.Constant(body.mesh, values)
        SurfaceAssembler(ufl.inner(force, v) * surface(body, load.on))(self._work)
        return np.array(self._work.array[: self._owned])

    @property
    def present(self) -> bool:
        """Whether there is any force."""
        return bool(self._dead or self._follower or self._fields)

    def __call__(self, time: float, out: Array) -> None:
        """Set ``out`` (owned components) to the force at a time [N]."""
        out[:] = 0.0
        for vector, curve in self._dead:
            out += curve(time) * vector
        for assemble, curve in self._follower:
            assemble(self._work)
            out += curve(time) * self._work.array[: self._owned]
        for field in self._fields:
            field.add(time, out)


class _NodalTraction:
    """A field of tractions at the nodes of its group."""

    def __init__(self, body: Body, load: TractionField) -> None:
        areas = nodal_areas(body, load.on)
        self._nodes = np.flatnonzero(areas > 0.0)
        self._areas = areas[self._nodes, None]
        places = body.places[self._nodes]
        self._places, self._load = np.ascontiguousarray(places.T), load
        start = np.asarray(load.field(self._places, 0.0), dtype=np.float64)
        good = start.shape == self._places.shape and bool(np.isfinite(start).all())
        if body.comm.allreduce(int(not good)):
            raise InputError(
                f"traction field on {load.on!r}: found values at time zero that are not finite "
                "vectors [Pa], expected three finite numbers at each node"
            )

    def add(self, time: float, out: Array) -> None:
        """Add the forces at a time to the owned components [N]."""
        values = np.asarray(self._load.field(self._places, time), dtype=np.float64).T
        out.reshape(-1, 3)[self._nodes] += self._load.curve(time) * self._areas * values


def _pressure_form(body: Body, u: fem.Function, load: Pressure) -> SurfaceAssembler:
    """Return ``-p int (cof F N) . v``: the pressure on the deformed surface (Nanson's formula).

    With laws of small strain, which do not tell the two apart, on the undeformed one.
    """
    v, normal = ufl.TestFunction(body.space), ufl.FacetNormal(body.mesh)
    value = fem.Constant(body.mesh, float(load.value))
    turn = ufl.Identity(3) if body.small_strain else cofactor(ufl.Identity(3) + ufl.grad(u))
    push = turn * normal
    return SurfaceAssembler(-value * ufl.inner(push, v) * surface(body, load.on))


class PrescribedMotion:
    """Components whose motion is given, and their velocities over a step.

    Args:
        body: The body.
        loads: Those that are motions are taken.

    Raises:
        InputError: Two motions give the same component of a node different values.
    """

    def __init__(self, body: Body, loads: Sequence[Load]) -> None:
        self.motions = [load for load in loads if isinstance(load, Motion)]
        owner = np.full(body.owned, -1)
        axis_value = np.zeros(body.owned)
        for number, motion in enumerate(self.motions):
            for axis, value in enumerate(motion.values):
                if value is None:
                    continue
                dofs = _components(body, motion.on, axis)
                self._check(body, owner[dofs], axis_value[dofs], value, motion, axis)
                owner[dofs], axis_value[dofs] = number, value
        self.dofs = np.flatnonzero(owner >= 0)
        self._values, self._number = axis_value[self.dofs], owner[self.dofs]

    def _check(
        self,
        body: Body,
        owners: NDArray[np.int64],
        values: Array,
        value: float,
        motion: Motion,
        axis: int,
    ) -> None:
        clash = 0
        for other, given in zip(owners, values, strict=True):
            if other >= 0:
                held = self.motions[other]
                both_fixed = given == value == 0.0
                same = held.kind == motion.kind and given == value and held.curve is motion.curve
                clash += not (both_fixed or same)
        if body.comm.allreduce(clash):
            raise InputError(
                f"boundary on {motion.on!r}: component {'xyz'[axis]} of some of its nodes is "
                "prescribed differently by another boundary, expected one value for each component"
            )

    @property
    def present(self) -> bool:
        """Whether this rank holds a prescribed component."""
        return len(self.dofs) > 0

    def start(self) -> Array:
        """Return the displacements at time zero [m]."""
        out = np.zeros(len(self.dofs))
        for number, motion in enumerate(self.motions):
            if motion.kind == "displacement":
                here = self._number == number
                out[here] = self._values[here] * motion.curve(0.0)
        return out

    def velocity(self, time: float, step: float, displacement: Array) -> Array:
        """Return the velocities that lead from a displacement to the prescribed one.

        Args:
            time: Start of the step [s].
            step: Its length [s].
            displacement: Present values of the prescribed components [m].
        """
        out = np.empty(len(self.dofs))
        for number, motion in enumerate(self.motions):
            here = self._number == number
            if motion.kind == "velocity":
                out[here] = self._values[here] * motion.curve(time + 0.5 * step)
            else:
                target = self._values[here] * motion.curve(time + step)
                out[here] = (target - displacement[here]) / step
        return out


def _components(body: Body, group: str, axis: int) -> NDArray[np.int32]:
    """Return the owned displacement components of one axis on a surface group."""
    blocks = fem.locate_dofs_topological(body.space, 2, body.grid.group(group), remote=True)
    owned = blocks[blocks < body.owned // 3]
    components: NDArray[np.int32] = (3 * owned + axis).astype(np.int32)
    return components
