"""Pictures of an ensemble: energies and probes over time, with the scatter of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipmat.plotting.bands import Band, BandPanel, plot_bands
from lipmat.plotting.draw import expected, read_history
from lipmat.plotting.scene import scaled

Floats = NDArray[np.float64]

ENERGIES = (
    "kinetic_energy [J]",
    "stored_energy [J]",
    "viscous_dissipation [J]",
    "external_work [J]",
)


def read_histories(folders: Sequence[Path]) -> list[dict[str, Floats]]:
    """Return all columns of the histories of runs.

    Raises:
        InputError: One is missing or holds no output times.
    """
    return [read_history(expected(folder, "history.csv")) for folder in folders]


def plot_ensemble(folder: Path, runs: Sequence[Path]) -> list[Path]:
    """Draw ``energies.png``, and ``probes.png`` where a case has probes.

    Args:
        folder: For the pictures.
        runs: Folders of completed runs of one case.

    Returns:
        The files written.
    """
    histories = read_histories(runs)
    first = histories[0]
    energies = [n for n in ENERGIES if n in first and any(h[n].any() for h in histories)]
    numbers = sorted({int(n.split("_")[1]) for n in first if n.startswith("probe_")})
    probes = [[f"probe_{i}_{a} [m]" for a in "xyz"] for i in numbers]
    written = [plot_bands(folder / "energies.png", [_panel(histories, [n]) for n in energies])]
    if probes:
        panels = [_panel(histories, names) for names in probes]
        written.append(plot_bands(folder / "probes.png", panels))
    return written


def _panel(histories: Sequence[dict[str, Floats]], names: Sequence[str]) -> BandPanel:
    """Return a panel of some columns; outputs of runs with other steps are at other times."""
    end = min(h["time [s]"][-1] for h in histories)
    times = np.linspace(0.0, end, max(len(h["time [s]"]) for h in histories))
    curves = {
        name: np.array([np.interp(times, h["time [s]"], h[name]) for h in histories])
        for name in names
    }
    unit = names[0].split("[")[1].rstrip("]")
    factor, shown = scaled(max(float(abs(c).max()) for c in curves.values()), unit)
    seconds, unit_of_time = scaled(end, "s")
    labels = [name.split(" [")[0].replace("_", " ") for name in names]
    whole, parts = (labels[0], ["median"]) if len(names) == 1 else _common(labels)
    return BandPanel(
        whole,
        seconds * times,
        [Band(p, factor * c) for p, c in zip(parts, curves.values(), strict=True)],
        f"time [{unit_of_time}]",
        f"{'displacement' if unit == 'm' else 'energy'} [{shown}]",
    )


def _common(labels: Sequence[str]) -> tuple[str, list[str]]:
    """Divide ``probe 1 x``, ``probe 1 y`` … into what they share and what they do not."""
    return labels[0].rsplit(" ", 1)[0], [label.rsplit(" ", 1)[1] for label in labels]
