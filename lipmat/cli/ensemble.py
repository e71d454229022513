"""A case with the scatter of its materials: one run for each specimen, one after the other.

Each run has its own folder, certificate and restart file; what all of them say is in the summary
and the plots of the folder above.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from lipmat.cli.simulate import PLAN, case_in, simulate, write_case
from lipmat.cli.terminal import STYLE, Terminal, quantity
from lipmat.config import Case
from lipmat.errors import InputError
from lipmat.fem.mpi import MPI, on_root, only_root
from lipmat.fem.outcome import Outcome
from lipmat.fem.record import RESTART, write_json
from lipmat.plotting.bands import QUANTILES
from lipmat.plotting.ensemble import plot_ensemble, read_histories
from lipmat.schema import read_text

Begin = Callable[[], None]


def run_ensemble(case: Case, folder: Path, number: int, terminal: Terminal) -> dict[str, Any]:
    """Run a case once for each of the first specimens of its materials.

    Returns:
        The summary, which is in ``summary.json`` too.

    Raises:
        InputError: No material is a folder of specimens, there are too few of them, or a mesh,
            material or group of the case cannot be used.
    """
    if number < 1:
        raise InputError(f"--specimens: found {number}, expected 1 or more")
    cases = _cases(case, number)
    plan = {"specimens": number, "identities": on_root(MPI.COMM_WORLD, _identities, cases)}
    return _run(case, cases, folder, terminal, partial(_begin, case, folder, plan))


def resume_ensemble(folder: Path, terminal: Terminal) -> dict[str, Any]:
    """Go on with an ensemble where it was; specimens that have come to an end are not run again.

    Raises:
        InputError: The case, its mesh or a specimen has changed since.
    """
    case = case_in(folder)
    plan = _read(folder / PLAN)
    cases = _cases(case, plan["specimens"])
    on_root(MPI.COMM_WORLD, _refuse_changed, folder, cases, plan["identities"])
    return _run(case, cases, folder, terminal, None)


def redraw(folder: Path) -> list[Path]:
    """Draw the plots of an ensemble again.

    Raises:
        InputError: No specimen has been completed.
    """
    good = _completed(folder, _read(folder / PLAN)["specimens"])
    if not good:
        raise InputError(f"{folder}: no specimen has been completed, expected one to draw")
    return plot_ensemble(folder, good)


def _cases(case: Case, number: int) -> list[Case]:
    """Return the case of each specimen, without pictures of its own."""
    output = case.output.model_copy(update={"picture": False, "movie": False})
    without = case.model_copy(update={"output": output})
    return [without.of_specimen(i) for i in range(1, number + 1)]


def _identities(cases: Sequence[Case]) -> list[str]:
    return [case.identity() for case in cases]


def _refuse_changed(folder: Path, cases: Sequence[Case], identities: Sequence[str]) -> None:
    for i, (now, then) in enumerate(zip(_identities(cases), identities, strict=True), 1):
        if now != then:
            raise InputError(
                f"{folder}: the case, the mesh or specimen {i} has changed since the ensemble "
                "began; put it back, or start again with: lipmat run"
            )


def _begin(case: Case, folder: Path, plan: dict[str, Any]) -> None:
    only_root(MPI.COMM_WORLD, _write_plan, case, folder, plan)


def _write_plan(case: Case, folder: Path, plan: dict[str, Any]) -> None:
    """Leave what is needed to go on; how far an earlier ensemble was is forgotten."""
    write_case(case, folder)
    for place in (folder, *folder.glob("specimen-*")):
        for name in (RESTART, "summary.json"):
            (place / name).unlink(missing_ok=True)
    write_json(folder / PLAN, plan)


def _run(
    case: Case, cases: Sequence[Case], folder: Path, terminal: Terminal, begin: Begin | None
) -> dict[str, Any]:
    """Run what has not come to an end; a function that begins means that nothing has."""
    comm = MPI.COMM_WORLD
    for i, one in enumerate(cases, 1):
        place = _place(folder, i)
        state = "missing" if begin else on_root(comm, _state, place)
        if state == "ended":
            continue
        title = f"{case.title or folder.name}: specimen {i} of {len(cases)}"
        with terminal.run(title) as progress:
            record = simulate(one, place, progress, state == "interrupted", begin)
        begin = None
        step = quantity(record.summary["step"], "s")
        terminal.say(f"{record.outcome}: {record.summary['steps']} steps, the last of {step}")
        if record.outcome == Outcome.INTERRUPTED:
            break
    return on_root(comm, _finish, case, folder, len(cases))


def _place(folder: Path, number: int) -> Path:
    return folder / f"specimen-{number}"


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read_text(file))
    return found


def _summary_in(place: Path) -> dict[str, Any] | None:
    """Return the summary of a run; None if it has none, for instance because it was killed."""
    file = place / "summary.json"
    return _read(file) if file.is_file() else None


def _state(place: Path) -> str:
    """Tell how far the run of a specimen is: ended, interrupted, or missing."""
    summary = _summary_in(place)
    if summary is not None and summary["outcome"] != Outcome.INTERRUPTED:
        return "ended"
    return "interrupted" if (place / RESTART).is_file() else "missing"


def _completed(folder: Path, number: int) -> list[Path]:
    places = [_place(folder, i) for i in range(1, number + 1)]
    return [p for p in places if (_summary_in(p) or {}).get("outcome") == Outcome.COMPLETED]


def _finish(case: Case, folder: Path, number: int) -> dict[str, Any]:
    """Write summary and plots of what has been run."""
    runs = [row for i in range(1, number + 1) if (row := _row(_place(folder, i))) is not None]
    good = _completed(folder, number)
    pictures = plot_ensemble(folder, good) if good and case.output.picture else []
    summary = {
        "outcome": _outcome(runs, number),
        "message": f"{len(good)} of {number} specimens completed",
        "title": case.title,
        "folder": str(folder),
        "specimens": number,
        "completed": len(good),
        "quantiles": _quantiles(runs, good),
        "runs": runs,
        "seconds": sum(r["seconds"] for r in runs),
        "pictures": [str(p) for p in pictures],
    }
    write_json(folder / "summary.json", summary)
    return summary


def _outcome(runs: Sequence[dict[str, Any]], number: int) -> str:
    """Return the outcome of the whole: completed, or the first that is not."""
    bad = [r["outcome"] for r in runs if r["outcome"] != Outcome.COMPLETED]
    if len(runs) < number or Outcome.INTERRUPTED in bad:
        return str(Outcome.INTERRUPTED)
    return str(bad[0]) if bad else str(Outcome.COMPLETED)


def _row(place: Path) -> dict[str, Any] | None:
    """Return what the summary of the ensemble says of a run; None if it has not ended."""
    found = _summary_in(place)
    if found is None:
        return None
    return {
        "folder": place.name,
        "materials": found["materials"],
        "certified_step": found["certificate"]["step"],
        "energy_error": found["energy"]["error"],
        **{k: found[k] for k in ("outcome", "message", "level", "step", "steps", "seconds")},
    }


def _quantiles(runs: Sequence[dict[str, Any]], good: Sequence[Path]) -> dict[str, Any]:
    """Return quantiles over the completed runs: of their steps, and of all in the end."""
    if not good:
        return {}
    rows = [r for r in runs if r["outcome"] == Outcome.COMPLETED]
    values = {f"{k} [s]": [r[k] for r in rows] for k in ("certified_step", "step")}
    histories = read_histories(good)
    for name in (n for n in histories[0] if n not in ("time [s]", "step [s]")):
        values[name] = [h[name][-1] for h in histories]
    return {
        name: {f"{q:.0%}": float(np.quantile(v, q)) for q in QUANTILES}
        for name, v in values.items()
    }


def show_ensemble(terminal: Terminal, summary: dict[str, Any]) -> None:
    """Print how an ensemble ended and how its results scatter."""
    folder = Path(summary["folder"])
    good = summary["outcome"] == Outcome.COMPLETED
    colour = "green" if good else "red"
    terminal.say(f"[bold {colour}]{summary['outcome']}[/]: {summary['message']}")
    for run in summary["runs"]:
        if run["outcome"] != Outcome.COMPLETED:
            terminal.say(f"{run['folder']}: {run['outcome']}, {run['message']}")
    table = Table(title="in the end, over the completed", **STYLE)
    for name in ("", *(f"{q:.0%}" for q in QUANTILES)):
        table.add_column(name, justify="right" if name else "left")
    for name, values in summary["quantiles"].items():
        label, unit = name.rstrip("]").split(" [")
        table.add_row(label.replace("_", " "), *(_shown(v, unit) for v in values.values()))
    terminal.console.print(table)
    if summary["outcome"] == Outcome.INTERRUPTED:
        terminal.say(f"to go on: lipmat resume {folder}")
    terminal.files([folder / "summary.json", *(Path(p) for p in summary["pictures"])])


def _shown(value: float, unit: str) -> str:
    return f"{value:.4g}" if unit == "-" else quantity(value, unit)
