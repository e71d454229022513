"""The cells' own limits of the step: on the mesh, the worst of them by themselves, how many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.plotting.draw import COLOURS, DPI, STYLE
from lipmat.plotting.scene import Image, colour_map, quiet, scaled

Floats = NDArray[np.float64]
WORST = 0.01  # share of the cells that the second panel shows
SIZE = (3.4, 3.4)  # of a rendering [inch]
LEGEND = 0.75  # strip of the colour bar [inch]
VTK_TYPES = {4: 10, 8: 12}  # by nodes of a cell: VTK_TETRA, VTK_HEXAHEDRON


def draw_cells(data: Path, picture: Path) -> Path:
    """Draw the cells' own limits from an ``.npz`` file and return the picture's path.

    Args:
        data: Arrays ``points`` (n, 3) [m], ``cells`` (m, 4 or 8) in the order of VTK, ``limits``
            (m,) [s], ``step`` () the certified step [s], ``level`` () its name.
        picture: The PNG file to write.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with np.load(data) as arrays:
        points, cells, limits = arrays["points"], arrays["cells"], arrays["limits"]
        step, level = float(arrays["step"]), str(arrays["level"])
    factor, unit = scaled(float(limits.max()), "s")
    norm = _norm(factor * limits)
    with quiet():
        images = _images(points, cells, norm(factor * limits))
    with matplotlib.rc_context(STYLE):
        width, height = 2 * SIZE[0] + LEGEND + 4.2, SIZE[1] + 0.5
        figure = Figure(figsize=(width, height), dpi=DPI)
        count = worst_count(len(limits))
        titles = ("each cell's own limit", f"the worst {count} of {len(limits)}")
        for i, (image, title) in enumerate(zip(images, titles, strict=True)):
            place = (i * SIZE[0] / width, 0.1 / height, SIZE[0] / width, SIZE[1] / height)
            axes = figure.add_axes(place)
            axes.imshow(image, interpolation="antialiased")
            axes.set_axis_off()
            axes.set_title(title, pad=4)
        _draw_colour_bar(figure, norm, (2 * SIZE[0] + 0.1) / width, f"own limit [{unit}]")
        left = (2 * SIZE[0] + LEGEND + 0.9) / width
        axes = figure.add_axes((left, 0.17, 0.98 - left, 0.7))
        _draw_histogram(axes, factor * limits, factor * step, level, unit)
        figure.savefig(picture, dpi=DPI)
    return picture


def worst_count(cells: int) -> int:
    """Return how many cells the second panel shows."""
    return max(1, round(WORST * cells))


def _norm(values: Floats) -> Any:
    """Return the scale of the colours: logarithmic if the limits differ much."""
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(values.min()), float(values.max())
    if high < 1.0001 * low:
        low, high = 0.999 * low, 1.001 * high
    return (LogNorm if high > 10 * low else Normalize)(low, high)


def _images(points: Floats, cells: NDArray[np.int64], colours: Floats) -> list[Image]:
    """Render the whole mesh, and its worst cells inside its outline."""
    import pyvista

    count = cells.shape[1]
    rows = np.insert(cells, 0, count, axis=1).ravel()
    grid = pyvista.UnstructuredGrid(rows, np.full(len(cells), VTK_TYPES[count]), points)
    grid.cell_data["colour"] = np.asarray(colours)
    worst = np.argsort(colours)[: worst_count(len(cells))]
    whole = grid.extract_surface(algorithm="dataset_surface")
    some = grid.extract_cells(worst).extract_surface(algorithm="dataset_surface")
    return [_render([(whole, 1.0)]), _render([(some, 1.0), (whole, 0.06)])]


def _render(surfaces: Sequence[tuple[Any, float]]) -> Image:
    import pyvista

    size = (round(SIZE[0] * DPI), round(SIZE[1] * DPI))
    plotter = pyvista.Plotter(off_screen=True, window_size=size)
    plotter.background_color = "white"
    plotter.enable_anti_aliasing("ssaa")
    for surface, opacity in surfaces:
        plotter.add_mesh(
            surface,
            scalars="colour",
            cmap=colour_map().reversed(),
            clim=(0.0, 1.0),
            show_scalar_bar=False,
            opacity=opacity,
            show_edges=surface.n_cells < 30_000,
            edge_color="#101010",
            edge_opacity=0.25 * opacity,
            line_width=0.6,
            ambient=0.5,
            diffuse=0.62,
        )
    _look(plotter.camera, np.asarray(surfaces[-1][0].points))
    image: Image = plotter.screenshot(None, return_img=True)
    plotter.close()
    return image


def _look(camera: Any, points: Floats) -> None:
    """Set a camera without perspective, z up, that sees all points in a square picture."""
    extent = np.ptp(points, axis=0)
    towards = np.array([1.0, -1.9, 0.9] if extent[0] >= extent[1] else [1.9, -1.0, 0.9])
    towards /= np.linalg.norm(towards)
    right = np.cross([0.0, 0.0, 1.0], towards)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(towards, right), towards])
    seen = points @ axes.T
    low, high = seen.min(axis=0), seen.max(axis=0)
    centre, reach = (low + high) / 2 @ axes, 2 * float((high - low).max())
    camera.parallel_projection = True
    camera.focal_point, camera.position = centre, centre + reach * towards
    camera.up = (0.0, 0.0, 1.0)
    camera.parallel_scale = 0.54 * float((high - low)[:2].max())
    camera.clipping_range = (0.1 * reach, 2 * reach)


def _draw_colour_bar(figure: Any, norm: Any, left: float, label: str) -> None:
    from matplotlib.cm import ScalarMappable

    axes = figure.add_axes((left, 0.17, 0.012, 0.7))
    bar = figure.colorbar(ScalarMappable(norm, colour_map().reversed()), cax=axes)
    bar.set_label(label, labelpad=6)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=3, color="#444444")


def _draw_histogram(axes: Any, limits: Floats, step: float, level: str, unit: str) -> None:
    """Draw how many cells have which own limit, and where the certified step is."""
    low, high = min(float(limits.min()), step), max(float(limits.max()), step)
    wide = high > 10 * low
    low, high = 0.98 * low, 1.02 * high
    bins = np.geomspace(low, high, 41) if wide else np.linspace(low, high, 41)
    axes.hist(limits, bins=bins, color=COLOURS[0], log=True)
    axes.axvline(step, color=COLOURS[1], linewidth=1.6, label=f"certified step, {level}")
    axes.axvline(
        limits.min(), color="#444444", linewidth=1.2, linestyle="--", label="of the worst cell"
    )
    if wide:
        axes.set_xscale("log")
    axes.set_xlabel(f"a cell's own limit of the step [{unit}]")
    axes.set_ylabel("cells")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.05, 1.0), ncols=2, fontsize=8)
