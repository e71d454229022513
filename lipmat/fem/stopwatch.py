"""Where the time of a run goes."""

from __future__ import annotations

import time


class Stopwatch:
    """Adds up the time between laps under their names.

    Attributes:
        seconds: By name, by the clock on the wall [s].
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.start()

    def start(self) -> None:
        """Begin a lap that has no name yet; what went before is not counted."""
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Count the time since the last lap under a name."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now
