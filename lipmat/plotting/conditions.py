"""The picture of a law that depends on conditions: curves by condition, and the gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COLUMNS = 4


@dataclass(frozen=True, eq=False)
class ConditionCurve:
    """One test: the value of the condition that gives its colour, and its points.

    Attributes:
        value: In the unit of the condition.
        x: Abscissa, shape (n,).
        measured: Ordinate, shape (n,).
        law: What the law says there, shape (n,).
    """

    value: float
    x: Floats
    measured: Floats
    law: Floats


@dataclass(frozen=True, eq=False)
class ConditionPanel:
    """Tests of one loading mode under several conditions.

    Attributes:
        title: Of the panel.
        curves: The tests.
        x_label: Label with unit.
        y_label: Label with unit.
        scale_label: Condition that gives the colours, with unit.
        limits: Its declared range.
    """

    title: str
    curves: Sequence[ConditionCurve]
    x_label: str
    y_label: str
    scale_label: str
    limits: tuple[float, float]


@dataclass(frozen=True, eq=False)
class GatePanel:
    """The gates along one condition.

    Attributes:
        label: Condition with unit.
        x: Its values, shape (n,).
        gates: Shape (n, gates).
    """

    label: str
    x: Floats
    gates: Floats


def plot_conditions(
    path: str | Path, panels: Sequence[ConditionPanel], gates: Sequence[GatePanel]
) -> Path:
    """Draw tests with the law's curves, coloured by a condition, above the gates' responses.

    Args:
        path: The PNG file to write.
        panels: One for each loading mode.
        gates: One for each condition that is kept.
    """
    import matplotlib
    from matplotlib.figure import Figure

    from lipmat.plotting.draw import DPI, STYLE

    with matplotlib.rc_context(STYLE):
        columns = max(len(panels), min(len(gates), COLUMNS))
        rows = -(-len(gates) // columns)
        figure = Figure(figsize=(3.0 * columns, 3.4 + 2.0 * rows), layout="constrained")
        halves: Any = figure.subfigures(2, 1, height_ratios=[3.4, 2.0 * rows])
        upper, lower = halves
        draw_conditions(upper, panels)
        draw_gates(lower, gates, rows, columns)
        figure.savefig(path, dpi=DPI)
    return Path(path)


def draw_conditions(figure: Any, panels: Sequence[ConditionPanel]) -> None:
    """Draw one panel for each loading mode into a figure."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, panel in zip(axes, panels, strict=True):
        colours = ScalarMappable(Normalize(*panel.limits), colormaps["viridis"])
        for curve in panel.curves:
            colour = colours.to_rgba(np.array(curve.value))
            ax.plot(curve.x, curve.law, color=colour, linewidth=1.6)
            ax.plot(curve.x, curve.measured, "o", color=colour, markersize=3.2, mfc="white")
        ax.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    figure.colorbar(colours, ax=list(axes), label=panels[-1].scale_label)


def draw_gates(figure: Any, gates: Sequence[GatePanel], rows: int, columns: int) -> None:
    """Draw the gates along each condition into a figure."""
    from lipmat.plotting.draw import COLOURS

    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for ax, panel in zip(grid, gates, strict=False):
        for k, values in enumerate(panel.gates.T):
            ax.plot(panel.x, values, color=COLOURS[k % len(COLOURS)], label=f"gate {k + 1}")
        ax.set(xlabel=panel.label, ylim=(0.0, 1.0))
    grid[0].set_ylabel("gate, others in the middle")
    grid[0].legend(loc="best")
    for ax in grid[len(gates) :]:
        ax.remove()
