"""Seconds of whole fits, certificate and report included, each in a fresh process on one core.

``python -m tests.benchmarks.fit_speed`` prints for each case what the import of the fitting room
takes (PyTorch most of it), the first fit of the process with all that it still imports, a second
one, and the relative error of the stress. The tensors are 10,000 random strains of laws in closed
form, see ``tests/experiments/targets.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lipmat.experiments.report import FittedLaw

DATA = Path(__file__).parents[2] / "data"
POINTS = 10_000


def treloar() -> FittedLaw:
    """Fit the rubber of Treloar's three tests."""
    import lipmat

    return lipmat.fit(lipmat.read_dataset(DATA / "treloar-1944"))


def steel() -> FittedLaw:
    """Fit the normative curve of a structural steel."""
    import lipmat

    return lipmat.fit(lipmat.read_dataset(DATA / "s355-reference"), law="pq")


def composite() -> FittedLaw:
    """Fit the composite cell, with its symmetry."""
    import lipmat

    data = lipmat.read_dataset(DATA / "composite-cell")
    return lipmat.fit(data, law="ridge", tests=["train"], symmetry="orthotropic")


def tensors(target: str, law: str, points: int = POINTS, **options: Any) -> FittedLaw:
    """Fit random six-dimensional strains and their stresses under a law in closed form."""
    import lipmat
    from tests.experiments.targets import TARGETS, dataset, random_strains, tensor_test

    strain = random_strains(points, seed=1)
    data = dataset(tensor_test(strain, TARGETS[target].stress(strain)))
    return lipmat.fit(data, law=law, **options)


CASES: Mapping[str, Callable[[], FittedLaw]] = {
    "treloar": treloar,
    "steel": steel,
    "composite": composite,
    "ridge": lambda: tensors("two-fibres", "ridge"),
    "ridge, orthotropic": lambda: tensors("two-fibres", "ridge", symmetry="orthotropic"),
    "ridge, cubic": lambda: tensors("three-axes", "ridge", symmetry="cubic"),
    "principal values": lambda: tensors("bimodular", "principal-values"),
}


def relative_error(law: FittedLaw) -> float:
    """Return the largest relative error of the tests [-]."""
    return max(float(t["relative"]) for t in law.provenance.entries["tests"].values())


def measured(case: str) -> dict[str, float]:
    """Return the seconds of import, first and second fit in this process, and the error.

    ``busy`` are those of the processor, which other programs of the machine do not lengthen.
    """
    steps: Mapping[str, Callable[[], Any]] = {
        "import": lambda: import_module("lipmat.experiments.fit"),
        "first": CASES[case],
        "second": CASES[case],
    }
    found = {}
    for name, step in steps.items():
        start, busy = time.perf_counter(), time.process_time()
        law = step()
        found[name] = time.perf_counter() - start
        found[f"{name} busy"] = time.process_time() - busy
    return {**found, "error": relative_error(law)}


def _in_fresh_process(case: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.fit_speed", case]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(arguments: list[str]) -> None:
    """Print one case as JSON, or the table of all of them."""
    if arguments:
        print(json.dumps(measured(arguments[0])))
        return
    print(f"{'fit: seconds (busy)':20} {'import':>15} {'first':>15} {'second':>15}   error")
    for case in CASES:
        s = _in_fresh_process(case)
        times = (f"{s[n]:8.2f} ({s[f'{n} busy']:5.2f})" for n in ("import", "first", "second"))
        print(f"{case:20}", *times, f"{s['error']:7.2%}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
