"""Pictures and a movie of a run, from the files in its folder; the plot of a fit.

Nothing here needs a display: pyvista renders off-screen, matplotlib draws to files.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.plotting.scene import Scene, colour_map, quiet, scaled

Floats = NDArray[np.float64]

COLOURS = ("#0b6fa4", "#d1495b", "#3a7d44", "#edae49", "#6a4c93", "#7a7a7a", "#2ec4b6")
STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.facecolor": "white",
}
SNAPSHOTS = 5
DPI = 200
MOVIE_SIZE = (832, 784)
BAR_WIDTH = 144
FRAMES_PER_SECOND = 25
LEAST_FRAMES = 100


@dataclass(frozen=True, eq=False)
class FitPanel:
    """One test of a fit: what was measured and what the law says.

    Attributes:
        title: Name of the test.
        x: Measured abscissa, shape (n,).
        y_measured: Measured ordinate, shape (n,).
        x_curve: Abscissa of the law's curve, shape (m,).
        y_curve: Ordinate of the law's curve, shape (m,).
        x_label: Label with unit.
        y_label: Label with unit.
        fitted: Whether the law was trained on this test, or predicts it.
        r2: Coefficient of determination [-].
        parity: Whether the points are the law's values over the measured ones; the curve is then
            where both agree.
        band: Lower and upper bound of the law's curve, each (m,), where the strain has an error,
            and that error in words.
    """

    title: str
    x: Floats
    y_measured: Floats
    x_curve: Floats
    y_curve: Floats
    x_label: str
    y_label: str
    fitted: bool
    r2: float
    parity: bool = False
    band: tuple[Floats, Floats, str] | None = None


def draw_run(folder: Path, picture: bool, movie: bool) -> list[Path]:
    """Draw a run from its ``fields.vtkhdf`` and ``history.csv``.

    Args:
        folder: The folder of the run; the pictures are put there.
        picture: Draw ``run.png``, snapshots of the deformed body, and ``energy.png``.
        movie: Draw ``movie.mp4``.

    Returns:
        The files written.

    Raises:
        InputError: A file of the run is missing or holds no output times.
    """
    written = []
    if picture:
        history = read_history(expected(folder, "history.csv"))
        written.append(_draw_energy(folder / "energy.png", history))
    if picture or movie:
        with quiet(), Scene(expected(folder, "fields.vtkhdf")) as scene:
            written += [_draw_snapshots(folder / "run.png", scene)] if picture else []
            written += [_draw_movie(folder / "movie.mp4", scene)] if movie else []
    return written


def plot_fit(path: str | Path, panels: Sequence[FitPanel]) -> Path:
    """Draw measured points and the law's curve of each test, and return the file written.

    Args:
        path: The PNG file to write.
        panels: One for each test, at least one.
    """
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * columns, 3.2 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            _draw_panel(axes, panel)
        for axes in grid[len(panels) :]:
            axes.remove()
        figure.savefig(path, dpi=DPI)
    return Path(path)


def _draw_panel(axes: Any, panel: FitPanel) -> None:
    colour = COLOURS[0] if panel.fitted else COLOURS[1]
    kind = "fitted" if panel.fitted else "predicted"
    dots = {"s": 18, "facecolor": "white", "edgecolor": "#333333", "linewidth": 0.9, "zorder": 3}
    if panel.parity:
        small = {"s": 7, "color": colour, "linewidth": 0, "alpha": 0.5, "zorder": 3}
        axes.plot(panel.x_curve, panel.y_curve, color="#333333", linewidth=0.8, label="equal")
        axes.scatter(panel.x, panel.y_measured, label=f"law, {kind}", **small)
    else:
        if panel.band is not None:
            lower, upper, error = panel.band
            shade = {"color": colour, "alpha": 0.35, "linewidth": 0}
            axes.fill_between(panel.x_curve, lower, upper, label=f"strain {error}", **shade)
        width = 2.0 if panel.band is None else 1.2
        axes.plot(panel.x_curve, panel.y_curve, color=colour, linewidth=width, label=f"law, {kind}")
        axes.scatter(panel.x, panel.y_measured, label="measured", **dots)
    axes.set_title(f"{panel.title}: {kind}, R² = {panel.r2:.4f}")
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.legend(loc="best")


def expected(folder: Path, name: str) -> Path:
    """Return a file of a run.

    Raises:
        InputError: It is not there.
    """
    if not (folder / name).is_file():
        raise InputError(f"{folder}: there is no {name}, expected the folder of a run")
    return folder / name


def _draw_snapshots(path: Path, scene: Scene) -> Path:
    """Draw the body at a few times, first and last among them, in one scale and one view."""
    import matplotlib
    from matplotlib.figure import Figure

    last = len(scene.times) - 1
    outputs = np.unique(np.linspace(0, last, SNAPSHOTS).round())
    rows, columns = (len(outputs), 1) if scene.aspect > 2.2 else (1, len(outputs))
    width = min(11.5 / columns, (7.5 if rows > 1 else 6.0) * scene.aspect / rows)
    height, side, title = width / scene.aspect, 1.3, 0.32
    whole = (width * columns + side, (height + title) * rows + 0.1)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=whole, dpi=DPI)
        pixels = (round(width * DPI), round(height * DPI))
        factor, unit = scaled(scene.times[last], "s")
        for i, image in enumerate(scene.images(outputs, pixels)):
            row, column = (i, 0) if columns == 1 else (0, i)
            bottom = whole[1] - (row + 1) * (height + title)
            axes = figure.add_axes(_part(whole, width * column, bottom, width, height))
            axes.imshow(image, interpolation="antialiased")
            axes.set_axis_off()
            axes.set_title(f"{factor * scene.times[int(outputs[i])]:.4g} {unit}", pad=4)
        length = min(0.8 * whole[1], 3.2)
        place = (width * columns + 0.2, (whole[1] - title - length) / 2, 0.14, length)
        _draw_colour_bar(figure, _part(whole, *place), scene)
        figure.savefig(path, dpi=DPI)
    return path


def _part(whole: tuple[float, float], *place: float) -> tuple[float, float, float, float]:
    """Return left, bottom, width, height [inch] as parts of the whole figure."""
    left, bottom, width, height = place
    return left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]


def _draw_colour_bar(figure: Any, place: tuple[float, float, float, float], scene: Scene) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    factor, label = scene.colour_label
    norm = Normalize(*(factor * limit for limit in scene.limits))
    bar = figure.colorbar(
        ScalarMappable(norm, colour_map()),
        cax=figure.add_axes(place),
        extend="max" if scene.cut else "neither",
    )
    bar.set_label(label, labelpad=6)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=3, color="#444444")


def _draw_movie(path: Path, scene: Scene) -> Path:
    """Write every output as a frame; where these are few, frames between them too."""
    import imageio.v2 as imageio

    last = len(scene.times) - 1
    between = min(12, -(-LEAST_FRAMES // max(last, 1)))
    outputs = np.arange(last * between + 1) / between
    width = min(MOVIE_SIZE[0], MOVIE_SIZE[1] * max(scene.aspect, 0.5))
    height = min(MOVIE_SIZE[1], max(width / scene.aspect, 0.4 * width))
    size = (16 * round(width / 16), 16 * round(height / 16))
    bar = _bar_image(scene, size[1])
    writer: Any = imageio.get_writer(path, fps=FRAMES_PER_SECOND, quality=8)
    with writer:
        for image in scene.images(outputs, size, clock=True):
            writer.append_data(np.hstack([image, bar]))
    return path


def _bar_image(scene: Scene, height: int) -> NDArray[np.uint8]:
    """Return the colour bar of a movie, shape (height, BAR_WIDTH, 3)."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE | {"font.size": 8.5}):
        figure = Figure(figsize=(BAR_WIDTH / 120, height / 120), dpi=120, facecolor="white")
        _draw_colour_bar(figure, (0.2, 0.15, 0.14, 0.7), scene)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        image: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())[..., :3]
    return image


def read_history(path: Path) -> dict[str, Floats]:
    """Read the columns of a history; a last line that a killed run left unfinished is dropped.

    Raises:
        InputError: There are no rows of numbers in it.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    if len(rows) < 2 or "time [s]" not in rows[0]:
        raise InputError(f"{path}: found no rows under a header with 'time [s]', expected some")
    whole = [row for row in rows[1:] if len(row) == len(rows[0])]
    try:
        return {name: np.array([float(row[n]) for row in whole]) for n, name in enumerate(rows[0])}
    except ValueError as error:
        raise InputError(f"{path}: {error}, expected numbers") from error


def _draw_energy(path: Path, history: Mapping[str, Floats]) -> Path:
    """Draw every energy over time, and below it the error of their balance."""
    import matplotlib
    from matplotlib.figure import Figure

    energies = {n: v for n, v in history.items() if n.endswith("[J]") and np.any(v != 0.0)}
    finite = np.concatenate([[0.0], *(abs(v[np.isfinite(v)]) for v in energies.values())])
    seconds, unit_of_time = scaled(np.nanmax(history["time [s]"]), "s")
    joules, unit = scaled(finite.max(), "J")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 4.8), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for (name, values), colour in zip(energies.items(), COLOURS * 9, strict=False):
            label = name.removesuffix(" [J]").replace("_", " ")
            above.plot(seconds * history["time [s]"], joules * values, color=colour, label=label)
        above.set_ylabel(f"energy [{unit}]")
        above.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        if "energy_error [-]" in history:
            error = abs(history["energy_error [-]"])
            positive = np.where(error > 0, error, np.nan)
            below.semilogy(seconds * history["time [s]"], positive, color="#444444")
        below.set_ylabel("error of the\nbalance [-]")
        below.set_xlabel(f"time [{unit_of_time}]")
        below.margins(x=0)
        figure.savefig(path, dpi=DPI)
    return path
