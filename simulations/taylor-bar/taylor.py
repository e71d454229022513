"""Taylor's test: a copper rod strikes a rigid wall at 227 m/s and is followed for 80 us.

    uv run python simulations/taylor-bar/taylor.py           # three meshes, then three laws
    uv run python simulations/taylor-bar/taylor.py --coarse  # all laws on the coarse mesh

The reference copper (yield stress 400 MPa, linear hardening 100 MPa) on three meshes; Johnson and
Cook's OFHC copper, by their formula and by a law that lipmat has learned from its curves. Leaves
``rod.msh`` and ``copper.safetensors``, with which ``lipmat run case.toml`` works, the records of
each run in a folder, a picture and a film.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rod import COARSE, FINE, Rod, write_mesh

import lipmat
from lipmat.cli.build import grid_of, loads_of
from lipmat.config import Case, read_case
from lipmat.fem.body import Body, Material
from lipmat.fem.record import Record
from lipmat.fem.wall import Wall
from lipmat.materials.domain import StretchDomain
from lipmat.materials.johnson_cook import JohnsonCook
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.memory import MemoryLaw

HERE = Path(__file__).parent
CURVES = HERE.parents[1] / "data" / "ofhc-copper-johnson-cook"
DOMAIN = StretchDomain(0.02, 10.0, 0.7, 1.4)
ELASTIC_LIMIT = 1.2
"""Elastic stretches: at the corners of a cell they have its whole change of volume."""
ROOT = 1.5**0.5


@dataclass(frozen=True)
class Shot:
    """What became of the rod: length and largest radius [m], and the record of the run."""

    length: float
    radius: float
    record: Record


def reference_copper() -> Maxwell:
    """Return copper with yield stress 400 MPa, linear hardening 100 MPa and hardly a viscosity.

    A maxwell branch has its strength in the Mandel norm, ``sqrt(2/3)`` of von Mises' stress, and
    its flow is ``sqrt(3/2)`` of the equivalent plastic strain.
    """
    young, poisson, most = 117e9, 0.35, 10.0
    yield_stress, hardening = 400e6, 100e6
    strength = np.array([yield_stress, yield_stress + hardening * most / ROOT]) / ROOT
    return Maxwell(
        shear_moduli=[young / (2 * (1 + poisson))],
        flow_knots=[[1.0]],
        flow_slopes=[[1e15]],
        strength=strength[None],
        strength_knots=[0.0, most],
        bulk_modulus=young / (3 * (1 - 2 * poisson)),
        kinematics="log",
        domain=DOMAIN,
        elastic_limit=ELASTIC_LIMIT,
    )


def johnson_cook_copper() -> JohnsonCook:
    """Return OFHC copper after Johnson and Cook."""
    young, poisson = 124e9, 0.34
    return JohnsonCook(
        shear_moduli=[young / (2 * (1 + poisson))],
        bulk_modulus=young / (3 * (1 - 2 * poisson)),
        coefficients=[90e6, 292e6, 0.31, 0.025, 1.0],
        kinematics="log",
        domain=DOMAIN,
        elastic_limit=ELASTIC_LIMIT,
    )


def learned_copper() -> Maxwell:
    """Return the law learned from curves of Johnson and Cook's, certified for the impact."""
    law = lipmat.fit(
        lipmat.read_dataset(CURVES), law="maxwell", kinematics="log", branches=1, hardening=True
    )
    settings = law.settings() | {"domain": DOMAIN.as_dict(), "elastic_limit": ELASTIC_LIMIT}
    return Maxwell.restore(law.arrays(), settings, law.provenance)


def prepare(folder: Path, rod: Rod) -> Case:
    """Write mesh and material file of the case into a folder where the case is, and read it."""
    write_mesh(folder / "rod.msh", rod)
    lipmat.save(reference_copper(), folder / "copper.safetensors")
    return read_case(folder / "case.toml")


def shoot(case: Case, law: MemoryLaw, density: float, folder: Path | None = None) -> Shot:
    """Run the case with a law in place of its own."""
    body = Body(grid_of(case.mesh), [Material(law, density)])
    loads = loads_of(case)
    walls = [load for load in loads if isinstance(load, Wall)]
    record = lipmat.march(
        body,
        lipmat.critical_step(body, case.time.level, walls=walls),
        case.time.end,
        loads=loads,
        velocity=case.initial.velocity_at,
        folder=folder,
        every=case.output_every,
    )
    x = body.places + record.displacement
    return Shot(float(np.ptp(x[:, 2])), float(np.hypot(x[:, 0], x[:, 1]).max()), record)


def tell(name: str, shot: Shot) -> None:
    """Print what a run gave."""
    s, h = shot.record.summary, shot.record.history
    print(f"{name}: {s['outcome']}, {s['message']}")
    print(f"    length {1e3 * shot.length:.3f} mm, mushroom radius {1e3 * shot.radius:.3f} mm")
    print(f"    smallest stretch {h['stretch_min [-]'].min():.3g}, {s['steps']} steps", end=" of ")
    print(f"{1e9 * h['step [s]'].min():.3g} to {1e9 * h['step [s]'].max():.3g} ns", end=", ")
    print(f"energy error {s['energy']['error']:.1g}, {s['seconds']:.0f} s, {s['cells']} cells")


def main() -> None:
    """Shoot all laws, draw the reference case and Johnson and Cook's copper."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--coarse", action="store_true", help="the coarse mesh alone")
    rods = (COARSE,) if parser.parse_args().coarse else (COARSE, FINE, Rod())
    for rod in rods:
        case = prepare(HERE, rod)
        shot = shoot(case, reference_copper(), 8930.0, HERE / "reference-run")
        tell("reference copper", shot)
    density = 8960.0
    formula = shoot(case, johnson_cook_copper(), density, HERE / "johnson-cook-run")
    tell("Johnson and Cook", formula)
    learned = shoot(case, learned_copper(), density, HERE / "learned-run")
    tell("learned", learned)
    print(f"    length against the formula: {learned.length / formula.length - 1:+.3%}")
    subprocess.run([sys.executable, HERE / "rod_film.py"], check=True)  # VTK apart from torch


if __name__ == "__main__":
    main()
