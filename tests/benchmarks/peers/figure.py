"""The comparison as a picture: rates of the force and of the full step, time to solution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from tests.benchmarks.peers.result import Comparison, Row

matplotlib.use("agg")

from matplotlib import pyplot as plt

COLOURS = {
    (True, "learned"): "#c2410c",
    (True, "elastic"): "#f3b48f",
    (False, "learned"): "#475569",
    (False, "elastic"): "#b6c2d1",
}
"""Of lipmat or not, and of the law."""


def draw(comparison: Comparison, path: Path) -> None:
    """Write the figure; codes that were not compared are named under it."""
    rows = [row for row in comparison.rows if not row.reason]
    solved = [row for row in rows if row.solution is not None]
    size = (12, 0.42 * len(rows) + 1.5)
    figure, axes = plt.subplots(1, 3 if solved else 2, figsize=size, layout="constrained")
    _bars(axes[0], rows, lambda row: (row.force_rate or 0.0) / 1e6)
    axes[0].set_xlabel("internal force [million cells/s]")
    _bars(axes[1], rows, lambda row: (row.step_rate or 0.0) / 1e6)
    axes[1].set_xlabel("full step [million cells/s]")
    if solved:
        _bars(axes[2], solved, lambda row: row.solution or 0.0, "†")
        axes[2].set_xlabel("time to solution, twisting column [s]")
    figure.supxlabel(_caption(comparison), fontsize=8, color="0.35")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _caption(comparison: Comparison) -> str:
    """Return what the signs mean, and the codes that are not there."""
    parts = ["one thread, float64, hexahedra with eight points", "pale: linear elastic"]
    if any(row.extrapolated for row in comparison.rows):
        parts.append("† extrapolated")
    missing = [row.name for row in comparison.rows if row.reason]
    if missing:
        parts.append(f"not compared: {', '.join(missing)}")
    return "; ".join(parts)


def _bars(axis: Any, rows: Sequence[Row], value: Callable[[Row], float], sign: str = "") -> None:
    """Draw horizontal bars from the top, with their numbers; the sign marks extrapolated ones."""
    colours = [COLOURS[row.name.startswith("lipmat"), row.law] for row in rows]
    bars = axis.barh(range(len(rows)), [value(row) for row in rows], color=colours, height=0.7)
    texts = [f"{value(row):.3g} {sign if row.extrapolated else ''}" for row in rows]
    axis.bar_label(bars, texts, padding=3, fontsize=9)
    axis.set_yticks(range(len(rows)), [row.name for row in rows])
    axis.invert_yaxis()
    axis.margins(x=0.18)
    axis.spines[["top", "right"]].set_visible(False)
