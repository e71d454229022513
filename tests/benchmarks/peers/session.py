"""The other end of a worker: starts it, pinned to one core with one thread, and talks to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[3]
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


class Unavailable(Exception):
    """A code that cannot be installed, imported or built; the text says why."""


class Failed(Exception):
    """A command that a code could not do; the text says why."""


class Session:
    """A running worker.

    Args:
        adapter: File and class of the code, as in ``peer.PEERS``.
        problem: File of the problem.
        python: Interpreter that has the code.

    Raises:
        Unavailable: The code does not work there.
    """

    def __init__(self, adapter: str, problem: Path, python: str = sys.executable) -> None:
        self._log = problem.parent / f"{adapter.replace(':', '-')}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [python, "-m", "tests.benchmarks.peers.worker", adapter, str(problem)],
                cwd=ROOT,
                env={**os.environ, **ONE_THREAD},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=_pin,
            )
        try:
            self.about = self._answer()
        except Failed as error:
            self.close()
            raise Unavailable(str(error)) from None

    def do(self, command: str, **arguments: Any) -> Any:
        """Return the result of a command of the worker.

        Raises:
            Failed: It raised an error, or the process died.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, "with": arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            lines = self._log.read_text().strip().splitlines() or ["it printed nothing"]
            raise Failed(f"ended with code {self._process.wait()}: {lines[-1][:200]}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _pin() -> None:
    """Keep the process on the last core that this one may use."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
