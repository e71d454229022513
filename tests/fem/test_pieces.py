"""Fields in pieces: what is read is what one file has, also after a kill or on a full disk."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

from lipmat.errors import InputError
from lipmat.fem import pieces
from lipmat.fem.outcome import Outcome
from lipmat.fem.record import Record
from lipmat.plotting import plot_run
from lipmat.plotting.fields import FieldReader
from tests.fem.runs import run, stop_at, summary_of

FIELDS = (("PointData", "displacement"), ("PointData", "velocity"), ("CellData", "stretch"))


def assert_same_fields(one: Path, two: Path) -> int:
    """Assert that two folders hold the same fields, bit for bit; return the number of times."""
    readers = [FieldReader(folder / "fields.vtkhdf") for folder in (one, two)]
    a, b = readers
    assert a.times.tobytes() == b.times.tobytes()
    for output in range(len(a.times)):
        for kind, name in FIELDS:
            expected, found = (r.rows(kind, name, output) for r in readers)
            assert np.abs(expected).max() > 0 or output == 0
            assert found.tobytes() == expected.tobytes(), (name, output)
    grids = [r.grid() for r in readers]
    assert grids[0].points.tobytes() == grids[1].points.tobytes()
    assert np.array_equal(grids[0].cell_connectivity, grids[1].cell_connectivity)
    for reader in readers:
        reader.close()
    return len(a.times)


def assert_vtk_reads(folder: Path) -> list[int]:
    """Assert that VTK sees the fields, forwards and back; return the parts of each time."""
    ours = FieldReader(folder / "fields.vtkhdf")
    reader = pyvista.get_reader(folder / "fields.vtkhdf").reader
    reader.UpdateInformation()
    times = reader.GetOutputInformation(0).Get(vtkStreamingDemandDrivenPipeline.TIME_STEPS())
    assert times == tuple(ours.times)
    numbers, volume = [], ours.grid().volume
    for output in [*range(len(times)), *reversed(range(len(times)))]:
        reader.UpdateTimeStep(times[output])
        found = pyvista.wrap(reader.GetOutput())
        parts = [found] if isinstance(found, pyvista.UnstructuredGrid) else list(found)
        parts = [part for part in parts if part.n_cells]
        for kind, name in FIELDS:
            whole = ours.rows(kind, name, output)
            for part in parts:
                data = part.point_data if kind == "PointData" else part.cell_data
                own = np.asarray(data["node" if kind == "PointData" else "cell"])
                assert np.array_equal(data[name], whole[own]), (name, output)
        assert sum(part.volume for part in parts) == pytest.approx(volume)
        numbers.append(len(parts))
    ours.close()
    return numbers[: len(times)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """A run in one go whose fields are gathered."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run("rubber", folder)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted, with its fields in pieces."""
    folder = tmp_path_factory.mktemp("stopped")
    run("rubber", folder, parallel=True, progress=stop_at(9))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "pieces").iterdir())


def test_pieces_hold_what_the_gathered_file_has(whole: tuple[Path, Record], tmp_path: Path) -> None:
    record = run("rubber", tmp_path, parallel=True)
    assert record.outcome is Outcome.COMPLETED
    assert names(tmp_path) == ["0-00000.h5"]
    assert assert_same_fields(whole[0], tmp_path) == 19
    assert assert_vtk_reads(tmp_path) == [1] * 19


def test_a_run_that_begins_anew_removes_the_pieces_of_the_old(
    whole: tuple[Path, Record], stopped: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(stopped, tmp_path / "copy")
    run("rubber", folder, parallel=True)
    assert names(folder) == ["1-00000.h5"]
    assert assert_same_fields(whole[0], folder) == 19
    run("rubber", folder)
    assert not (folder / "pieces").exists()
    assert assert_same_fields(whole[0], folder) == 19


def test_resumed_twice(whole: tuple[Path, Record], tmp_path: Path) -> None:
    """Each leg has pieces of its own; all together are the uninterrupted run, bit for bit."""
    run("rubber", tmp_path, parallel=True, progress=stop_at(9))
    run("rubber", tmp_path, parallel=True, progress=stop_at(8), resume=True)
    run("rubber", tmp_path, parallel=True, resume=True)
    assert names(tmp_path) == ["0-00000.h5", "1-00000.h5", "2-00000.h5"]
    assert assert_same_fields(whole[0], tmp_path) == 19
    assert assert_vtk_reads(tmp_path) == [1] * 19
    assert summary_of(tmp_path) == summary_of(whole[0])
    assert (tmp_path / "history.csv").read_bytes() == (whole[0] / "history.csv").read_bytes()


@pytest.mark.parametrize("moment", ["_write", "_add", "_create_index"])
def test_killed_between_pieces_and_index(
    moment: str, whole: tuple[Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies without a word while it writes its 8th output, or resumes."""
    if moment == "_create_index":
        run("rubber", tmp_path, parallel=True, progress=stop_at(20), restart_every=1e-9)
    child = os.fork()
    if not child:
        calls: list[int] = []
        own = getattr(pieces.FieldPieces, moment)

        def dies(self: Any, *arguments: Any) -> Any:
            calls.append(1)
            if moment == "_create_index" or len(calls) == 8:
                os._exit(7)
            return own(self, *arguments)

        monkeypatch.setattr(pieces.FieldPieces, moment, dies)
        run("rubber", tmp_path, parallel=True, restart_every=1e-9, resume=moment == "_create_index")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert FieldReader(tmp_path / "fields.vtkhdf").times[5] > 0
    run("rubber", tmp_path, parallel=True, resume=True)
    assert assert_same_fields(whole[0], tmp_path) == 19
    assert (tmp_path / "history.csv").read_bytes() == (whole[0] / "history.csv").read_bytes()


def test_a_full_disk(
    whole: tuple[Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with what to do, its fields up to then can be read, and it goes on."""
    own, calls = pieces.write_fields, []

    def full(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        return own(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pieces, "write_fields", full)
        with pytest.raises(OSError, match=rf"make room, then go on with: lipmat resume {tmp_path}"):
            run("rubber", tmp_path, parallel=True)
    assert len(assert_vtk_reads(tmp_path)) == 7
    run("rubber", tmp_path, parallel=True, resume=True)
    assert assert_same_fields(whole[0], tmp_path) == 19


@pytest.mark.parametrize(
    ("spoil", "settings", "message"),
    [
        (lambda f: None, {"parallel": False}, "found parallel False, expected True as in the int"),
        (lambda f: (f / "fields.vtkhdf").unlink(), {}, r"fields.vtkhdf: cannot be read \("),
        (lambda f: (f / "pieces/0-00000.h5").unlink(), {}, r"0-00000.h5: cannot be read \("),
        (
            lambda f: os.truncate(f / "pieces/0-00000.h5", 9_000),
            {},
            r"0-00000.h5: cannot be read \(.*up to output \d+; start again with: lipmat run",
        ),
    ],
)
def test_spoilt_folders_are_refused(
    spoil: Any, settings: dict[str, Any], message: str, stopped: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(stopped, tmp_path / "copy")
    spoil(folder)
    with pytest.raises(InputError, match=message) as error:
        run("rubber", folder, resume=True, **({"parallel": True} | settings))
    assert "\n" not in str(error.value)
    left = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert all((stopped / path).exists() for path in left)


def test_an_index_without_its_pieces_is_not_drawn(stopped: Path, tmp_path: Path) -> None:
    for name in ("fields.vtkhdf", "history.csv"):
        shutil.copy(stopped / name, tmp_path)
    with pytest.raises(InputError, match=r"there is no pieces/0-00000.h5 beside it"):
        plot_run(tmp_path)
