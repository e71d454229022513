"""The driver of a run: stretches of equal steps, and a check between them."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from lipmat.fem.audit import Audit, Energies
from lipmat.fem.body import Body
from lipmat.fem.energy_guard import EnergyGuard
from lipmat.fem.guard import Guard
from lipmat.fem.history import Memory
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.interrupt import Interrupt
from lipmat.fem.lyapunov import LyapunovCheck
from lipmat.fem.outcome import Ending, Outcome
from lipmat.fem.record import Record, Recorder, certificate_summary, versions
from lipmat.fem.restart import Restarts, State
from lipmat.fem.sharpstep import SharpSteps
from lipmat.fem.step import Step

PATIENCE = 1.5
"""Steps after which a check waits no longer for an output or a bound, over ``check_every`` [-]."""


@dataclass(frozen=True)
class Progress:
    """What a progress line shows.

    Attributes:
        steps: Steps done.
        time: Present time [s].
        end: Time to reach [s].
        step: Step [s].
        energy_error: Of the account [-].
        cell: Number of the cell that sets the step of the ladder.
        seconds_left: By the clock on the wall [s].
        warnings: What the run has warned of so far.
    """

    steps: int
    time: float
    end: float
    step: float
    energy_error: float
    cell: int
    seconds_left: float
    warnings: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Parts:
    """The objects of a run that have a state, apart from the driver."""

    integrator: CentralDifference
    memory: Memory
    guard: Guard
    audit: Audit
    energy_guard: EnergyGuard
    lyapunov: LyapunovCheck | None
    sharp: SharpSteps | None = None

    def _named(self) -> dict[str, Any]:
        return {name: part for name, part in vars(self).items() if part is not None}

    def state(self) -> dict[str, Any]:
        """Return what a restart needs of each, before a check."""
        return {name: part.state() for name, part in self._named().items()}

    def restore(self, state: State) -> None:
        """Return to what :meth:`state` gave."""
        for name, part in self._named().items():
            part.restore(state[name])


class Driver:
    """Alternates between stretches of equal steps and checks.

    Args:
        body: The body.
        step: Certified step to begin with.
        end: Time to reach [s].
        every: Time between outputs [s].
        check_every: Steps between checks.
        parts: Integrator and its watchers.
        recorder: The records.
        restarts: Keeper of the restart file.
        progress: Called at every check.
    """

    def __init__(
        self,
        body: Body,
        step: Step,
        end: float,
        every: float,
        check_every: int,
        parts: Parts,
        recorder: Recorder,
        restarts: Restarts,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.body, self.end = body, end
        self.certificate, self.rungs = step, step.rungs
        """Of the ladder: the last step that was needed, and the rungs that the body is in."""
        self.every, self.check_every, self.progress = every, check_every, progress
        self.parts, self.recorder, self.restarts = parts, recorder, restarts
        self.integrator, self.guard = parts.integrator, parts.guard
        self.energies = Energies(*[0.0] * 8)
        self.changes = StepChanges()
        self.overruns, self.outputs, self._next_check = 0, 0, 0
        self._seconds, self._started = 0.0, clock.perf_counter()
        self._plan(0.0, step.value)

    def _plan(self, time: float, largest: float) -> None:
        """Divide the time that is left into equal steps of at most a size [s]."""
        self._from, self._done = time, 0
        self._count = max(1, math.ceil((self.end - time) / largest * (1 - 1e-12)))
        self.step = (self.end - time) / self._count

    def _time(self, done: int) -> float:
        return self._from + (self.end - self._from) * done / self._count

    @property
    def seconds(self) -> float:
        """Time that the run has taken, by the clock on the wall, before a restart too [s]."""
        return self._seconds + clock.perf_counter() - self._started

    def state(self) -> dict[str, dict[str, Any]]:
        """Return the state of all parts and of the driver, before a check."""
        own = {
            "from": self._from,
            "done": self._done,
            "count": self._count,
            "step": self.step,
            "rungs": [list(self.rungs), list(self.certificate.rungs)],
            "outputs": self.outputs,
            "next_check": self._next_check,
            "overruns": self.overruns,
            "changes": asdict(self.changes),
            "seconds": self.seconds,
        }
        return {**self.parts.state(), "driver": own}

    def restore(self, state: State) -> None:
        """Return to what :meth:`state` gave: the run goes on with the check that followed."""
        self.parts.restore(state)
        own = state["driver"]
        self._from, self._done, self._count = own["from"], own["done"], own["count"]
        self.step, self.outputs, self.overruns = own["step"], own["outputs"], own["overruns"]
        self._next_check = own["next_check"]
        self.rungs, certified = map(tuple, own["rungs"])
        self.certificate = self.certificate.control.at(certified)
        self.changes = StepChanges(**own["changes"])
        self._seconds, self._started = own["seconds"], clock.perf_counter()

    def run(self, interrupt: Interrupt) -> Ending:
        """Step until the end or until something ends the run earlier."""
        checked, watch = False, self.integrator.watch
        watch.start()
        while True:
            last = self._done == self._count
            due = last or self._check_due() or self._output_due()
            before = self.state() if due and self.restarts.active else {}
            rows = self.recorder.count
            if due and (ending := self._change_rungs()):
                return self._settle(ending)
            watch.lap("guard")
            self.integrator.begin_step(self.step)
            if self.parts.lyapunov is not None and (due or checked):
                self.parts.lyapunov.check(self.step)
            if due and (ending := self._check_energy(before, rows, interrupt)):
                return ending
            watch.lap("restart")
            if last:
                return Ending(Outcome.COMPLETED, f"reached {self.end:g} s")
            self._done, checked = self._done + 1, due
            self.integrator.finish_step(self.step, self._time(self._done))

    def _check_due(self) -> bool:
        steps, sharp = self.integrator.steps, self.parts.sharp
        return steps >= self._next_check or (sharp is not None and sharp.due(steps))

    def _plan_check(self) -> int:
        """Set when to check next; return the steps until then.

        An output or a bound that comes soon after is a check too: it is waited for.
        """
        now, time, sharp = self.integrator.steps, self.integrator.time, self.parts.sharp
        output = self._outputs_until(time) * self.every * (1 - 1e-9)
        coming = [math.ceil((output - time) / self.step)]
        if sharp is not None and sharp.active:
            coming.append(sharp.next - now)
        latest = int(PATIENCE * self.check_every)
        soon = [n for n in coming if self.check_every <= n <= latest]
        ahead = min(soon, default=self.check_every)
        self._next_check = now + ahead
        return ahead

    def _outputs_until(self, time: float) -> int:
        """Return the number of outputs at a time [s], that of the start among them."""
        return math.floor(time / self.every * (1 + 1e-9)) + 1

    def _output_due(self) -> bool:
        return self.integrator.time >= self.outputs * self.every * (1 - 1e-9)

    def _change_rungs(self) -> Ending | None:
        """Check the state; take the step of the smallest domain that holds it.

        While bounds at the present state give the step, that of the domain is not computed.
        """
        time = self.integrator.time
        interval = self._plan_check() * self.step
        verdict = self.guard.check(self.rungs, time, interval)
        if verdict.outcome is not None:
            return Ending(verdict.outcome, verdict.message)
        self.overruns += verdict.overrun
        if self._done == self._count:
            return None
        changed, self.rungs = verdict.rungs != self.rungs, verdict.rungs
        if changed and not self._is_sharp():
            self._climb()
            self._change_step(self.certificate.value)
        self.integrator.watch.lap("guard")
        self._follow()
        return None

    def _is_sharp(self) -> bool:
        return self.parts.sharp is not None and self.parts.sharp.active

    def _climb(self) -> None:
        """Take over the certificate of the present rungs."""
        self.certificate = self.certificate.control.at(self.rungs)

    def _follow(self) -> None:
        """Take the step of a new bound at the present state, if one is due."""
        sharp, motion = self.parts.sharp, self.integrator
        if sharp is None or not (sharp.due(motion.steps) or sharp.left(self.guard.latest)):
            return
        present = self.step if motion.steps else 0.0
        found = motion.displacement, motion.time, motion.steps, self.rungs, present
        self._change_step(sharp.step(*found))
        self._plan_check()  # for the next bound
        if not sharp.active:
            self._climb()
        motion.watch.lap("step")

    def _change_step(self, largest: float) -> None:
        self._plan(self.integrator.time, largest)
        if self.integrator.steps:
            self.changes.add(self.integrator.time, self.step)

    def _settle(self, ending: Ending) -> Ending:
        """Book and write the state that ends the run; the restart file gets the one before."""
        self.integrator.begin_step(self.step)
        self.energies = self.parts.audit.energies(self.step)
        self._write()
        return ending

    def _check_energy(self, before: State, rows: int, interrupt: Interrupt) -> Ending | None:
        """Book energies and write what is due, after the velocities have been computed."""
        time, last = self.integrator.time, self._done == self._count
        self.energies = self.parts.audit.energies(self.step)
        ending = self.parts.energy_guard.judge(self.energies, time)
        if self.parts.sharp is not None:
            self.parts.sharp.watch(self.energies.error)
        self.integrator.watch.lap("energies")
        if ending is None:
            self.restarts.keep(before, rows)
            if interrupt.asked() and not last:
                ending = Ending(Outcome.INTERRUPTED, f"stopped by the user at {time:.6g} s")
        self.integrator.watch.lap("restart")
        if ending or last or self._output_due():
            self._write()
            self.integrator.watch.lap("output")
        if self.progress:
            self.progress(self._progress())
        return ending

    def _write(self) -> None:
        states = [s for s in self.guard.latest if s is not None]
        e, integrator = self.energies, self.integrator
        extremes = (
            max((s.stretch_max for s in states), default=1.0),
            min((s.stretch_min for s in states), default=1.0),
            min((s.volume_min for s in states), default=1.0),
        )
        lost = e.dissipated, e.viscous
        energies = (e.kinetic, e.stored, e.hourglass, *lost, e.contact, e.external, e.error)
        u = integrator.displacement.x.array[: self.body.owned]
        self.recorder.add_history((integrator.time, self.step, *energies, *extremes), u)
        velocity = integrator.velocity_now(self.step)
        self.recorder.add_fields(integrator.time, u, velocity, self.guard.stretch)
        self.outputs = self._outputs_until(integrator.time)

    def _progress(self) -> Progress:
        time = self.integrator.time
        left = self.seconds * (self.end - time) / time if time > 0 else math.nan
        return Progress(
            self.integrator.steps,
            time,
            self.end,
            self.step,
            self.energies.error,
            self.certificate.frequency.cell,
            left,
            (*self.parts.energy_guard.warnings, *self.restarts.failures),
        )

    def finish(self, ending: Ending, info: dict[str, Any]) -> Record:
        """Write the restart file of a run that may go on, and the summary."""
        if ending.outcome is not Outcome.COMPLETED:
            self.restarts.write()
        u = self.integrator.displacement.x.array[: self.body.owned]
        record = self.recorder.finish(ending, self._summary(ending) | info, u)
        if ending.outcome is Outcome.COMPLETED:
            self.restarts.remove()
        return record

    def _summary(self, ending: Ending) -> dict[str, Any]:
        seconds, cells = self.seconds, self.body.number_of_cells
        lyapunov = self.parts.lyapunov
        return {
            "outcome": str(ending.outcome),
            "message": ending.message,
            "advice": ending.advice,
            "steps": self.integrator.steps,
            "time": self.integrator.time,
            "step": self.step,
            "level": self.certificate.level,
            "certificate": certificate_summary(self.certificate),
            "step_changes": asdict(self.changes),
            "domain_overruns": self.overruns,
            "cells": cells,
            "energy": self._energy_summary(),
            **({} if lyapunov is None else {"lyapunov": lyapunov.summary()}),
            **({} if self.parts.sharp is None else {"sharp": self.parts.sharp.summary()}),
            "restart_failures": self.restarts.failures,
            "seconds": seconds,
            "profile": self.integrator.watch.seconds,
            "cell_steps_per_second": cells * self.integrator.steps / seconds,
            "ranks": self.body.comm.size,
            "versions": versions(),
        }

    def _energy_summary(self) -> dict[str, Any]:
        e = self.energies
        return {
            "kinetic": e.kinetic,
            "stored": e.stored,
            "hourglass": e.hourglass,
            "dissipated": e.dissipated,
            "viscous": e.viscous,
            "contact": e.contact,
            "external": e.external,
            "error": e.error,
            "warnings": self.parts.energy_guard.warnings,
        }
