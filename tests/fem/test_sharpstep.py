from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipmat.fem import step as step_module
from lipmat.fem.body import Body, Material
from lipmat.fem.driver import Progress
from lipmat.fem.grid import box
from lipmat.fem.guard import Guard
from lipmat.fem.loads import Motion
from lipmat.fem.march import march
from lipmat.fem.mpi import MPI
from lipmat.fem.outcome import Outcome
from lipmat.fem.record import Record
from lipmat.fem.sharpstep import HASTY, NOTICED, START, SharpSteps, sharp_steps
from lipmat.fem.step import critical_step
from tests.fem.bodies import small_box
from tests.fem.laws import law, polyconvex
from tests.fem.runs import assert_same, stop_at, swing

END = 0.3


def column() -> Body:
    """A small column of nearly incompressible rubber."""
    grid = box((1, 1, 3), (3, 3, 9), "hexahedron", MPI.COMM_SELF)
    return Body(grid, [Material(polyconvex(bulk_modulus=2e7), 930.0)])


def twist(x: np.ndarray) -> np.ndarray:
    """A velocity that twists it [m/s]."""
    omega = 5 * np.sin(np.pi * x[2] / 6)
    return np.stack([-omega * (x[1] - 0.5), omega * (x[0] - 0.5), 0 * x[0]])


def run(body: Body, folder: Path | None = None, **settings: Any) -> Record:
    own: dict[str, Any] = {"loads": [Motion("z-min", (0, 0, 0))], "velocity": twist, "every": 0.1}
    return march(body, critical_step(body), END, folder=folder, **(own | settings))


def test_the_steps_are_larger_and_the_energy_balances() -> None:
    body = column()
    sharp, ladder = run(body), run(body, sharp=False)
    found = sharp.summary["sharp"]
    assert sharp.outcome is ladder.outcome is Outcome.COMPLETED
    assert sharp.summary["steps"] < 0.7 * ladder.summary["steps"]
    assert abs(sharp.summary["energy"]["error"]) < 2e-3
    assert found["bounds"] >= 3
    assert not found["given_up"]
    assert found["failure_probability"] <= 1.1e-7 * found["bounds"]
    assert "sharp" not in ladder.summary
    moved = np.abs(ladder.displacement).max()
    assert np.abs(sharp.displacement - ladder.displacement).max() < 0.02 * moved


def test_a_resumed_run_ends_bit_for_bit(tmp_path: Path) -> None:
    body = column()
    run(body, tmp_path / "whole")
    stopped = run(body, tmp_path / "halves", progress=stop_at(5))
    assert stopped.outcome is Outcome.INTERRUPTED
    assert run(body, tmp_path / "halves", resume=True).outcome is Outcome.COMPLETED
    assert_same(tmp_path / "whole", tmp_path / "halves")


def test_a_body_that_changes_too_fast_gets_the_steps_of_the_ladder() -> None:
    body = small_box(law("rubber"), "hexahedron", cells=2, distort=True)
    record = run(body, velocity=swing, check_every=7)
    assert record.outcome is Outcome.COMPLETED
    found = record.summary["sharp"]
    assert found["given_up"]
    assert found["bounds"] >= HASTY
    control = critical_step(body).control
    ladder = [step.value for step in control.all_rungs()]
    assert any(record.summary["step"] <= value for value in ladder)
    assert record.summary["certificate"]["step"] in ladder[1:]  # it left the smallest domain


def test_checks_in_close_succession_end_no_sharp_steps() -> None:
    """A column that is stopped at once leaves its first neighbourhoods and stays in wider ones."""
    body = column()
    settings = {"loads": [Motion("z-min", (0, 0, 0))], "velocity": (0.0, 0.0, -1.0)}
    record = march(body, critical_step(body), END, check_every=3, **settings)
    assert record.outcome is Outcome.COMPLETED
    assert not record.summary["sharp"]["given_up"]
    assert abs(record.summary["energy"]["error"]) <= 0.003


def test_domains_that_give_no_step_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The column goes through three domains of the ladder, and its first is all that is solved."""
    body, problems, states = column(), [], []
    step = critical_step(body)
    solve = step_module.highest_frequency
    monkeypatch.setattr(
        step_module, "highest_frequency", lambda *a: problems.append(a) or solve(*a)
    )
    check = Guard.check
    monkeypatch.setattr(Guard, "check", lambda *a: states.append(check(*a)) or states[-1])
    record = march(body, step, END, velocity=twist, loads=[Motion("z-min", (0, 0, 0))])
    assert not record.summary["sharp"]["given_up"]
    assert len({verdict.rungs for verdict in states}) >= 3
    assert not problems
    assert record.summary["certificate"]["step"] == step.value


def test_a_requested_step_is_the_largest() -> None:
    body = column()
    step = critical_step(body)
    step.control.longest = 0.8 * step.value
    seen: list[Progress] = []
    march(body, step.control.at((0,)), 0.05, velocity=twist, progress=seen.append)
    assert max(p.step for p in seen) <= 0.8 * step.value


class TestBackingOff:
    @pytest.fixture
    def steps(self) -> SharpSteps:
        found = sharp_steps(critical_step(column()))
        assert found is not None
        return found

    def step(self, steps: SharpSteps, number: int, present: float) -> float:
        from dolfinx import fem

        body = steps._control.body
        return steps.step(fem.Function(body.space), 0.01 * number, number, (0,), present)

    def test_it_begins_below_the_limit_and_climbs(self, steps: SharpSteps) -> None:
        first = self.step(steps, 0, 0.0)
        second = self.step(steps, 40, first)
        assert second == pytest.approx(1.03 * first, rel=1e-9)
        last = second
        for number in range(2, 12):
            last = self.step(steps, 40 * number, last)
        assert first == pytest.approx(START * last, rel=0.02)

    def test_energy_from_nowhere_lowers_the_step(self, steps: SharpSteps) -> None:
        before = self.step(steps, 0, 0.0)
        steps.watch(0.9 * NOTICED)
        assert not steps.due(2)
        steps.watch(1.1 * NOTICED)
        assert steps.due(2)
        assert steps.summary()["share_of_the_limit"] == pytest.approx(0.9)
        steps.watch(1.2 * NOTICED)  # no news
        assert steps.summary()["share_of_the_limit"] == pytest.approx(0.9)
        after = [before]
        for number in range(1, 8):
            after.append(self.step(steps, 40 * number, after[-1]))
        assert after[-1] < 1.01 * before
        steps.watch(-0.5)  # energy that vanished is not the step's fault
        assert steps.summary()["share_of_the_limit"] == pytest.approx(0.9)


def test_eight_points_in_a_cell_have_the_steps_of_the_ladder() -> None:
    full = small_box(polyconvex(), "hexahedron", cells=2, formulation="full")
    assert sharp_steps(critical_step(full)) is None
    assert sharp_steps(critical_step(small_box(polyconvex(), "hexahedron", cells=2))) is not None


def test_small_strain_laws_have_one_step() -> None:
    assert sharp_steps(critical_step(small_box(law("linear"), "hexahedron", cells=2))) is None
