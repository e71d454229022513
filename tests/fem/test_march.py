from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem.body import Body
from lipmat.fem.driver import Progress
from lipmat.fem.loads import Gravity, Motion, Pressure
from lipmat.fem.march import march
from lipmat.fem.mpi import MPI
from lipmat.fem.outcome import Outcome
from lipmat.fem.record import COLUMNS, Record
from lipmat.fem.step import critical_step
from lipmat.fem.wall import Plane, Wall
from tests.fem.bodies import small_box
from tests.fem.laws import law, rubber

BASE = Motion("z-min", (0, 0, 0))
FLOOR = Wall("z-min", Plane((0, 0, 0), (0, 0, 1)))


def run(name: str = "rubber", end: float = 0.5, cells: int = 2, **settings: Any) -> Record:
    body = small_box(law(name), "hexahedron", cells=cells)
    return march(body, critical_step(body, safety=0.9), end, **settings)


def last_fields(folder: Path) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Nodes, output times, and the fields of the last of these."""
    with h5py.File(folder / "fields.vtkhdf") as file:
        root = file["VTKHDF"]
        count = int(root["Steps"].attrs["NSteps"])
        fields = {
            name: root[kind][name][root[f"Steps/{kind}Offsets/{name}"][count - 1] :]
            for kind in ("PointData", "CellData")
            for name in root[kind]
        }
        return root["Points"][:], root["Steps/Values"][:count], fields


def lift(x: np.ndarray) -> np.ndarray:
    """A small velocity upwards that grows with the height [m/s]."""
    return np.stack([0 * x[0], 0 * x[0], 0.1 * x[2]])


def test_a_completed_run_and_its_records(tmp_path: Path) -> None:
    """Summary, table and fields agree with each other and with the record."""
    probes = [(1, 1, 1), (0.4, 0.6, 0)]
    record = run(
        loads=[BASE], velocity=lift, folder=tmp_path, every=0.05, probes=probes, sharp=False
    )
    assert (record.outcome, record.message) == (Outcome.COMPLETED, "reached 0.5 s")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary == json.loads(json.dumps(record.summary))
    assert summary["outcome"] == "completed"
    assert summary["time"] == pytest.approx(0.5, rel=1e-12)
    assert summary["steps"] * summary["step"] == pytest.approx(0.5, rel=1e-12)
    assert summary["step"] <= summary["certificate"]["step"]
    assert (summary["cells"], summary["ranks"], summary["step_changes"]["count"]) == (8, 1, 0)
    header, *rows = (tmp_path / "history.csv").read_text().splitlines()
    probes = [f"probe_{i}_{a} [m]" for i in (1, 2) for a in "xyz"]
    assert header.split(",") == [*COLUMNS, *probes] == list(record.history)
    table = np.array([row.split(",") for row in rows], dtype=float)
    for values, column in zip(table.T, record.history.values(), strict=True):
        assert values == pytest.approx(column, rel=1e-8, abs=1e-300)
    times = record.history["time [s]"]
    assert len(times) == 11
    assert np.abs(times - np.linspace(0, 0.5, 11)).max() <= summary["step"]
    points, shown, fields = last_fields(tmp_path)
    assert shown == pytest.approx(times, rel=1e-8)
    top = np.argmin(np.linalg.norm(points - [1, 1, 1], axis=1))
    last = [record.history[f"probe_1_{a} [m]"][-1] for a in "xyz"]
    assert fields["displacement"][top] == pytest.approx(last, rel=1e-12)
    assert np.linalg.norm(last) > 1e-4
    assert fields["stretch"].max() == pytest.approx(record.history["stretch_max [-]"][-1])
    assert [record.history[f"probe_2_{a} [m]"][-1] for a in "xyz"] == [0, 0, 0]
    assert np.abs(record.displacement).max() == pytest.approx(np.abs(fields["displacement"]).max())


def test_energies_of_the_history_balance() -> None:
    record = run(loads=[BASE, Gravity((0, 0, -9.81))], every=0.01)
    columns = [record.history[c] for c in COLUMNS]
    _, _, kinetic, stored, hourglass, lost, viscous, contact, external, error, *rest = columns
    most, least, volume = rest
    assert (hourglass == 0).all()
    assert (viscous == 0).all()
    assert (lost == 0).all()
    assert (contact == 0).all()
    assert np.abs(error).max() <= 1e-3
    scale = (kinetic + stored).max()
    assert external.max() > 0.5 * scale > 0
    assert (most >= least).all()
    assert most[0] == pytest.approx(1.0, abs=1e-7)
    assert least.min() < 0.999
    assert volume.min() > 0.9


@pytest.mark.parametrize(("every", "between"), [(0.06, {26}), (0.11, {20, 27})])
def test_a_check_waits_for_an_output_that_comes_soon(every: float, between: set[int]) -> None:
    """One that is due within half as many steps again; else there are checks between."""
    checks: list[int] = []
    step = run(end=1e-3, sharp=False).summary["certificate"]["step"]
    scale = step / (0.06 / 26)  # an output after 26 and after 47 steps
    settings: dict[str, Any] = {"end": 10 * every * scale, "every": every * scale, "sharp": False}
    run(progress=lambda found: checks.append(found.steps), velocity=(0.0, 0.0, 0.1), **settings)
    assert set(np.diff(checks)[:-1].tolist()) <= {b + k for b in between for k in (0, 1)}
    assert len(checks) <= 10 * len(between) + 2


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    record = run(end=0.01, velocity=(0.0, 0.0, 1.0))
    assert record.folder is None
    assert list(tmp_path.iterdir()) == []
    assert record.displacement == pytest.approx(np.tile([0, 0, 0.01], (27, 1)), abs=1e-12)


def test_the_step_changes_with_the_domain(tmp_path: Path) -> None:
    """Pulled through three rungs: the step falls, is booked, and the end is still met."""
    loads = [BASE, Motion("z-max", (0, 0, 0.5), "velocity")]
    record = run(loads=loads, folder=tmp_path, check_every=2, sharp=False)
    changes = record.summary["step_changes"]["first"]
    steps = [c["step"] for c in changes]
    assert record.summary["step_changes"]["count"] == len(changes)
    assert record.outcome is Outcome.COMPLETED
    assert len(changes) >= 3
    assert steps == sorted(steps, reverse=True)
    assert record.summary["step"] == steps[-1] == record.history["step [s]"][-1]
    assert record.history["time [s]"][-1] == pytest.approx(0.5, rel=1e-12)
    assert 1.2 < record.history["stretch_max [-]"][-1] < 1.4
    body = small_box(rubber(), "hexahedron", cells=2)
    rungs = critical_step(body, safety=0.9).control.all_rungs()
    assert steps[-1] <= rungs[3].value
    certificate = record.summary["certificate"]
    assert certificate["domains"] == [rungs[3].domains[0].as_dict()]
    assert certificate["step"] == pytest.approx(rungs[3].value, rel=1e-8)


def upwards(speed: float) -> list[Motion]:
    return [BASE, Motion("z-max", (0, 0, speed), "velocity")]


OUTCOMES: dict[Outcome, dict[str, Any]] = {
    Outcome.LEFT_DOMAIN: {"loads": upwards(5.0), "end": 0.5},
    Outcome.INVERTED_CELL: {"name": "linear", "loads": upwards(-5.0), "end": 0.5},
    Outcome.NONFINITE: {
        "loads": [Pressure("z-max", 1.0, lambda t: np.nan if t > 0.2 else 1.0)],
        "end": 0.5,
    },
    Outcome.ENERGY_ERROR: {
        "loads": [BASE],
        "velocity": lift,
        "end": 0.5,
        "energy_limits": (-1e-9, 1e-9),
    },
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_bad_end_is_named_and_recorded(outcome: Outcome, tmp_path: Path) -> None:
    """The last state is in the records, and the summary is JSON with a message and an advice."""
    record = run(folder=tmp_path, **OUTCOMES[outcome])
    assert record.outcome is outcome
    text = (tmp_path / "summary.json").read_text()
    summary = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert summary["outcome"] == str(outcome)
    if outcome is not Outcome.ENERGY_ERROR:
        assert summary["advice"] == outcome.advice
    assert (tmp_path / "restart.npz").is_file()
    assert f"{summary['time']:.6g} s" in summary["message"]
    assert 0 < summary["time"] < 0.5
    rows = (tmp_path / "history.csv").read_text().splitlines()[1:]
    assert float(rows[-1].split(",")[0]) == pytest.approx(summary["time"], rel=1e-8)
    assert len(last_fields(tmp_path)[1]) == len(rows) >= 2
    if outcome is Outcome.LEFT_DOMAIN:
        assert record.history["stretch_max [-]"][-1] > 2.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_valid_records(number: int, tmp_path: Path) -> None:
    """Ctrl-C, or a polite kill, at the fifth check; afterwards the signals are as before."""
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 5:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    record = run(
        **{"velocity": lift, "loads": [BASE], "folder": tmp_path, "progress": stop},
        **{"every": 1.0, "check_every": 8, "sharp": False},
    )
    assert signal.getsignal(number) is before
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert record.outcome is Outcome.INTERRUPTED
    assert summary["outcome"] == "interrupted"
    assert summary["message"] == f"stopped by the user at {summary['time']:.6g} s"
    assert seen[4].time < summary["time"] < 0.5
    assert summary["steps"] == seen[4].steps + 8
    rows = (tmp_path / "history.csv").read_text().splitlines()[1:]
    assert float(rows[-1].split(",")[0]) == pytest.approx(summary["time"], rel=1e-8)
    _, times, fields = last_fields(tmp_path)
    assert times[-1] == summary["time"]
    assert (
        np.sort(fields["displacement"].ravel()).tolist()
        == np.sort(record.displacement.ravel()).tolist()
    )


def test_progress_tells_steps_and_time() -> None:
    seen: list[Progress] = []
    settings = {"check_every": 7, "every": 1.0, "sharp": False}
    record = run(end=0.3, velocity=lift, progress=seen.append, **settings)
    total = record.summary["steps"]
    assert [p.steps for p in seen] == [*range(0, total, 7), *([total] if total % 7 else [])]
    assert seen[-1].time == pytest.approx(seen[-1].end, rel=1e-12)
    assert np.isnan(seen[0].seconds_left)
    assert seen[-1].seconds_left == pytest.approx(0.0, abs=1e-6)


def test_more_entries_go_into_the_summary(tmp_path: Path) -> None:
    run(end=0.01, folder=tmp_path / "new" / "folder", info={"title": "a block"})
    assert json.loads((tmp_path / "new/folder/summary.json").read_text())["title"] == "a block"
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == [
        "fields.vtkhdf",
        "history.csv",
        "summary.json",
    ]


def of_another_body(body: Body) -> None:
    step = critical_step(small_box(law("linear"), "hexahedron", cells=1))
    march(body, step, 0.1)


def wrong(**settings: Any) -> Callable[[Body], None]:
    def call(body: Body) -> None:
        march(body, critical_step(body, "linearised"), **{"end": 0.1} | settings)

    return call


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (wrong(end=0.0), "march: found end = 0.0, expected a positive number"),
        (wrong(end=np.inf), "march: found end = inf"),
        (wrong(every=-1.0), "march: found every = -1.0"),
        (wrong(restart_every=0.0), "march: found restart_every = 0.0, expected a positive number"),
        (wrong(energy_warning=-1.0), "energy_warning: found -1.0, expected a positive number"),
        (
            wrong(energy_limits=(0.1, 0.2)),
            r"energy_limits: found \[0.1, 0.2\], expected a negative",
        ),
        (wrong(resume=True), "march: found resume without a folder"),
        (wrong(verify=True), "verify: found level 'linearised'"),
        (wrong(loads=[FLOOR]), "march: found a wall on 'z-min' whose stiffness is no part"),
        (wrong(check_every=0), "march: found check_every = 0"),
        (wrong(loads=[Motion("z-mn", (0, 0, 0))]), r"'z-mn', did you mean 'z-min'"),
        (wrong(velocity=(0, 0, np.nan)), "initial velocity: found values that are not finite"),
        (wrong(velocity=lambda x: x[:2]), "initial velocity"),
        (of_another_body, "the step was certified for another body"),
    ],
)
def test_bad_arguments_leave_nothing(
    call: Callable[[Body], None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = small_box(law("linear"), "hexahedron", cells=1)
    with pytest.raises(InputError, match=message):
        call(body)
    assert list(tmp_path.iterdir()) == []


def test_the_same_run_twice_is_the_same() -> None:
    one, two = (run(end=0.2, velocity=lift, loads=[BASE]) for _ in range(2))
    assert np.array_equal(one.displacement, two.displacement)


def test_box_and_file_of_the_public_calls(tmp_path: Path) -> None:
    body = Body.box((1, 1, 2), (1, 1, 2), "tetrahedron", law("linear"), 930.0, MPI.COMM_SELF)
    record = march(body, critical_step(body), 0.01, velocity=(1.0, 0.0, 0.0))
    assert record.displacement == pytest.approx(np.tile([0.01, 0, 0], (12, 1)), abs=1e-12)
    assert body.number_of_cells == 12
