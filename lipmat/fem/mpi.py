"""MPI first, dolfinx after: every file of this room imports ``MPI`` from here before dolfinx.

The wheel ``dolfinx-solver-real`` finds its MPI library through its own helper, which must be
imported first; an installation from conda has no such helper and needs none.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from typing import cast

if importlib.util.find_spec("dolfinx_solver") is not None:
    import dolfinx_solver  # noqa: F401

from mpi4py import MPI

import h5py  # noqa: F401  (before dolfinx, which where numba is installed loads another HDF5)

__all__ = ["MPI", "on_all", "on_root", "only_root"]


def only_root[**P, T](
    comm: MPI.Intracomm, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T | None:
    """Call ``function`` on rank 0 and keep its result there; what it raises is raised on all ranks.

    Args:
        comm: The communicator; all its ranks must make this call.
        function: What rank 0 calls.
        args: Positional arguments of ``function``.
        kwargs: Keyword arguments of ``function``.

    Returns:
        The result on rank 0, None on the others.

    Raises:
        Exception: Whatever ``function`` raised, on every rank.
    """
    result, error = None, None
    if comm.rank == 0:
        try:
            result = function(*args, **kwargs)
        except Exception as caught:
            error = caught
    seen = comm.bcast(error and _portable(error))
    if seen is not None:
        raise error or seen
    return result


def on_root[**P, T](
    comm: MPI.Intracomm, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call ``function`` on rank 0 and share its result; what it raises is raised on all ranks.

    Args:
        comm: The communicator; all its ranks must make this call.
        function: What rank 0 calls; its result must be one that pickle can carry.
        args: Positional arguments of ``function``.
        kwargs: Keyword arguments of ``function``.

    Returns:
        The result of rank 0, on every rank.

    Raises:
        Exception: Whatever ``function`` raised, on every rank.
    """
    shared: T = comm.bcast(only_root(comm, function, *args, **kwargs))
    return shared


def on_all[**P, T](
    comm: MPI.Intracomm, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call ``function`` on every rank; what it raises on one of them is raised on all.

    Args:
        comm: The communicator; all its ranks must make this call.
        function: What every rank calls; it must not communicate.
        args: Positional arguments of ``function``.
        kwargs: Keyword arguments of ``function``.

    Returns:
        Each rank's own result.

    Raises:
        Exception: A rank's own error, elsewhere that of the first rank that has one.
    """
    result, error = None, None
    try:
        result = function(*args, **kwargs)
    except Exception as caught:
        error = caught
    seen = [e for e in comm.allgather(error and _portable(error)) if e is not None]
    if seen:
        raise error or seen[0]
    return cast(T, result)


def _portable(error: Exception) -> Exception:
    """Return the error itself if pickle can carry it, else one that says the same."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error if isinstance(copy, type(error)) else RuntimeError(str(error))
