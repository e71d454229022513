"""This process's place among the MPI ranks, known before MPI is imported."""

from __future__ import annotations

import os

_NAMES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


def rank() -> int:
    """Return the rank that mpiexec gave this process; 0 without mpiexec."""
    return next((int(os.environ[n]) for n in _NAMES if n in os.environ), 0)
