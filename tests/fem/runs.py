"""Small runs that several tests interrupt, kill and resume, and how their records compare."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lipmat.fem.body import Body
from lipmat.fem.driver import Progress
from lipmat.fem.loads import Gravity, Motion
from lipmat.fem.march import march
from lipmat.fem.record import Record
from lipmat.fem.step import Step, critical_step
from lipmat.fem.wall import Plane, Wall
from tests.fem.bodies import small_box
from tests.fem.laws import law

KINDS = ("rubber", "linear")
CLOCK = ("seconds", "profile", "cell_steps_per_second")
FLOOR = Wall("z-min", Plane((0.0, 0.0, -0.06), (0.0, 0.0, 1.0)))


def swing(x: np.ndarray) -> np.ndarray:
    """A velocity that bends and lengthens a unit cube [m/s]."""
    return np.stack([4 * x[2], 0 * x[0], 3 * x[2] ** 2])


@cache
def body_and_step(kind: str) -> tuple[Body, Step]:
    """Return a rubber cube whose step changes, or a linear one with viscosity and a floor."""
    body = small_box(law(kind), "hexahedron", cells=2, distort=True)
    return body, critical_step(body, walls=[FLOOR] if kind == "linear" else [])


def run(kind: str, folder: Path, **settings: Any) -> Record:
    """Run it: rubber swings on its fixed base through several domains, the other cube falls."""
    body, step = body_and_step(kind)
    own: dict[str, Any] = {
        "loads": [Gravity((0, 0, -9.81)), Motion("z-min", (0, 0, 0))],
        "velocity": swing,
        "end": 0.8,
        "check_every": 2,
        "sharp": False,  # the steps of the ladder; those that are sharp have tests of their own
    }
    if kind == "linear":
        own |= {"loads": [Gravity((0, 0, -9.81))], "velocity": (0.1, 0.0, -1.0), "verify": True}
    own |= {"every": 0.046, "probes": [(1, 1, 1)], "folder": folder}
    return march(body, step, **(own | settings))


def stop_at(check: int) -> Callable[[Progress], None]:
    """Return a progress callback that asks the run to stop: Ctrl-C during that check."""
    seen = []

    def progress(now: Progress) -> None:
        seen.append(now)
        if len(seen) == check:
            os.kill(os.getpid(), signal.SIGINT)

    return progress


def summary_of(folder: Path) -> dict[str, Any]:
    """Return the summary without what the clock on the wall says."""
    summary = json.loads((folder / "summary.json").read_text())
    return {key: value for key, value in summary.items() if key not in CLOCK}


def fields_of(folder: Path) -> dict[str, np.ndarray]:
    """Return every array and attribute of the file of fields by its path."""
    found: dict[str, np.ndarray] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        found.update({f"{name}@{key}": np.array(value) for key, value in item.attrs.items()})
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(folder / "fields.vtkhdf") as file:
        file.visititems(visit)
    return found


def assert_same(one: Path, two: Path) -> None:
    """Assert that two folders hold the same records, bit for bit."""
    assert (one / "history.csv").read_bytes() == (two / "history.csv").read_bytes()
    assert summary_of(one) == summary_of(two)
    fields, others = fields_of(one), fields_of(two)
    assert fields.keys() == others.keys()
    for name, values in fields.items():
        assert values.tobytes() == others[name].tobytes(), name
