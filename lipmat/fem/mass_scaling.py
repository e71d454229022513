"""A step that the user asks for: taken if it is certified, or made so by adding mass.

A cell whose own frequency is too high gets a higher density for inertia. The highest frequency of
the body is at most that of its worst cell alone (Irons & Treharne, J. Strain Anal. 6 (1971)), so
the whole body follows; the certificate is that of the body with its added mass. Gravity acts on the
mass without the addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lipmat.errors import InputError
from lipmat.fem.body import Array, Body
from lipmat.fem.estimates import cell_limits
from lipmat.fem.matrix import volumes
from lipmat.fem.mpi import MPI
from lipmat.fem.step import Step, StepControl
from lipmat.fem.wall import Wall

# isort: split

TRIALS = 8  # certificates at most
CLOSE = 0.005  # what the certified step may exceed the requested one by
Options = tuple[str | None, float, int, float | None, Sequence[Wall]]


@dataclass(frozen=True)
class RegionMass:
    """The mass of a region [kg], None the whole body, and what was added to it [kg]."""

    region: str | None
    mass: float
    added: float

    @property
    def share(self) -> float:
        """The added mass over the mass [-]."""
        return self.added / self.mass


@dataclass(frozen=True)
class AddedMass:
    """What mass scaling did.

    Attributes:
        regions: Mass of each material's region, and what was added to it.
        cells: How many cells got a higher density.
        largest_factor: The largest factor on a density [-].
    """

    regions: tuple[RegionMass, ...]
    cells: int
    largest_factor: float

    @property
    def total(self) -> RegionMass:
        """The same for the whole body."""
        masses, added = zip(*((r.mass, r.added) for r in self.regions), strict=True)
        return RegionMass(None, sum(masses), sum(added))

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values: masses in kg, shares [-]."""
        rows = [
            {"region": r.region, "mass": r.mass, "added": r.added, "share": r.share}
            for r in (*self.regions, self.total)
        ]
        return {
            "cells": self.cells,
            "largest_factor": self.largest_factor,
            "total": rows.pop(),
            "regions": rows,
        }


def requested_step(
    body: Body,
    step: float,
    mass_scaling: bool = False,
    level: str | None = None,
    safety: float = 1.0,
    seed: int = 0,
    viscosity: float | None = None,
    walls: Sequence[Wall] = (),
) -> tuple[Step, AddedMass | None]:
    """Return a certificate for the step that is asked for.

    The step is never longer than that; it gets shorter only where, without mass scaling, the body
    leaves the domains of its laws on which that step is certified.

    Args:
        body: The body; with mass scaling its ``mass_factor`` is set.
        step: The step [s].
        mass_scaling: Add mass where the step needs it.
        level: As of ``critical_step``.
        safety: As of ``critical_step``.
        seed: As of ``critical_step``.
        viscosity: As of ``critical_step``.
        walls: As of ``critical_step``.

    Returns:
        The certificate, and what mass scaling added.

    Raises:
        InputError: A step that is not positive, or longer than certified without mass scaling.
    """
    if not (np.isfinite(step) and step > 0):
        raise InputError(f"step: found {step}, expected a positive time")
    options: Options = (level, safety, seed, viscosity, walls)
    if not mass_scaling:
        return _within(StepControl(body, *options), step), None
    return _with_added_mass(body, step, options)


def _within(control: StepControl, step: float) -> Step:
    """Return the certificate of a step that is not longer than the certified one."""
    certified = control.at((0,) * len(control.ladders))
    if step > certified.value:
        raise InputError(
            f"step: found {step:g} s, expected at most the certified {certified.value:.6g} s "
            f"(level {certified.level!r}, set by cell {certified.frequency.cell}), or "
            "mass_scaling = true"
        )
    control.longest = step
    return control.at(certified.rungs)


def _with_added_mass(body: Body, step: float, options: Options) -> tuple[Step, AddedMass]:
    """Raise densities until the step is certified in the whole domain of every law."""
    body.mass_factor = None
    control, certified = _certified(body, options)
    factor = np.ones(body.mesh.topology.index_map(3).size_local)
    if certified < step:
        bounds = [ladder[-1].tangent for ladder in control.ladders]
        aim = control.safety * control.limit / step
        factor = _least_factor(body, cell_limits(body, bounds), aim, step, options)
        body.scale_mass(factor)
        control, _ = _certified(body, options)
    control.longest = step
    return control.at((0,) * len(control.ladders)), _added(body, factor)


def _certified(body: Body, options: Options) -> tuple[StepControl, float]:
    """Return the control of the body as it is, and the step in the whole domain of every law."""
    control = StepControl(body, *options)
    last = tuple(len(ladder) - 1 for ladder in control.ladders)
    return control, control.at(last).value


def _least_factor(body: Body, own: Array, aim: float, step: float, options: Options) -> Array:
    """Return nearly the least factors on the densities with which the step is certified.

    Cells' own frequencies are brought down to an aim. The frequency that the step needs is a safe
    aim; the body's is lower than that of its worst cell, so a higher one may do.

    Args:
        body: The body; its ``mass_factor`` is tried out.
        own: Highest frequency of each owned cell without added mass [rad/s].
        aim: The first aim [rad/s].
        step: The step to certify [s].
        options: Level, safety, seed, viscosity and walls.

    Raises:
        InputError: The walls are too stiff for the step.
    """
    best, good, bad = None, 0.0, np.inf
    for _ in range(TRIALS):
        factor = np.maximum(1.0, (own / aim) ** 2)
        body.scale_mass(factor)
        _, certified = _certified(body, options)
        ratio = certified / step
        if ratio >= 1.0:
            best, good = factor, aim
            if ratio < 1.0 + CLOSE:
                break
        else:
            bad = aim
        guess = aim * ratio * (1.0 - 0.2 * CLOSE)
        aim = guess if good < guess < bad else float(np.sqrt(good * bad))
    if best is None:
        raise InputError(
            f"step: found {step:g} s, but the walls allow {certified:.6g} s at most even with mass "
            "added; give them a smaller stiffness"
        )
    return best


def _added(body: Body, factor: Array) -> AddedMass:
    """Return the masses of the regions and what a factor on the cells' densities adds."""
    comm, volume = body.comm, _volumes(body)
    regions = []
    for material, cells in zip(body.materials, body.cells, strict=True):
        mass = material.density * volume[cells]
        parts = np.array([mass.sum(), (mass * (factor[cells] - 1.0)).sum()])
        total, added = (float(value) for value in comm.allreduce(parts))
        regions.append(RegionMass(material.region, total, added))
    raised = comm.allreduce(int((factor > 1.0).sum()))
    largest = comm.allreduce(float(factor.max(initial=1.0)), op=MPI.MAX)
    return AddedMass(tuple(regions), raised, largest)


def _volumes(body: Body) -> Array:
    """Return the volume of each owned cell [m^3]."""
    found = volumes(body)
    owned = body.mesh.topology.index_map(3).size_local
    out: Array = found.x.array[found.function_space.dofmap.list[:owned, 0]]
    return out
