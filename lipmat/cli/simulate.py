"""From a case file to a finished run: the calls that ``lipmat run`` and ``resume`` make."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lipmat.cli.build import body_of, loads_of, step_of
from lipmat.config import Case, read_case
from lipmat.errors import InputError
from lipmat.fem.driver import Progress
from lipmat.fem.files import replace_file
from lipmat.fem.loads import PrescribedMotion
from lipmat.fem.march import march
from lipmat.fem.mpi import MPI, on_root, only_root
from lipmat.fem.record import Record
from lipmat.fem.restart import refuse_unresumable

PLAN = "ensemble.json"
"""What an ensemble is to run."""


def run_case(
    case: Case, folder: Path, progress: Callable[[Progress], None] | None = None
) -> Record:
    """Run a case and leave its records and pictures in a folder.

    Raises:
        InputError: A mesh, material or group of the case cannot be used.
    """
    return simulate(case, folder, progress, resume=False)


def resume(folder: str | Path, progress: Callable[[Progress], None] | None = None) -> Record:
    """Go on with an interrupted run of a case; its records end as those of a run in one go.

    Args:
        folder: Where ``lipmat run`` left its case and its restart file.
        progress: Called at every check.

    Raises:
        InputError: No interrupted run is there, or its case, mesh or materials have changed.
    """
    folder = Path(folder)
    case = case_in(folder)
    refuse_unresumable(MPI.COMM_WORLD, folder)
    return simulate(case, folder, progress, resume=True)


def case_in(folder: Path) -> Case:
    """Return the case that a run left in its folder.

    Raises:
        InputError: There is none, or it cannot be read.
    """
    file = folder / "case.toml"
    if not file.is_file():
        raise InputError(
            f"{folder}: there is no case.toml, expected the folder of a run of a case; a run of "
            "your own goes on with march(..., resume=True)"
        )
    return read_case(file)


def simulate(
    case: Case,
    folder: Path,
    progress: Callable[[Progress], None] | None,
    resume: bool,
    begin: Callable[[], None] | None = None,
) -> Record:
    """Run a case, or go on with it.

    Args:
        case: What is simulated.
        folder: For its records.
        progress: Called at every check.
        resume: Whether to go on from the restart file that is there.
        begin: Called when all has been checked, before the folder is written to.
    """
    body = body_of(case)
    loads = loads_of(case)
    for boundary in case.boundary:
        body.grid.group(boundary.on)
    PrescribedMotion(body, loads)  # a wrong name or a clash leaves no folder behind
    t = case.time
    step, added = step_of(case, body, loads)
    if begin is not None:
        begin()
    if not resume:
        only_root(body.comm, write_case, case, folder)
    record = march(
        body,
        step,
        t.end,
        loads=loads,
        velocity=case.initial.velocity_at,
        folder=folder,
        every=case.output_every,
        check_every=t.check_every,
        probes=case.output.probes,
        energy_warning=t.energy_warning,
        energy_limits=t.energy_limits,
        verify=t.verify,
        sharp=t.sharp,
        restart_every=case.output.restart,
        parallel=case.output.parallel,
        resume=resume,
        identity={"case": on_root(body.comm, case.identity)},
        progress=progress,
        info=_info(case) | ({} if added is None else {"added_mass": added.as_dict()}),
    )
    pictures = only_root(body.comm, _pictures, case, folder)
    return record.with_pictures(tuple(pictures or ()))


def is_ensemble(folder: Path) -> bool:
    """Tell whether ``lipmat run --specimens`` left the folder."""
    return (folder / PLAN).is_file()


def write_case(case: Case, folder: Path) -> None:
    """Leave a case in the folder of its run, which is made if it is missing."""
    try:
        (folder / PLAN).unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "case.toml", case.as_toml().encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to, {error.strerror}") from error


def _info(case: Case) -> dict[str, Any]:
    hashes = {m.file.name: hashlib.sha256(m.file.read_bytes()).hexdigest() for m in case.materials}
    return {"title": case.title, "materials": hashes, "seed": case.seed}


def _pictures(case: Case, folder: Path) -> list[Path]:
    from lipmat.plotting import plot_run

    return plot_run(folder, case.output.picture, case.output.movie)
