"""Watches the state of the body: finite, not inverted, inside the certified domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.fem.body import Array, Body
from lipmat.fem.forms import has_limit
from lipmat.fem.history import Memory
from lipmat.fem.outcome import Outcome
from lipmat.fem.step import Rungs, StepControl
from lipmat.materials.law import Law
from lipmat.materials.memory import MemoryLaw

# isort: split
from dolfinx import fem

CALM_CHECKS = 10


@dataclass(frozen=True)
class State:
    """Extremes of one material: stretches and volume ratios [-], and the cells that hold them.

    Cells are in the order of the extremes, by their numbers in the mesh file. ``elastic`` is the
    largest elastic stretch of branches that flow at large strain, or the inverse of the smallest.
    """

    stretch_min: float
    stretch_max: float
    volume_min: float
    volume_max: float
    cells: tuple[int, ...]
    elastic: float = 1.0

    def ahead(self, before: State | None, share: float) -> State:
        """Return the extremes that the next check will see if they go on changing as they do.

        Args:
            before: State at the check before.
            share: Time until the next check over the time since the one before.
        """
        if before is None:
            return self
        return State(
            self.stretch_min - share * max(before.stretch_min - self.stretch_min, 0.0),
            self.stretch_max + share * max(self.stretch_max - before.stretch_max, 0.0),
            self.volume_min - share * max(before.volume_min - self.volume_min, 0.0),
            self.volume_max + share * max(self.volume_max - before.volume_max, 0.0),
            self.cells,
            self.elastic,
        )


@dataclass(frozen=True)
class Verdict:
    """What a check found: an outcome that ends the run, or the rungs to go on with."""

    outcome: Outcome | None
    message: str
    rungs: Rungs
    overrun: bool


class Guard:
    """Evaluates stretches and volume ratio at all quadrature points of every cell.

    A body that needs a larger domain gets its smaller step at once. It gets a larger step only
    after ``CALM_CHECKS`` checks in a row have allowed it: steps that alternate are not covered by
    the certificate of either.

    Args:
        body: The body.
        displacement: Its displacement function.
        control: The ladders of certified domains.
        memory: What the points of the body remember.
    """

    def __init__(
        self,
        body: Body,
        displacement: fem.Function,
        control: StepControl,
        memory: Memory | None = None,
    ) -> None:
        self.body, self.control = body, control
        self._displacement = displacement
        self._limits = [elastic_limit(m.law) for m in body.materials]
        self._states = body.states(displacement, memory)
        self.latest: list[State | None] = [None] * len(body.materials)
        self._calm = [0] * len(body.materials)
        self._time = 0.0
        owned = body.mesh.topology.index_map(3).size_local
        self.stretch = np.ones(owned)
        """Largest principal stretch of each owned cell at the last check [-]."""

    def states(self) -> list[State]:
        """Return the extremes of each material over all ranks."""
        return [self._state(i) for i in range(len(self.body.materials))]

    def _state(self, number: int) -> State:
        cells = self.body.cells[number]
        most, least, inside, low, high, *elastic = self._states[number].evaluate()
        self.stretch[cells] = most
        found = np.where(inside > 0, low, inside), high
        beyond = np.maximum(elastic[0], 1.0 / elastic[1]) if elastic else np.ones_like(most)
        return self._gathered(cells, most, least, *found, beyond)

    def _gathered(
        self,
        cells: NDArray[np.int32],
        most: Array,
        least: Array,
        low: Array,
        high: Array,
        beyond: Array,
    ) -> State:
        number = self.body.mesh.topology.original_cell_index
        signs, local = (1, -1, 1, -1, -1), [(np.inf, -1)] * 5
        if len(cells):
            values = (least, most, low, high, beyond)
            signed = [sign * x for sign, x in zip(signs, values, strict=True)]
            local = [(float(x.min()), int(number[cells[np.argmin(x)]])) for x in signed]
        ranks = self.body.comm.allgather(local)
        u = self._displacement.x.array
        bad = self.body.comm.allreduce(int(not np.isfinite(u).all())) > 0
        extremes = [min(found) for found in zip(*ranks, strict=True)]
        pairs = zip(signs, extremes, strict=True)
        a, b, c, d, e = (np.nan if bad else sign * value for sign, (value, _) in pairs)
        return State(a, b, c, d, tuple(cell for _, cell in extremes), e)

    def state(self) -> dict[str, Any]:
        """Return what a restart needs, before :meth:`check`, as JSON values."""
        latest = [None if state is None else asdict(state) for state in self.latest]
        return {"time": self._time, "calm": list(self._calm), "latest": latest}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to what :meth:`state` gave."""
        self._time, self._calm = state["time"], list(state["calm"])
        self.latest = [
            None if found is None else State(**found | {"cells": tuple(found["cells"])})
            for found in state["latest"]
        ]

    def check(self, rungs: Rungs, time: float, interval: float) -> Verdict:
        """Judge the present state.

        Args:
            rungs: Those whose step was used so far.
            time: The present time [s].
            interval: Time until the next check [s].
        """
        states, chosen, overrun = self.states(), [], False
        before, self.latest = self.latest, list(states)
        share = interval / (time - self._time) if time > self._time else 1.0
        self._time = time
        for i, state in enumerate(states):
            where = self._where(i)
            if not np.isfinite([state.stretch_max, state.volume_min]).all():
                message = f"the deformation{where} is not finite at {time:.6g} s"
                return Verdict(Outcome.NONFINITE, message, rungs, False)
            if state.volume_min <= 0:
                message = (
                    f"cell {state.cells[2]}{where} has the volume ratio {state.volume_min:.3g} "
                    f"at {time:.6g} s"
                )
                return Verdict(Outcome.INVERTED_CELL, message, rungs, False)
            if state.elastic > self._limits[i]:
                return Verdict(Outcome.LEFT_DOMAIN, self._strained(i, state, time), rungs, False)
            rung = self._rung(i, state, state.ahead(before[i], share))
            if rung is None:
                return Verdict(Outcome.LEFT_DOMAIN, self._left(i, state, time), rungs, False)
            overrun |= not _inside(self.control, i, rungs[i], state)
            chosen.append(self._settled(i, rungs[i], rung))
        return Verdict(None, "", tuple(chosen), overrun)

    def _settled(self, number: int, used: int, wanted: int) -> int:
        """Return the rung to use: a larger domain at once, a smaller one only after a while."""
        self._calm[number] = self._calm[number] + 1 if wanted < used else 0
        if wanted < used and self._calm[number] < CALM_CHECKS:
            return used
        self._calm[number] = 0
        return wanted

    def _rung(self, number: int, state: State, ahead: State) -> int | None:
        """Return the smallest rung that holds the state now and, if possible, at the next check."""
        rungs = range(len(self.control.ladders[number]))
        for wanted in (ahead, state):
            for i in rungs:
                if _inside(self.control, number, i, wanted):
                    return i if wanted is ahead else rungs[-1]
        return None

    def _where(self, number: int) -> str:
        region = self.body.materials[number].region
        return f" in region {region!r}" if region else ""

    def _strained(self, number: int, state: State, time: float) -> str:
        return (
            f"cell {state.cells[4]}{self._where(number)} has an elastic stretch of "
            f"{state.elastic:.4g} or its inverse at {time:.6g} s, more than the "
            f"{self._limits[number]:g} for which the law is certified"
        )

    def _left(self, number: int, state: State, time: float) -> str:
        domain = self.control.ladders[number][-1].domain
        assert domain is not None
        outside = (
            state.stretch_min < domain.stretch_min,
            state.stretch_max > domain.stretch_max,
            state.volume_min < domain.volume_min,
            state.volume_max > domain.volume_max,
        )
        cell = state.cells[outside.index(True)]
        return (
            f"cell {cell}{self._where(number)} left the certified domain ({domain}) "
            f"at {time:.6g} s: stretch {state.stretch_min:.3g}…{state.stretch_max:.3g}, volume "
            f"ratio {state.volume_min:.3g}…{state.volume_max:.3g}"
        )


def elastic_limit(law: Law) -> float:
    """Return the elastic stretch up to which a law with memory is certified; else infinity."""
    return law.elastic_limit if isinstance(law, MemoryLaw) and has_limit(law) else np.inf


def _inside(control: StepControl, number: int, rung: int, state: State) -> bool:
    domain = control.ladders[number][rung].domain
    return domain is None or domain.holds(
        state.stretch_min, state.stretch_max, state.volume_min, state.volume_max
    )
