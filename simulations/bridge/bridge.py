"""Cross a steel bridge with two laws of the same size, fitted to the same curve.

    uv run python simulations/bridge/bridge.py           # some ten minutes
    uv run python simulations/bridge/bridge.py --small   # the coarse bridge, a minute

(a) a network fitted without spectral normalisation, at 0.9 of the step that its own data suggest;
(b) the same network at 0.9 of the step that lipmat's exact bound of it allows; (c) the normalised
law at its certified step. Leaves the records of each run in a folder, ``energy.png``, and a picture
and a film of (a) and (c) side by side.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
from mesh import Bridge, write_mesh
from unnormalised import fit as fit_unnormalised

import lipmat
from lipmat.cli.build import grid_of, loads_of
from lipmat.config import Case, read_case
from lipmat.fem.body import Body, Material
from lipmat.fem.record import Record
from lipmat.materials.law import Law
from lipmat.plotting.draw import COLOURS, DPI, STYLE

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
STEEL = HERE.parents[1] / "data" / "s355-reference"
SMALL = Bridge(cells=1, length=0.45)
DENSITY = 7850.0


def prepare(small: bool) -> Case:
    """Write mesh and material file of the case, and read it."""
    write_mesh(HERE / "bridge.msh", SMALL if small else Bridge())
    lipmat.save(lipmat.fit(lipmat.read_dataset(STEEL), law="pq"), HERE / "steel.safetensors")
    return read_case(HERE / "case.toml")


def cross(
    case: Case, law: Law, level: str, share: float, end: float, folder: Path | None
) -> Record:
    """Run the case with a law at a share of a level's step."""
    body = Body(grid_of(case.mesh), [Material(law, DENSITY)])
    step = lipmat.critical_step(body, level, share)
    return lipmat.march(
        body, step, end, loads=loads_of(case), folder=folder, every=case.output_every
    )


def main() -> None:
    """Run all three and draw their energies."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true", help="the coarse bridge")
    case = prepare(parser.parse_args().small)
    ordinary, r2 = fit_unnormalised(STEEL)
    proved = np.array(ordinary.proved().rungs[0].tangent["network"])
    data = np.array(ordinary.bound().rungs[0].tangent["network"])
    excess = float(np.linalg.eigvals(np.linalg.solve(data, proved)).real.max())
    print(f"ordinary network: R² {r2:.5f}, largest sampled tangent {ordinary.sampled:.3g} of the")
    print(f"elastic stiffness, proved bound {excess:.3g} of it")
    runs = {
        "ordinary, step of its data": (ordinary, "linearised", 0.9),
        "ordinary, step of its bound": (ordinary, "linearised", 0.9 / excess**0.5),
        "normalised, certified": (lipmat.load(HERE / "steel.safetensors"), "convex", 1.0),
    }
    found = {}
    folders = ("ordinary-run", "slow-run", "normalised-run")
    for folder, (name, (law, level, share)) in zip(folders, runs.items(), strict=True):
        record = cross(case, law, level, share, case.time.end, HERE / folder)
        found[name] = record
        s = record.summary
        print(f"{name}: step {s['step'] * 1e6:.3g} us, {s['outcome']}, {s['message']}")
        print(f"    energy error {s['energy']['error']:.2g}, {s['seconds']:.0f} s")
    draw(found, HERE / "energy.png")
    subprocess.run([sys.executable, HERE / "film.py"], check=True)  # VTK apart from torch


def draw(found: dict[str, Record], path: Path) -> None:
    """Draw the kinetic energy of all runs over time."""
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        for (name, record), colour in zip(found.items(), COLOURS, strict=False):
            h = record.history
            axes.semilogy(1e3 * h["time [s]"], h["kinetic_energy [J]"], color=colour, label=name)
        axes.set(xlabel="time [ms]", ylabel="kinetic energy [J]", ylim=(1e-2, 1e8))
        axes.legend(loc="lower right")
        figure.savefig(path, dpi=DPI)
        plt.close(figure)


if __name__ == "__main__":
    main()
