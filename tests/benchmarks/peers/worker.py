"""A process that holds one code and does what it is told: a line of JSON in, a line of JSON out.

Each code has a process of its own, since jax, torch and PETSc disturb each other, with one thread
on one core. What codes print goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tests.benchmarks.peers.peer import Peer, seconds
from tests.benchmarks.peers.problem import Problem

HARMLESS = 0.3
"""Share of the usual step at which steps are timed, far from any limit."""


class Worker:
    """The commands; each returns what JSON can hold.

    Args:
        problem: The problem.
        peer: The code with the problem in it.
        folder: Where arrays are exchanged.
    """

    def __init__(self, problem: Problem, peer: Peer, folder: Path) -> None:
        self.problem, self.peer, self.folder = problem, peer, folder
        self._repeated: Callable[[], object] | None = None

    def about(self) -> dict[str, Any]:
        """Return name, version, law, way and rule."""
        p = self.peer
        return {"version": p.version(), "law": p.law, "way": p.way, "rule": p.rule}

    def force(self, file: str) -> None:
        """Write the force at the test displacement."""
        np.save(self.folder / file, self.peer.force(self.problem.test))

    def time_force(self, times: int) -> list[float]:
        """Return seconds of forces at the test displacement."""
        if self._repeated is None:
            self._repeated = self.peer.repeated(self.problem.test)
            self._repeated()
        return seconds(self._repeated, times)

    def time_steps(self, count: int) -> float:
        """Return seconds of steps from the start, without what the first call compiles."""
        start, step = self._start(), HARMLESS * self.problem.edge_step
        return seconds(lambda: self.peer.march(start, step, count), 1)[0]

    def own_step(self) -> float | None:
        """Return the step that the code recommends [s]."""
        return self.peer.own_step()

    def solve(self, step: float, count: int, file: str) -> float:
        """March from the start, write the displacement and return seconds."""
        out: list[Any] = []
        start = self._start()
        took = seconds(lambda: out.append(self.peer.march(start, step, count)), 1)[0]
        np.save(self.folder / file, out[0][0])
        return took

    def run(self, end: float, file: str = "run.npy") -> dict[str, Any]:
        """Return what a run of lipmat says of itself; write its displacement at the end."""
        summary, u = self.peer.run(end)  # type: ignore[attr-defined]
        np.save(self.folder / file, u)
        says: dict[str, Any] = summary
        return says

    def finer(self, file: str) -> None:
        """Write where lipmat's default ends on a mesh twice as fine, at the problem's nodes."""
        from tests.benchmarks.peers.adapters.of_lipmat import Selective
        from tests.benchmarks.peers.problem import refined

        fine, nodes = refined(self.problem)
        np.save(self.folder / file, Selective(fine).run(fine.end)[1][nodes])

    def limits(self, step: float) -> dict[str, Any]:
        """Return the exact limits along the run, from lipmat's force."""
        from tests.benchmarks.peers.steps import limits_along

        return limits_along(self.problem, self.peer, step)

    def completes(self, step: float) -> str | None:
        """Return why the problem does not complete with a step, or None if it does."""
        from tests.benchmarks.peers.steps import failure

        return failure(self.problem, self.peer, step)

    def _start(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros_like(self.problem.velocity), self.problem.velocity


def serve(adapter: str, file: Path, out: TextIO) -> None:
    """Build the code and answer until the input ends."""
    module, name = adapter.split(":")
    try:
        problem = Problem.load(file)
        maker = getattr(import_module(f"tests.benchmarks.peers.adapters.{module}"), name)
        worker = Worker(problem, maker(problem), file.parent)
        answer: dict[str, Any] = {"result": worker.about()}
    except Exception as error:  # whatever keeps a code from working is the reason to be named
        traceback.print_exc()
        worker, answer = None, {"error": f"{type(error).__name__}: {error}"}
    _say(answer, out)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            _say({"result": getattr(worker, order["do"])(**order["with"])}, out)
        except Exception as error:
            traceback.print_exc()
            _say({"error": f"{type(error).__name__}: {error}"}, out)


def _say(answer: dict[str, Any], out: TextIO) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.argv[1], Path(sys.argv[2]), answers)
