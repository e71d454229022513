"""Drawing in a process of its own.

VTK's software renderer and torch's compiler each bring an LLVM; loaded into one process in the
wrong order they crash it. Apart, a run's process also stays clear of VTK's copies of MPI and HDF5.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError

Floats = NDArray[np.float64]


def plot_run(folder: str | Path, picture: bool = True, movie: bool = False) -> list[Path]:
    """Draw a run from its ``fields.vtkhdf`` and ``history.csv``.

    Args:
        folder: The folder of the run; the pictures are put there.
        picture: Draw ``run.png``, snapshots of the deformed body, and ``energy.png``.
        movie: Draw ``movie.mp4``.

    Returns:
        The files written.

    Raises:
        InputError: A file of the run is missing or holds no output times.
        RuntimeError: The drawing process failed; its message follows.
    """
    wanted = ["picture"] * picture + ["movie"] * movie
    names = _draw([str(Path(folder).absolute()), *wanted])
    return [Path(folder) / name for name in names]


def plot_cells(
    picture: str | Path,
    points: Floats,
    cells: NDArray[np.int64],
    limits: Floats,
    step: float,
    level: str,
) -> Path:
    """Draw every cell's own limit of the step on the mesh, and how many cells have which.

    Args:
        picture: The PNG file to write.
        points: Nodes, shape (n, 3) [m].
        cells: Nodes of each cell in the order of VTK, shape (m, 4) or (m, 8).
        limits: Each cell's own limit, shape (m,) [s].
        step: The certified step of the body [s].
        level: Its level.

    Returns:
        The file written.

    Raises:
        InputError: The folder of the picture does not exist.
        RuntimeError: The drawing process failed; its message follows.
    """
    file = Path(picture).absolute()
    if not file.parent.is_dir():
        raise InputError(f"{picture}: there is no folder {file.parent}, expected an existing one")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "cells.npz"
        np.savez(data, points=points, cells=cells, limits=limits, step=step, level=level)
        _draw(["--cells", str(data), str(file)])
    return Path(picture)


def _draw(arguments: list[str]) -> list[str]:
    """Run the drawing process and return the lines that it prints."""
    command = [sys.executable, "-m", "lipmat.plotting", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 2:
        raise InputError(done.stderr.strip())
    if done.returncode != 0:
        raise RuntimeError(f"drawing failed: {done.stderr.strip()[-2000:]}")
    return [line for line in done.stdout.split("\n") if line]
