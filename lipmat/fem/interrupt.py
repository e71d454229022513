"""Ctrl-C and a polite kill, as a question that all ranks answer alike."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from lipmat.fem.mpi import MPI


class Interrupt:
    """While it is entered, the first SIGINT or SIGTERM is kept for :meth:`asked`.

    A second one raises KeyboardInterrupt at once.
    """

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._comm, self._flag = comm, False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._catch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self._flag:  # asked twice: do not wait for the next check
            raise KeyboardInterrupt
        self._flag = True

    def asked(self) -> bool:
        """Tell whether any rank was asked to stop."""
        return bool(self._comm.allreduce(int(self._flag), op=MPI.MAX))
