"""Explicit finite elements with dolfinx; knows no training."""

import lipmat.fem.mpi  # noqa: F401  (MPI first, dolfinx after)
