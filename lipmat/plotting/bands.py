"""Many curves as a band: the median, and the range of nine in ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipmat.plotting.draw import COLOURS, DPI, STYLE

Floats = NDArray[np.float64]

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class Band:
    """Curves over the same abscissa.

    Attributes:
        label: Of the median.
        curves: Shape (n, m).
        lines: How many of them, the first ones, are drawn as lines too.
    """

    label: str
    curves: Floats
    lines: int = 0


@dataclass(frozen=True, eq=False)
class BandPanel:
    """One picture of bands.

    Attributes:
        title: Of the panel.
        x: Abscissa of the bands, shape (m,).
        bands: One or several.
        x_label: Label with unit.
        y_label: Label with unit.
        measured: Abscissa and ordinate of measured curves.
    """

    title: str
    x: Floats
    bands: Sequence[Band]
    x_label: str
    y_label: str
    measured: Sequence[tuple[Floats, Floats]] = ()


def plot_bands(path: str | Path, panels: Sequence[BandPanel]) -> Path:
    """Draw bands, each with its median, and measured curves over them.

    Args:
        path: The PNG file to write.
        panels: At least one.
    """
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.0 * columns, 3.4 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            draw_bands(axes, panel)
        for axes in grid[len(panels) :]:
            axes.remove()
        figure.savefig(path, dpi=DPI)
    return Path(path)


def draw_bands(axes: Any, panel: BandPanel) -> None:
    """Draw a panel on matplotlib's axes."""
    for n, (band, colour) in enumerate(zip(panel.bands, COLOURS * 9, strict=False)):
        low, middle, high = np.quantile(band.curves, QUANTILES, axis=0)
        shade = {"color": colour, "alpha": 0.22, "linewidth": 0}
        axes.fill_between(panel.x, low, high, label=None if n else "5 to 95 %", **shade)
        for curve in band.curves[: band.lines]:
            axes.plot(panel.x, curve, color=colour, linewidth=0.5, alpha=0.6)
        axes.plot(panel.x, middle, color=colour, linewidth=1.8, label=band.label)
    for n, (x, y) in enumerate(panel.measured):
        label = None if n else "measured"
        style = {"color": "#333333", "linewidth": 0.4, "marker": "o", "markersize": 1.8}
        axes.plot(x, y, label=label, zorder=3, **style)
    axes.set_title(panel.title)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.margins(x=0)
    axes.legend(loc="best")
