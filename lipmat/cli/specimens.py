"""What ``lipmat specimens`` does: fit, learn, draw, certify, save, show."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from lipmat.cli.terminal import STYLE, Terminal, quantity
from lipmat.errors import InputError
from lipmat.experiments.modes import measurement
from lipmat.experiments.specimens import DRAWN, Population, fit_specimens, learn_population
from lipmat.materials.file import save
from lipmat.materials.law import largest_stiffness
from lipmat.plotting import Band, BandPanel, plot_bands
from lipmat.units import column_unit

if TYPE_CHECKING:
    from lipmat.experiments.dataset import Dataset
    from lipmat.materials.polyconvex import PolyconvexStretch

PICTURE = "specimens.png"


def file_of(folder: Path, number: int) -> Path:
    """Return the material file of a drawn specimen, counted from 1."""
    return folder / f"specimen-{number}.safetensors"


def draw_specimens(
    data: Dataset,
    folder: Path,
    number: int,
    seed: int,
    bulk_modulus: float | None,
    terminal: Terminal,
) -> dict[str, Any]:
    """Learn the scatter of a dataset's specimens and write new ones to a folder.

    Material files of earlier specimens there are removed.

    Returns:
        The summary, as JSON values.

    Raises:
        InputError: The tests are unsuitable, or the folder cannot be written to.
    """
    started = time.perf_counter()
    _check_room(folder)
    with terminal.steps("fitting the specimens") as progress:
        specimens = fit_specimens(data, seed, bulk_modulus, progress)
    with terminal.steps("learning their scatter") as progress:
        population = learn_population(specimens, seed, progress=progress)
    laws = population.laws(number)
    _clear(folder)
    with terminal.steps("certifying") as progress:
        for i, law in enumerate(laws, 1):
            save(law, file_of(folder, i))
            progress(i, number, law.bound().value)
    picture = plot_bands(folder / PICTURE, _panels(population, number))
    return _summary(population, laws, folder, picture) | {
        "seconds": round(time.perf_counter() - started, 3)
    }


def _check_room(folder: Path) -> None:
    """Fail before the training where the folder cannot be written to."""
    parent = folder if folder.is_dir() else folder.parent
    if not os.access(parent, os.W_OK):
        raise InputError(f"{folder}: cannot be written to, Permission denied")


def _clear(folder: Path) -> None:
    """Take away the specimens of an earlier call, which belong to another population."""
    try:
        folder.mkdir(exist_ok=True)
        for file in folder.glob("specimen-*.safetensors"):
            file.unlink()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to, {error.strerror}") from error


def _summary(
    population: Population, laws: list[PolyconvexStretch], folder: Path, picture: Path
) -> dict[str, Any]:
    given = population.specimens
    rows = [
        {
            "file": str(file_of(folder, i)),
            "shear_modulus": law.rest_moduli()[1],
            "bound": {k: largest_stiffness(v) for k, v in law.bound().rungs[-1].tangent.items()},
        }
        for i, law in enumerate(laws, 1)
    ]
    return {
        "law": laws[0].name,
        "seed": population.seed,
        "given": {
            name: {"relative_error": errors, "shear_modulus": given.law(w).rest_moduli()[1]}
            for (name, errors), w in zip(given.errors.items(), given.weights, strict=True)
        },
        "tests": {
            m.test.name: {"mode": m.test.mode, "last": float(m.x[-1]), "points": len(m.measured)}
            for m in given.common
        },
        "archetypes": len(population.archetypes),
        "left_out": population.left_out,
        "energy_distance": population.energy_distance,
        "wasserstein_bound": population.wasserstein_bound,
        "generator_slope": population.generator.bound(),
        "specimens": rows,
        "steepest_bound": max(law.bound().value for law in laws),
        "files": [row["file"] for row in rows],
        "plot": str(picture),
    }


def _panels(population: Population, number: int) -> list[BandPanel]:
    """Return one panel for each test: the given specimens, and a band of many drawn ones."""
    specimens = population.specimens
    drawn = specimens.curves(population.draw(max(DRAWN, number)))
    panels = []
    for k, (m, curves) in enumerate(zip(specimens.common, drawn, strict=True)):
        scale = column_unit(m.test.unit, "stress", m.test.name)
        own = [measurement(tests[k]) for tests in specimens.tests.values()]
        panels.append(
            BandPanel(
                m.test.name,
                m.x,
                [Band("drawn, median", curves.numpy() / scale, min(number, 20))],
                m.x_label.replace("_", " "),
                f"stress [{m.test.unit}]",
                [(o.x, o.measured.numpy() / scale) for o in own],
            )
        )
    return panels


def show_specimens(terminal: Terminal, summary: dict[str, Any]) -> None:
    """Print what was learned and drawn."""
    given, drawn = (
        np.array([row["shear_modulus"] for row in rows])
        for rows in (summary["given"].values(), summary["specimens"])
    )
    table = Table(title=f"{summary['law']}, {summary['seconds']:.1f} s", **STYLE)
    for name in ("", "specimens", "shear modulus", "standard deviation"):
        table.add_column(name, justify="right" if name else "left")
    for kind, moduli in (("given", given), ("drawn", drawn)):
        deviation = f"{moduli.std(ddof=1) / moduli.mean():.1%}" if len(moduli) > 1 else ""
        table.add_row(kind, str(len(moduli)), quantity(moduli.mean(), "Pa"), deviation)
    terminal.console.print(table)
    worst = max(max(row["relative_error"].values()) for row in summary["given"].values())
    terminal.say(
        f"{summary['archetypes']} archetypes leave out {summary['left_out']:.1%} of the scatter; "
        f"the worst fit misses a test by {worst:.1%}"
    )
    terminal.say(
        f"drawn curves from the given ones, relative to their size: energy distance "
        f"{summary['energy_distance']:.4f}, Wasserstein distance at least "
        f"{summary['wasserstein_bound']:.4f}"
    )
    terminal.say(f"steepest certified bound {quantity(summary['steepest_bound'], 'Pa')}")
    files = summary["files"]
    terminal.say(f"  wrote {files[0]}" + (f" … {files[-1]}" if len(files) > 1 else ""))
    terminal.files([Path(summary["plot"])])
