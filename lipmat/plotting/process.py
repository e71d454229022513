"""Drawing in a process of its own.

VTK's software renderer and torch's compiler each bring an LLVM; loaded into one process in the
wrong order they crash it. Apart, a run's process also stays clear of VTK's copies of MPI and HDF5.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lipmat.errors import InputError


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
    command = [sys.executable, "-m", "lipmat.plotting", str(Path(folder).absolute()), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 2:
        raise InputError(done.stderr.strip())
    if done.returncode != 0:
        raise RuntimeError(f"drawing {folder} failed: {done.stderr.strip()[-2000:]}")
    return [Path(folder) / name for name in done.stdout.split("\n") if name]
