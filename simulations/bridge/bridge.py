"""Fit two laws to one curve of steel, let an engine cross a bridge of either, and draw both.

    uv run python simulations/bridge/bridge.py -o crossing --ranks 2
    uv run python simulations/bridge/bridge.py -o crossing --small

The stages ``laws``, ``ordinary``, ``normalised`` and ``draw`` can also be run one by one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

import ordinary
from mesh import SMALL, Bridge, write_mesh

import lipmat
from lipmat.cli.build import grid_of, loads_of
from lipmat.cli.simulate import run_case
from lipmat.config import Case, read_case
from lipmat.errors import InputError
from lipmat.fem.body import Body, Material
from lipmat.fem.driver import Progress
from lipmat.fem.mpi import MPI
from lipmat.fem.record import Record

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "data" / "s355-reference"
NORMALISED, ORDINARY = HERE / "steel.safetensors", HERE / "ordinary.safetensors"
SAFETY = 0.9  # what production codes take of 2/omega
STAGES = ("laws", "ordinary", "normalised", "draw")


def make_meshes() -> None:
    """Write the meshes that the case files name."""
    write_mesh(HERE / "bridge.msh", Bridge())
    write_mesh(HERE / "small.msh", SMALL)


def make_laws() -> dict[str, Any]:
    """Fit both laws to the tension test, write their files, and return how good they are."""
    law = lipmat.fit(lipmat.read_dataset(DATA), law="pq")
    lipmat.save(law, NORMALISED)
    plain = ordinary.fit(DATA)
    ordinary.save(plain, ORDINARY)
    tangents = plain.tangents(ordinary.LARGEST)
    return {
        "parameters": sum(p.numel() for p in plain.parameters()),
        "r2": ordinary.r_squared(plain, DATA),
        "largest sampled tangent / C0": float(tangents.max()),
        "smallest sampled tangent / C0": float(tangents.min()),
    }


def case_of(small: bool) -> Case:
    """Return the case, whose mesh and law must have been made."""
    return read_case(HERE / ("case-small.toml" if small else "case.toml"))


class Overflow:
    """Notes when the energy account of a run first fails by a share."""

    def __init__(self, share: float = 0.1) -> None:
        self.share = share
        self.time: float | None = None

    def __call__(self, progress: Progress) -> None:
        if self.time is None and not abs(progress.energy_error) <= self.share:
            self.time = progress.time


def run_ordinary(
    case: Case, law: ordinary.OrdinaryNetwork, folder: Path, share: float = SAFETY
) -> tuple[Record, float | None]:
    """Run a case with the ordinary network at a share of the 2/omega that its data suggest.

    Nothing is asked of the energy account, as in a code that keeps none, so that the end is seen.

    Returns:
        The record, and the time at which the account first was wrong by 10 % [s].
    """
    density = case.materials[0].density
    body = Body(grid_of(case.mesh), [Material(law, density)], case.mesh.formulation)
    step = lipmat.critical_step(body, level="linearised", safety=share)
    overflow = Overflow()
    record = lipmat.march(
        body,
        step,
        case.time.end,
        loads=loads_of(case),
        folder=folder,
        every=case.output_every,
        probes=case.output.probes,
        energy_limits=(-inf, inf),
        progress=overflow,
        info={"title": f"{case.title}: ordinary network"},
    )
    return record, overflow.time


def _load_ordinary() -> ordinary.OrdinaryNetwork:
    return ordinary.load(ORDINARY, ordinary.pull(DATA)[2])


def _tell(name: str, record: Record, more: Mapping[str, Any]) -> None:
    keys = ("outcome", "message", "step", "level", "steps", "cells", "seconds")
    told = {key: record.summary[key] for key in (*keys, "cell_steps_per_second")}
    error = {"energy error": record.summary["energy"]["error"]}
    if MPI.COMM_WORLD.rank == 0:
        print(json.dumps({name: told | error | dict(more)}, indent=2))


def _stage(name: str, folder: Path, small: bool) -> None:
    """Run one stage; the two runs may share their work among ranks."""
    if name == "laws":
        make_meshes()
        print(json.dumps({"ordinary network": make_laws()}, indent=2))
    elif name == "ordinary":
        record, time = run_ordinary(case_of(small), _load_ordinary(), folder / name)
        _tell(name, record, {"energy wrong by 10 % at": time})
    elif name == "normalised":
        _tell(name, run_case(case_of(small), folder / name), {})
    else:  # VTK and torch must not share a process
        subprocess.run([sys.executable, HERE / "film.py", folder], check=True)


def main() -> None:
    """Run one stage or all of them, each in a process of its own."""
    parser = argparse.ArgumentParser(description="One bridge, two laws.")
    parser.add_argument("stage", nargs="?", default="all", choices=("all", *STAGES))
    parser.add_argument("-o", "--output", type=Path, default=Path("crossing"))
    parser.add_argument("--small", action="store_true", help="a short bridge, coarsely meshed")
    parser.add_argument("--ranks", type=int, default=1, help="processes that share a run")
    given = parser.parse_args()
    if given.stage != "all":
        _stage(given.stage, given.output, given.small)
        return
    for name in STAGES:
        share = ["mpiexec", "-n", str(given.ranks)] if given.ranks > 1 else []
        command = [*(share if name.endswith("ed") or name == "ordinary" else []), sys.executable]
        options = [name, "-o", str(given.output), *(["--small"] if given.small else [])]
        subprocess.run([*command, __file__, *options], check=True)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
