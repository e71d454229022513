"""Runs that were interrupted, killed or stopped go on, and end as if nothing had happened."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.fem import restart as restart_module
from lipmat.fem import vtkhdf
from lipmat.fem.files import replace_file
from lipmat.fem.loads import Gravity, Motion
from lipmat.fem.march import march
from lipmat.fem.mass_scaling import requested_step
from lipmat.fem.outcome import Outcome
from lipmat.fem.record import Record
from lipmat.fem.step import critical_step
from tests.fem.bodies import small_box
from tests.fem.laws import law
from tests.fem.runs import FLOOR, KINDS, assert_same, run, stop_at, summary_of


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Kind, folder and record of a run in one go."""
    folder = tmp_path_factory.mktemp("whole")
    return request.param, folder, run(request.param, folder)


def test_the_runs_are_worth_resuming(whole: tuple[str, Path, Record]) -> None:
    """Steps change, contact and viscosity are at work, checks lie between outputs."""
    kind, folder, record = whole
    assert record.outcome is Outcome.COMPLETED
    assert record.summary["steps"] > 120
    assert len(record.history["time [s]"]) == 19
    assert not (folder / "restart.npz").exists()
    if kind == "rubber":
        assert record.summary["step_changes"]["count"] >= 3
    else:
        assert record.history["contact_energy [J]"].max() > 1.0
        assert record.summary["energy"]["viscous"] > 0.1
        assert record.summary["lyapunov"]["pairs"] > 20


@pytest.mark.parametrize(("check", "seconds"), [(1, 1e9), (2, 1e-9), (11, 1e9), (30, 1e-9)])
def test_resumed_bit_for_bit(
    whole: tuple[str, Path, Record], check: int, seconds: float, tmp_path: Path
) -> None:
    """Interrupted at the start, between outputs and late; with old and with fresh restarts."""
    kind, folder, record = whole
    stopped = run(kind, tmp_path, progress=stop_at(check), restart_every=seconds)
    assert stopped.outcome is Outcome.INTERRUPTED
    assert stopped.summary["steps"] < record.summary["steps"]
    resumed = run(kind, tmp_path, resume=True)
    assert_same(folder, tmp_path)
    assert resumed.displacement.tobytes() == record.displacement.tobytes()
    assert list(resumed.history) == list(record.history)
    for name, values in record.history.items():
        assert values.tobytes() == resumed.history[name].tobytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in folder.iterdir())


def test_resumed_three_times(whole: tuple[str, Path, Record], tmp_path: Path) -> None:
    """The time that a run took is that of all its parts."""
    kind, folder, _ = whole
    seconds = []
    for check in (6, 1, 8):
        part = run(kind, tmp_path, progress=stop_at(check), resume=bool(seconds))
        assert part.outcome is Outcome.INTERRUPTED
        with np.load(tmp_path / "restart.npz") as file:
            about = json.loads(file["about"].tobytes())
        seconds.append(about["values"]["driver"]["seconds"])
    last = run(kind, tmp_path, resume=True)
    seconds.append(last.summary["seconds"])
    assert seconds == sorted(seconds)
    assert_same(folder, tmp_path)


def test_a_run_that_failed_keeps_its_last_good_state(tmp_path: Path) -> None:
    """It fails again in the same way; with wider limits, which are no part of it, it goes on."""
    narrow = {"energy_limits": (-1e-6, 1e-6), "energy_warning": 1e-7}
    for name in ("one", "two"):
        failed = run("rubber", tmp_path / name, **narrow)
        assert failed.outcome is Outcome.ENERGY_ERROR
    again = run("rubber", tmp_path / "one", resume=True, **narrow)
    assert again.message == failed.message
    assert_same(tmp_path / "one", tmp_path / "two")
    wide = run("rubber", tmp_path / "two", resume=True, energy_warning=1e-7)
    assert wide.outcome is Outcome.COMPLETED
    run("rubber", tmp_path / "whole", energy_warning=1e-7)
    assert_same(tmp_path / "two", tmp_path / "whole")


def test_a_state_that_is_not_finite_never_reaches_the_restart_file(tmp_path: Path) -> None:
    broken = [Gravity((0, 0, 1.0), lambda t: np.nan if t > 0.2 else 1.0)]
    failed = run("rubber", tmp_path, loads=[*broken, Motion("z-min", (0, 0, 0))])
    assert failed.outcome is Outcome.NONFINITE
    assert 0.2 < failed.summary["time"] < 0.3
    with np.load(tmp_path / "restart.npz") as file:
        arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
    state = about["values"]["integrator"]
    assert 0.15 < state["time"] < failed.summary["time"]
    assert np.isfinite(arrays["integrator.displacement"]).all()
    assert np.isfinite(arrays["integrator.velocity"]).all()


def in_a_child(call: Callable[[int], None]) -> tuple[int, int]:
    """Fork; the child calls with the end of a pipe and leaves. Return its id and the other end."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(theirs)
        return child, ours
    try:
        call(theirs)
    finally:
        os._exit(0)


def kill_after(check: int, delay: float, kind: str, folder: Path) -> None:
    """Run in a child, and kill it a moment [s] after a check."""

    def child(pipe: int) -> None:
        run(kind, folder, restart_every=1e-3, progress=lambda _: os.write(pipe, b"."))

    number, pipe = in_a_child(child)
    for _ in range(check):
        assert os.read(pipe, 1) == b".", "the child ended before it was killed"
    time.sleep(delay)
    os.kill(number, signal.SIGKILL)
    _, status = os.waitpid(number, 0)
    os.close(pipe)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_killed_at_ten_moments(whole: tuple[str, Path, Record], tmp_path: Path) -> None:
    """Kill -9 within steps or within writing; five runs of each kind end bit for bit."""
    kind, folder, _ = whole
    moments = random.Random(kind)
    for number in range(5):
        place = tmp_path / str(number)
        kill_after(moments.randint(1, 30), moments.uniform(0.0, 0.004), kind, place)
        assert not (place / "summary.json").exists()
        assert run(kind, place, resume=True).outcome is Outcome.COMPLETED
        assert_same(folder, place)


def test_a_killed_run_loses_no_more_than_the_time_since_its_restart_file(tmp_path: Path) -> None:
    """With a restart file at every check, at most one check's steps are done again."""
    kill_after(24, 0.0, "rubber", tmp_path)
    with np.load(tmp_path / "restart.npz") as file:
        about = json.loads(file["about"].tobytes())
    steps = about["values"]["integrator"]["steps"]
    seen = []
    run("rubber", tmp_path, resume=True, progress=seen.append)
    assert seen[0].steps == steps >= 42  # 24 checks, a few of them for outputs


@pytest.mark.parametrize(("seconds", "expected"), [(1e-9, True), (1e9, False)])
def test_the_clock_decides_when_to_write(seconds: float, expected: bool, tmp_path: Path) -> None:
    """At every check, or at the start only."""
    found: list[tuple[int, int]] = []

    def progress(now: Any) -> None:
        with np.load(tmp_path / "restart.npz") as file:
            about = json.loads(file["about"].tobytes())
        found.append((now.steps, about["values"]["integrator"]["steps"]))

    run("rubber", tmp_path, end=0.1, progress=progress, restart_every=seconds)
    assert len(found) > 4
    assert found == [(steps, steps if expected else 0) for steps, _ in found]


def test_a_full_disk_leaves_the_old_restart_file(
    whole: tuple[str, Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run says so and goes on; it resumes from the last file that was written whole."""
    kind, folder, _ = whole
    written = []

    def fails_later(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace_file(path, content)

    monkeypatch.setattr(restart_module, "replace_file", fails_later)
    seen = []
    stop = stop_at(12)

    def progress(now: Any) -> None:
        seen.append(now)
        stop(now)

    stopped = run(kind, tmp_path, progress=progress, restart_every=1e-9)
    assert stopped.outcome is Outcome.INTERRUPTED
    (failure,) = stopped.summary["restart_failures"]
    assert f"{tmp_path / 'restart.npz'}: not written" in failure
    assert "No space left on device" in failure
    assert seen[-1].warnings[-1] == failure
    assert len(written) > 5  # it went on trying
    monkeypatch.undo()
    run(kind, tmp_path, resume=True)
    assert_same(folder, tmp_path)


def run_within(limit: int, kind: str, folder: Path) -> str:
    """Run in a child whose files may not grow beyond a limit; return what it says."""

    def child(pipe: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            run(kind, folder, restart_every=1e-9)
        except OSError as error:
            os.write(pipe, str(error).encode())

    number, pipe = in_a_child(child)
    os.waitpid(number, 0)
    said = os.read(pipe, 4096).decode()
    os.close(pipe)
    assert said.startswith(f"{folder}: the records cannot be written")
    assert "File too large" in said
    assert said.endswith(f"make room, then go on with: lipmat resume {folder}")
    assert "\n" not in said
    return said


def test_files_that_may_grow_no_further(whole: tuple[str, Path, Record], tmp_path: Path) -> None:
    """A real limit of the system: the fields meet it, the run ends in time, and resumes."""
    kind, folder, record = whole
    run_within((folder / "fields.vtkhdf").stat().st_size + vtkhdf.ROOM - 8_000, kind, tmp_path)
    assert not (tmp_path / "summary.json").exists()
    rows = (tmp_path / "history.csv").read_text().splitlines()[1:]
    assert 2 < len(rows) < len(record.history["time [s]"])
    run(kind, tmp_path, resume=True)
    assert_same(folder, tmp_path)


def test_hdf5_that_meets_a_limit_ends_the_run_too(
    whole: tuple[str, Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system gives no warning, HDF5's own error is said in one line."""
    kind, folder, _ = whole
    monkeypatch.setattr(vtkhdf, "assure_room", lambda descriptor, size: None)
    run_within((folder / "fields.vtkhdf").stat().st_size - 8_000, kind, tmp_path)
    assert (tmp_path / "restart.npz").is_file()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    run("rubber", folder, progress=stop_at(25))
    return folder


def edited(file: str, change: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda folder: change(folder / file)


def of_another_schema(path: Path) -> None:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(arrays["about"].tobytes()) | {"schema": 99, "lipmat": "9.9"}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(path, **arrays)


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (edited("restart.npz", Path.unlink), "there is no restart.npz, expected the folder of an"),
        (edited("restart.npz", halved), r"restart.npz: cannot be read \("),
        (edited("restart.npz", lambda p: p.write_bytes(b"")), r"restart.npz: cannot be read \("),
        (edited("restart.npz", of_another_schema), "found schema 99 of lipmat 9.9, expected 3 of"),
        (edited("fields.vtkhdf", Path.unlink), r"fields.vtkhdf: cannot be read \("),
        (edited("fields.vtkhdf", halved), r"fields.vtkhdf: cannot be read \("),
        (lambda folder: run("rubber", folder, end=0.01), "the run is complete"),
    ],
)
def test_spoilt_folders_are_refused(
    spoil: Callable[[Path], None], message: str, stopped: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(stopped, folder)
    spoil(folder)
    left = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(InputError, match=message) as error:
        run("rubber", folder, resume=True)
    assert "\n" not in str(error.value)
    assert left.items() <= {p.name: p.read_bytes() for p in folder.iterdir()}.items()


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("linear", {"verify": False}, "restart.npz: found materials .*, expected"),
        ("rubber", {"end": 0.5}, "found end 0.5, expected 0.8 as in the interrupted run"),
        ("rubber", {"every": 0.01}, "found every 0.01, expected 0.046"),
        ("rubber", {"check_every": 8}, "found check_every 8, expected 2"),
        ("rubber", {"probes": []}, r"found probes \[\], expected"),
        ("rubber", {"identity": {"case": "abc"}}, "found case abc, expected missing"),
    ],
)
def test_other_runs_are_refused(
    kind: str, settings: dict[str, Any], message: str, stopped: Path
) -> None:
    with pytest.raises(InputError, match=message):
        run(kind, stopped, resume=True, **settings)
    assert summary_of(stopped)["outcome"] == "interrupted"


def test_other_added_mass_and_other_walls_are_refused(stopped: Path) -> None:
    same = small_box(law("rubber"), "hexahedron", cells=2, distort=True)
    with_wall = critical_step(same, walls=[FLOOR])
    heavy = small_box(law("rubber"), "hexahedron", cells=2, distort=True)
    scaled, _ = requested_step(heavy, 5 * with_wall.value, mass_scaling=True)
    scaled.control.longest = np.inf
    settings: dict[str, Any] = {"check_every": 2, "every": 0.046, "probes": [(1, 1, 1)]}
    for body, step, message in (
        (heavy, scaled, r"found mass .* kg, expected .* kg as in"),
        (same, with_wall, "found walls .*, expected"),
    ):
        with pytest.raises(InputError, match=message):
            march(body, step, 0.8, folder=stopped, resume=True, **settings)


def test_an_output_time_less_than_the_restart_file_knows(stopped: Path, tmp_path: Path) -> None:
    """Fields of another, shorter run are not taken for its own."""
    folder = tmp_path / "copy"
    shutil.copytree(stopped, folder)
    run("rubber", tmp_path / "short", end=0.01, every=0.02)
    shutil.copy(tmp_path / "short" / "fields.vtkhdf", folder)
    with pytest.raises(InputError, match=r"fields.vtkhdf: found 2 output times, expected at least"):
        run("rubber", folder, resume=True)
