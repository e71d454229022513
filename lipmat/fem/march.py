"""The run: one driver of integrator, guard, audit and recorder."""

from __future__ import annotations

import math
import signal
import threading
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import numpy as np

from lipmat.errors import InputError
from lipmat.fem.audit import Audit, Energies
from lipmat.fem.body import Array, Body
from lipmat.fem.guard import Guard
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.loads import Load
from lipmat.fem.mpi import MPI
from lipmat.fem.outcome import Outcome
from lipmat.fem.record import Record, Recorder, certificate_summary, versions
from lipmat.fem.step import Step

ENERGY_LIMIT = 0.1  # relative energy error that ends a run
Velocity = Callable[[Array], Array]


@dataclass(frozen=True)
class Progress:
    """What a progress line shows: steps, time and end [s], step [s], error, cell, time left."""

    steps: int
    time: float
    end: float
    step: float
    energy_error: float
    cell: int
    seconds_left: float


@dataclass
class StepChanges:
    """How often the step changed, between which values [s], and the first changes."""

    count: int = 0
    smallest: float | None = None
    largest: float | None = None
    first: list[dict[str, float]] = field(default_factory=list)

    def add(self, time: float, step: float) -> None:
        """Book a change at a time [s] to a step [s]."""
        self.count += 1
        self.smallest = min(step, self.smallest or step)
        self.largest = max(step, self.largest or step)
        if self.count <= 100:
            self.first.append({"time": time, "step": step})


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
    progress: Callable[[Progress], None] | None = None,
    info: dict[str, Any] | None = None,
) -> Record:
    """Run explicit dynamics with certified steps from rest or an initial velocity.

    Args:
        body: The body.
        step: Certified step from ``critical_step``; its control gives the step of other domains.
        end: Time to reach [s].
        loads: Boundary conditions and loads.
        velocity: Initial velocity [m/s]: three numbers, or a function of points (3, n) to (3, n).
        folder: Where to write ``summary.json``, ``history.csv`` and ``fields.vtkhdf``; None: not.
        every: Time between outputs [s]; default a fiftieth of the end.
        check_every: Steps between two checks of domain, cells and energies.
        probes: Points whose nearest node's displacement goes into the history [m].
        progress: Called on all ranks at every check.
        info: More entries for the summary (title, material hashes, seed).

    Returns:
        The record; its outcome tells how the run ended.

    Raises:
        InputError: An end, output time or number of steps between checks that is not positive, a
            step of another body, or a boundary group that does not exist.
    """
    if step.control.body is not body:
        raise InputError("march: the step was certified for another body")
    for name, value in (("end", end), ("every", every), ("check_every", check_every)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"march: found {name} = {value}, expected a positive number")
    integrator = CentralDifference(body, loads, _initial_velocity(body, velocity))
    driver = _Driver(
        body,
        step,
        end,
        integrator,
        Guard(body, integrator.displacement, step.control),
        Audit(body, integrator),
        Recorder(body, folder, probes),
        every or end / 50,
        check_every,
        progress,
    )
    with _Interrupt(body.comm) as interrupt:
        outcome, message = driver.run(interrupt)
    return driver.finish(outcome, message, info or {})


def _initial_velocity(body: Body, velocity: Velocity | Sequence[float]) -> Array:
    x = body.space.tabulate_dof_coordinates()[: body.owned // 3]
    if callable(velocity):
        values = np.asarray(velocity(np.ascontiguousarray(x.T)), dtype=np.float64).T
    else:
        values = np.tile(np.array(velocity, dtype=np.float64), (len(x), 1))
    if body.comm.allreduce(int(values.shape != x.shape or not np.isfinite(values).all())):
        raise InputError("initial velocity: found values that are not finite vectors")
    return np.ascontiguousarray(values).reshape(-1)


class _Driver:
    """Alternates between stretches of equal steps and checks."""

    def __init__(
        self,
        body: Body,
        step: Step,
        end: float,
        integrator: CentralDifference,
        guard: Guard,
        audit: Audit,
        recorder: Recorder,
        every: float,
        check_every: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.body, self.certificate, self.end = body, step, end
        self.integrator, self.guard, self.audit, self.recorder = integrator, guard, audit, recorder
        self.every, self.check_every, self.progress = every, check_every, progress
        self.energies = Energies(0.0, 0.0, 0.0, 0.0)
        self.changes = StepChanges()
        self.overruns, self.outputs, self.started = 0, 0, clock.perf_counter()
        self._plan(0.0)

    def _plan(self, time: float) -> None:
        """Divide the time that is left into equal certified steps."""
        self._from, self._done = time, 0
        self._count = max(1, math.ceil((self.end - time) / self.certificate.value * (1 - 1e-12)))
        self.step = (self.end - time) / self._count

    def _time(self, done: int) -> float:
        return self._from + (self.end - self._from) * done / self._count

    def run(self, interrupt: _Interrupt) -> tuple[Outcome, str]:
        while True:
            last = self._done == self._count
            due = self.integrator.steps % self.check_every == 0 or last or self._output_due()
            if due and (ending := self._change_rungs(interrupt)):
                self._settle()
                return ending
            self.integrator.begin_step(self.step)
            if due and (ending := self._check_energy()):
                return ending
            if last:
                return Outcome.COMPLETED, f"reached {self.end:g} s"
            self._done += 1
            self.integrator.finish_step(self.step, self._time(self._done))

    def _output_due(self) -> bool:
        return self.integrator.time >= self.outputs * self.every * (1 - 1e-9)

    def _change_rungs(self, interrupt: _Interrupt) -> tuple[Outcome, str] | None:
        """Check the state; take the step of the smallest domain that holds it."""
        time = self.integrator.time
        interval = self.check_every * self.step
        verdict = self.guard.check(self.certificate.rungs, time, interval)
        if verdict.outcome is not None:
            return verdict.outcome, verdict.message
        self.overruns += verdict.overrun
        if verdict.rungs != self.certificate.rungs and self._done < self._count:
            self.certificate = self.certificate.control.at(verdict.rungs)
            self._plan(time)
            self.changes.add(time, self.step)
        if interrupt.asked():
            return Outcome.INTERRUPTED, f"stopped by the user at {time:.6g} s"
        return None

    def _settle(self) -> None:
        """Book and write the last state before the run ends."""
        self.integrator.begin_step(self.step)
        self.energies = self.audit.energies(self.step)
        self._write()

    def _check_energy(self) -> tuple[Outcome, str] | None:
        """Book energies and write what is due, after the velocities have been computed."""
        self.energies = self.audit.energies(self.step)
        ending = self._judge_energy()
        if ending or self._output_due() or self._done == self._count:
            self._write()
        if self.progress:
            self.progress(self._progress())
        return ending

    def _judge_energy(self) -> tuple[Outcome, str] | None:
        time, error = self.integrator.time, self.energies.error
        if not math.isfinite(self.energies.kinetic + self.energies.stored):
            return Outcome.NONFINITE, f"the energy is not finite at {time:.6g} s"
        if abs(error) > ENERGY_LIMIT:
            return Outcome.ENERGY_ERROR, f"relative energy error {error:.3g} at {time:.6g} s"
        return None

    def _write(self) -> None:
        states = [s for s in self.guard.latest if s is not None]
        e, integrator = self.energies, self.integrator
        extremes = (
            max((s.stretch_max for s in states), default=1.0),
            min((s.stretch_min for s in states), default=1.0),
            min((s.volume_min for s in states), default=1.0),
        )
        u = integrator.displacement.x.array[: self.body.owned]
        row = (integrator.time, self.step, e.kinetic, e.stored, e.external, e.error, *extremes)
        self.recorder.add_history(row, u)
        velocity = integrator.velocity_now(self.step)
        self.recorder.add_fields(integrator.time, u, velocity, self.guard.stretch)
        self.outputs = math.floor(integrator.time / self.every * (1 + 1e-9)) + 1

    def _progress(self) -> Progress:
        time = self.integrator.time
        spent = clock.perf_counter() - self.started
        left = spent * (self.end - time) / time if time > 0 else math.nan
        return Progress(
            self.integrator.steps,
            time,
            self.end,
            self.step,
            self.energies.error,
            self.certificate.frequency.cell,
            left,
        )

    def finish(self, outcome: Outcome, message: str, info: dict[str, Any]) -> Record:
        seconds = clock.perf_counter() - self.started
        cells, e = self.body.number_of_cells, self.energies
        summary = {
            "outcome": str(outcome),
            "message": message,
            "advice": outcome.advice,
            "steps": self.integrator.steps,
            "time": self.integrator.time,
            "step": self.step,
            "level": self.certificate.level,
            "certificate": certificate_summary(self.certificate),
            "step_changes": asdict(self.changes),
            "domain_overruns": self.overruns,
            "cells": cells,
            "energy": {
                "kinetic": e.kinetic,
                "stored": e.stored,
                "dissipated": 0.0,
                "viscous": 0.0,
                "external": e.external,
                "error": e.error,
            },
            "seconds": seconds,
            "cell_steps_per_second": cells * self.integrator.steps / seconds,
            "ranks": self.body.comm.size,
            "versions": versions(),
            **info,
        }
        u = self.integrator.displacement.x.array[: self.body.owned]
        return self.recorder.finish(outcome, message, summary, u)


class _Interrupt:
    """Turns Ctrl-C and a polite kill into a question that all ranks answer alike."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._comm, self._flag = comm, False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._catch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self._flag:  # asked twice: do not wait for the next check
            raise KeyboardInterrupt
        self._flag = True

    def asked(self) -> bool:
        """Tell whether any rank was asked to stop."""
        return bool(self._comm.allreduce(int(self._flag), op=MPI.MAX))
