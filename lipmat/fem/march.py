"""The run: one driver of integrator, guards, audit, records and restarts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lipmat.errors import InputError
from lipmat.fem.audit import Audit
from lipmat.fem.body import Array, Body
from lipmat.fem.driver import Driver, Parts, Progress
from lipmat.fem.energy_guard import LIMITS, WARNING, EnergyGuard
from lipmat.fem.fingerprint import fingerprint
from lipmat.fem.guard import Guard
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.interrupt import Interrupt
from lipmat.fem.loads import Load
from lipmat.fem.lyapunov import LyapunovCheck
from lipmat.fem.record import Record, Recorder
from lipmat.fem.restart import EVERY, RestartFile, Restarts, refuse_unresumable
from lipmat.fem.sharpstep import sharp_steps
from lipmat.fem.step import Step
from lipmat.fem.wall import Wall

Velocity = Callable[[Array], Array]


def march(
    body: Body,
    step: Step,
    end: float,
    *,
    loads: Sequence[Load] = (),
    velocity: Velocity | Sequence[float] = (0.0, 0.0, 0.0),
    folder: str | Path | None = None,
    every: float | None = None,
    check_every: int = 20,
    probes: Sequence[Sequence[float]] = (),
    energy_warning: float = WARNING,
    energy_limits: tuple[float, float] = LIMITS,
    verify: bool = False,
    sharp: bool = True,
    restart_every: float = EVERY,
    parallel: bool = False,
    resume: bool = False,
    identity: Mapping[str, str] | None = None,
    progress: Callable[[Progress], None] | None = None,
    info: dict[str, Any] | None = None,
) -> Record:
    """Run explicit dynamics with certified steps from rest or an initial velocity.

    A run with a folder leaves a restart file there: at its start, every so many seconds, and
    whenever it ends before its end. With ``resume`` the same call goes on from it, and leaves what
    the uninterrupted run would have left; on one rank, bit for bit. Body, mass, step, walls,
    ``end``, ``every``, ``check_every``, ``probes`` and ``verify`` are checked to be the same, loads
    cannot be: they are functions of yours. The rest may change.

    Args:
        body: The body.
        step: Certified step from ``critical_step``; its control gives the step of other domains.
        end: Time to reach [s].
        loads: Boundary conditions and loads; the walls of the step count without being named here.
        velocity: Initial velocity [m/s]: three numbers, or a function of points (3, n) to (3, n).
        folder: Where to write ``summary.json``, ``history.csv`` and ``fields.vtkhdf``; None: not.
        every: Time between outputs [s]; default a fiftieth of the end.
        check_every: Steps between two checks of domain, cells and energies; a check waits for an
            output or a bound that comes within half as many more.
        probes: Points whose nearest node's displacement goes into the history [m].
        energy_warning: Relative error of the energy account from which the run warns, once.
        energy_limits: Errors that end the run: negative where energy vanished, positive where it
            came from nowhere.
        verify: Evaluate the function that the certificate says cannot rise; needs level ``convex``
            or ``energy``.
        sharp: Let the step follow bounds at the present state, where a law allows it: one in
            stretches at level ``linearised``.
        restart_every: Time between two restart files, by the clock on the wall [s].
        parallel: Let every rank write its own part of the fields, for large bodies;
            ``fields.vtkhdf`` is then an index over the files in the folder ``pieces``.
        resume: Go on with the run that left a restart file in the folder.
        identity: More texts by name that must be the same when the run is resumed.
        progress: Called on all ranks at every check.
        info: More entries for the summary (title, material hashes, seed).

    Returns:
        The record; its outcome tells how the run ended.

    Raises:
        InputError: An end, time or number of steps that is not positive, energy limits that do not
            enclose zero, a step of another body or added mass, a wall that the step does not know,
            a boundary group that does not exist, or a folder without a restart file of this run.
        OSError: The records cannot be written; the restart file stays.
    """
    _refuse_another_body(body, step)
    _refuse_uncertified_walls(loads, step)
    times = {"end": end, "every": every, "check_every": check_every, "restart_every": restart_every}
    for name, value in times.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"march: found {name} = {value}, expected a positive number")
    place, every = None if folder is None else Path(folder), every or end / 50
    if resume:
        refuse_unresumable(body.comm, place)
    start = _initial_velocity(body, velocity)
    integrator = CentralDifference(body, loads, start, step.viscosity, step.control.walls)
    parts = Parts(
        integrator,
        integrator.memory,
        Guard(body, integrator.displacement, step.control, integrator.memory),
        Audit(body, integrator),
        EnergyGuard(energy_warning, energy_limits),
        LyapunovCheck(body, integrator, step) if verify else None,
        sharp_steps(step) if sharp else None,
    )
    settings = _settings(step, end, every, check_every, probes, verify) | dict(identity or {})
    settings |= {"sharp": repr(parts.sharp is not None), "parallel": repr(bool(parallel))}
    file = None if place is None else RestartFile(body, place, fingerprint(body) | settings)
    found = file.read() if file is not None and resume else None
    recorder = Recorder(body, place, probes, None if found is None else found[1], parallel)
    restarts = Restarts(file, recorder, restart_every)
    driver = Driver(body, step, end, every, check_every, parts, recorder, restarts, progress)
    if found is not None:
        driver.restore(found[0])
    try:
        with Interrupt(body.comm) as interrupt:
            ending = driver.run(interrupt)
            return driver.finish(ending, info or {})
    except OSError as error:
        raise OSError(
            f"{place}: the records cannot be written ({error}); make room, then go on with: "
            f"lipmat resume {place}"
        ) from error


def _refuse_another_body(body: Body, step: Step) -> None:
    certified = step.control.body
    if certified.formulation != body.formulation:
        raise InputError(
            f"march: the step was certified for the formulation {certified.formulation!r}, "
            f"expected {body.formulation!r}, which the body has"
        )
    if certified is not body:
        raise InputError("march: the step was certified for another body")
    if step.control.mass_factor is not body.mass_factor:
        raise InputError(
            "march: the added mass of the body has changed since the step was certified, expected "
            "the step of the last critical_step or requested_step"
        )


def _refuse_uncertified_walls(loads: Sequence[Load], step: Step) -> None:
    certified = [bound.wall for bound in step.control.walls]
    for load in loads:
        if isinstance(load, Wall) and load not in certified:
            raise InputError(
                f"march: found a wall on {load.on!r} whose stiffness is no part of the step's "
                "certificate, expected it among the walls of critical_step"
            )


def _settings(
    step: Step,
    end: float,
    every: float,
    check_every: int,
    probes: Sequence[Sequence[float]],
    verify: bool,
) -> dict[str, str]:
    """Return what a resumed run must share with the one that was interrupted."""
    walls = step.control.walls
    return {
        "level": f"{step.level!r}, viscosity {step.viscosity!r}, safety {step.safety!r}",
        "step": repr(float(step.control.longest)),
        "mass": f"{_total_mass(step.control.body):.6g} kg",
        "walls": hashlib.sha256(repr([_wall_text(w.wall) for w in walls]).encode()).hexdigest(),
        "end": repr(float(end)),
        "every": repr(float(every)),
        "check_every": repr(int(check_every)),
        "probes": json.dumps([[float(x) for x in p] for p in probes]),
        "verify": repr(bool(verify)),
    }


def _total_mass(body: Body) -> float:
    """Return the mass with what mass scaling added [kg], the same on all ranks."""
    return float(body.comm.allreduce(float(body.mass[: body.owned : 3].sum())))


def _wall_text(wall: Wall) -> str:
    moves = "stands" if wall.translation is None else "moves"
    return f"{wall.on!r} {wall.shape!r} {wall.stiffness!r} {moves}"


def _initial_velocity(body: Body, velocity: Velocity | Sequence[float]) -> Array:
    x = body.places
    if callable(velocity):
        values = np.asarray(velocity(np.ascontiguousarray(x.T)), dtype=np.float64).T
    else:
        values = np.tile(np.array(velocity, dtype=np.float64), (len(x), 1))
    if body.comm.allreduce(int(values.shape != x.shape or not np.isfinite(values).all())):
        raise InputError("initial velocity: found values that are not finite vectors")
    return np.ascontiguousarray(values).reshape(-1)
