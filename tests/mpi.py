"""Run a Python program on several ranks: the helper of tests marked ``mpi``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_ranks(*arguments: str | Path, n: int = 2, timeout: float = 120.0) -> str:
    """Run ``python *arguments`` on ``n`` ranks and return what they print.

    Args:
        arguments: What follows ``python``: a script and its arguments, ``-m module …``, or
            ``-c code …``.
        n: Number of ranks.
        timeout: Limit [s], so that a deadlock fails the test.

    Raises:
        AssertionError: The program ended with another exit code than 0.
    """
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    assert mpiexec, "no mpiexec beside python nor on PATH"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [mpiexec, "-n", str(n), sys.executable, *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
