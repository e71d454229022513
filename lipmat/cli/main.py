"""From arguments to an exit code, on one rank or several."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from cyclopts import CycloptsError

from lipmat.cli import material_commands, run_commands  # noqa: F401  (they join the application)
from lipmat.cli.app import app
from lipmat.cli.ranks import rank
from lipmat.errors import InputError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 bad outcome of a run, 2 bad input.

    Parallel runs use ranks, and one thread each; more threads for small matrices only get in the
    way. ``OMP_NUM_THREADS`` overrules.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.")
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (InputError, CycloptsError) as error:
        _complain(str(error))
        _leave_together(str(error))
        sys.exit(2)
    except OSError as error:  # a full disk, for instance; what was written before stays valid
        print(f"lipmat: {error}", file=sys.stderr)
        _abort_other_ranks()
        sys.exit(1)
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(130)
    except Exception:
        _abort_other_ranks()
        raise
    sys.exit(code or 0)


def _complain(message: str) -> None:
    if rank() == 0:
        print(f"lipmat: {' '.join(message.split())}", file=sys.stderr)


def _leave_together(message: str) -> None:
    """Wait for the other ranks to come to the same end; abort them if they do not."""
    if "mpi4py.MPI" not in sys.modules or sys.modules["mpi4py.MPI"].COMM_WORLD.size == 1:
        return
    import time

    comm = sys.modules["mpi4py.MPI"].COMM_WORLD
    request = comm.Ibarrier()
    for _ in range(100):
        if request.Test():
            return
        time.sleep(0.1)
    print(f"lipmat: rank {comm.rank}: {message}", file=sys.stderr)
    comm.Abort(2)


def _abort_other_ranks() -> None:
    """End all ranks when one of them fails unexpectedly, so that none waits forever."""
    if "mpi4py.MPI" not in sys.modules:
        return
    import traceback

    comm = sys.modules["mpi4py.MPI"].COMM_WORLD
    if comm.size > 1:
        traceback.print_exc()
        comm.Abort(3)
