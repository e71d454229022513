"""The comparison: each code beside lipmat, in turns on the same core."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tests.benchmarks.peers.peer import FORMULATIONS, LIPMAT, PEERS
from tests.benchmarks.peers.problem import Problem, column
from tests.benchmarks.peers.result import Comparison, Row, Steps
from tests.benchmarks.peers.session import Failed, Session, Unavailable
from tests.benchmarks.peers.steps import USUAL, largest_completing

AGREEMENT = 1e-8
FULL_RUN = 600.0
"""Seconds beyond which a time to solution is extrapolated."""
Report = Callable[[str], None]


class Bench:
    """Measures codes beside lipmat.

    Args:
        problem: The problem.
        folder: For arrays and logs.
        rounds: Turns of lipmat and the other code.
        forces: Forces timed in a turn.
        count: Steps timed in a turn.
        pythons: Interpreters of codes that have their own.
        report: Told what is going on.
        peers: Codes to compare, name to adapter.
        laws: Of lipmat's own rows; codes of other laws cannot be compared.
        solve: Whether to look for steps and times to solution.
    """

    def __init__(
        self,
        problem: Problem,
        folder: Path,
        rounds: int = 7,
        forces: int = 10,
        count: int = 60,
        pythons: Mapping[str, str] | None = None,
        report: Report = print,
        peers: Mapping[str, str] = PEERS,
        laws: Sequence[str] = ("learned", "elastic"),
        solve: bool = True,
    ) -> None:
        self.problem, self.folder, self.file = problem, folder, folder / "problem.npz"
        self.rounds, self.forces, self.count = rounds, forces, count
        self.pythons, self.report, self.peers = pythons or {}, report, peers
        self.laws, self.solve = laws, solve
        problem.save(self.file)

    def compare(self) -> Comparison:
        """Return the comparison of all codes."""
        own = {law: self._start(_OWN[law], LIPMAT[_OWN[law]]) for law in self.laws}
        out = Comparison(
            _machine(),
            platform.python_version(),
            datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            len(self.problem.cells),
            self.problem.end,
            self._steps(own["learned"]) if self.solve else None,
        )
        try:
            if out.steps is not None:
                self.report("where a mesh twice as fine ends")
                own["learned"].do("finer", file="finer.npy")
            out.rows = [self._own_row(_OWN[law], own[law], out.steps) for law in own]
            out.rows += [self._formulation(name, out.steps) for name in FORMULATIONS]
            out.rows += [self._row(name, own, out.steps) for name in self.peers]
            out.rows.sort(key=lambda row: row.law == "elastic")
        finally:
            for session in own.values():
                session.close()
        return out

    def _start(self, name: str, adapter: str) -> Session:
        self.report(f"{name}: setting up")
        kind = {"python": self.pythons[name]} if name in self.pythons else {}
        return Session(adapter, self.file, **kind)

    def _steps(self, lipmat: Session) -> Steps:
        """Find the exact limits, and the largest step that completes."""
        self.report("steps: exact limits and the largest step that completes")
        usual = self.problem.edge_step
        limits = lipmat.do("limits", step=0.5 * usual)
        reason = lipmat.do("completes", step=USUAL * usual)

        def completes(step: float) -> bool:
            return lipmat.do("completes", step=step) is None

        largest = USUAL * usual if reason is None else largest_completing(completes, USUAL * usual)
        return Steps(limits["rest"], limits["smallest"], usual, largest, reason)

    def _formulation(self, name: str, steps: Steps | None) -> Row:
        """Measure lipmat with a formulation of its own, without a peer to compare it with."""
        with self._start(name, FORMULATIONS[name]) as session:
            return self._own_row(name, session, steps)

    def _own_row(self, name: str, session: Session, steps: Steps | None) -> Row:
        """Measure lipmat by itself; its step is that of ``march``, with all its checks."""
        row = Row(name, **session.about)
        cells = len(self.problem.cells)
        session.do("time_force", times=self.forces)
        row.force_rate = cells / median(session.do("time_force", times=self.rounds * self.forces))
        row.agreement = 0.0
        row.step = session.do("own_step")
        session.do("run", end=2 * row.step)
        row.step_rate = cells / self._seconds_of_step(session)
        row.limit = None if steps is None else steps.limit  # both laws have the same moduli at rest
        if steps is not None and row.law == "learned":
            self.report(f"{row.name}: the whole problem")
            run = session.do("run", end=self.problem.end, file="end.npy")
            row.error = self._error()
            row.solution, row.steps = run["seconds"] + run["certify"], run["steps"]
            row.step = self.problem.end / row.steps
            row.step_rate = cells * run["steps"] / run["seconds"]
            row.remark = f"{run['outcome']}; of it {run['certify']:.2f} s for the certificate"
        return row

    def _row(self, name: str, own: Mapping[str, Session], steps: Steps | None) -> Row:
        """Measure one code beside lipmat, or name why not."""
        try:
            with self._start(name, self.peers[name]) as session:
                row = Row(name, **session.about)
                lipmat = own[row.law]
                row.agreement = self._agreement(session, lipmat)
                if row.agreement > AGREEMENT:
                    row.reason = f"its force differs from lipmat's by {row.agreement:.1e}"
                    return row
                self._rates(row, session, lipmat)
                if steps is not None:
                    self._solution(row, session, lipmat, steps)
                return row
        except (Unavailable, Failed) as error:
            self.report(f"{name}: {error}")
            return Row(name, reason=str(error))

    def _agreement(self, session: Session, lipmat: Session) -> float:
        forces = []
        for one, file in ((session, "theirs.npy"), (lipmat, "ours.npy")):
            one.do("force", file=file)
            forces.append(np.load(self.folder / file))
        return float(np.abs(forces[0] - forces[1]).max() / np.abs(forces[1]).max())

    def _rates(self, row: Row, session: Session, lipmat: Session) -> None:
        """Time forces and steps in turns; ratios are medians of those of the turns."""
        self.report(f"{row.name}: rates")
        cells, pair = len(self.problem.cells), (session, lipmat)
        for one in pair:  # compiles, fills caches
            one.do("time_force", times=2)
        session.do("time_steps", count=2)
        self._seconds_of_step(lipmat)
        force: list[list[float]] = []
        step: list[list[float]] = []
        for _ in range(self.rounds):
            force.append([median(one.do("time_force", times=self.forces)) for one in pair])
            theirs = session.do("time_steps", count=self.count) / self.count
            step.append([theirs, self._seconds_of_step(lipmat)])
        row.force_rate = cells / median(theirs for theirs, _ in force)
        row.step_rate = cells / median(theirs for theirs, _ in step)
        row.force_ratio = median(theirs / ours for theirs, ours in force)
        row.step_ratio = median(theirs / ours for theirs, ours in step)

    def _error(self) -> float:
        """Return how far the last end is from that of the finer mesh."""
        end, finer = (np.load(self.folder / name) for name in ("end.npy", "finer.npy"))
        return float(np.linalg.norm(end - finer) / np.linalg.norm(finer))

    def _seconds_of_step(self, lipmat: Session) -> float:
        """Return seconds of a step of ``lipmat.march``, over as many steps as others take."""
        run = lipmat.do("run", end=self.count * lipmat.do("own_step"))
        return float(run["seconds"] / run["steps"])

    def _solution(self, row: Row, session: Session, lipmat: Session, steps: Steps) -> None:
        """Find the step that the code takes, and the time to solution with it."""
        own = session.do("own_step")
        row.limit = steps.limit
        if own is not None:
            row.step = own
        elif steps.failure is None:
            row.step, row.rule = USUAL * steps.usual, f"none; {USUAL:g} edge/c"
        else:
            row.step, row.rule = steps.largest, "none; largest that completes"
        row.steps = ceil(self.problem.end / row.step)
        if row.law != "learned":
            row.remark = "another law: no time to solution"
            return
        assert row.step_rate is not None
        estimate = row.steps * len(self.problem.cells) / row.step_rate
        if estimate > FULL_RUN:
            row.solution, row.extrapolated = estimate, True
            return
        self.report(f"{row.name}: the whole problem, about {estimate:.0f} s")
        run = {"step": row.step, "count": row.steps}
        row.solution = session.do("solve", **run, file="end.npy")
        lipmat.do("solve", **run, file="expected.npy")
        end, expected = (np.load(self.folder / file) for file in ("end.npy", "expected.npy"))
        if not np.isfinite(end).all():
            row.solution, row.remark = None, "does not complete: not finite at the end"
            return
        row.error = self._error()
        difference = np.abs(end - expected).max() / np.abs(expected).max()
        row.remark = f"ends within {difference:.0e} of the same steps with lipmat's force"


_OWN = {"learned": "lipmat", "elastic": "lipmat, elastic"}


def _machine() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x.split(":", 1)[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def compare(law: Any, counts: Sequence[int] | None = None, **settings: Any) -> Comparison:
    """Return the comparison, in a folder that is removed; see ``column`` and :class:`Bench`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return Bench(column(folder, law, counts), folder, **settings).compare()
