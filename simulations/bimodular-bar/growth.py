"""Run the bimodular bar at two levels of certificate and draw its energy over the steps.

    uv run python simulations/bimodular-bar/growth.py         # about a minute
    uv run python simulations/bimodular-bar/growth.py --law   # writes bimodular.safetensors only

The bar of ``case.toml`` is run without viscosity at 0.9 of the largest linearised step, where every
frozen tangent is stable, and with the step and viscosity of the level ``convex``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

import lipmat
from lipmat.cli.build import body_of, loads_of
from lipmat.config import Case, read_case
from lipmat.fem.audit import Audit
from lipmat.fem.body import Body
from lipmat.fem.integrator import CentralDifference
from lipmat.fem.lyapunov import LyapunovCheck
from lipmat.fem.step import critical_step
from lipmat.materials.law import Provenance
from lipmat.materials.principal_values import PrincipalValues
from lipmat.plotting.draw import COLOURS, DPI, STYLE

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
TENSION, RATIO = 1e9, 0.5  # modulus in tension [Pa], in compression over it [-]
KINK = 1e-6  # strain over which the modulus changes [-]; the bar starts with some 1e-3
STEPS = 20_000
RUNS = (("linearised", 0.9), ("linearised", 0.8), ("linearised", 0.7), ("convex", 1.0))


def bimodular() -> PrincipalValues:
    """Return ``W = 1/2 sum_i E(l_i) l_i^2``: E in tension, E/2 in compression, no lateral strain.

    Its bound is the modulus in tension, exactly. The six permutations of one direction count every
    principal strain twice.
    """
    return PrincipalValues(
        directions=[[1.0, 0.0, 0.0]],
        knots=[[-KINK * TENSION**0.5, 0.0]],
        curvature=[[0.5 * RATIO, 0.5]],
        bulk_modulus=0.0,
        stiffness=[TENSION, TENSION],
        provenance=Provenance({"made by": "simulations/bimodular-bar/growth.py"}),
    )


@dataclass(frozen=True)
class Growth:
    """How the energy of a run went.

    Attributes:
        step: [s].
        steps: at which the energy was booked, shape (n,).
        energy: kinetic + stored over that of the start, shape (n,) [-].
        largest_rise: of the function of the level ``convex`` from step to step, relative to the
            size of its terms [-]; None at ``linearised``.
    """

    step: float
    steps: NDArray[np.int64]
    energy: NDArray[np.float64]
    largest_rise: float | None


def run(
    case: Case, body: Body, level: str, safety: float, steps: int = STEPS, limit: float = 1e7
) -> Growth:
    """Run the bar at a share of a level's step until its energy has grown by a factor.

    ``lipmat.march`` would stop the growing run when its energy does not balance; this driver lets
    it go on.
    """
    step = critical_step(body, level, safety)
    points = body.space.tabulate_dof_coordinates()[: body.owned // 3]
    velocity = case.initial.velocity_at(points.T).T.ravel()
    motion = CentralDifference(body, loads_of(case), velocity, step.viscosity)
    audit = Audit(body, motion)
    check = LyapunovCheck(body, motion, step) if level == "convex" else None
    booked: list[tuple[int, float]] = []
    for n in range(steps + 1):
        motion.begin_step(step.value)
        if check:
            check.check(step.value)
        if n % 10 == 0:
            account = audit.energies(step.value)
            booked.append((n, account.kinetic + account.stored))
            if not booked[-1][1] <= limit * booked[0][1]:
                break
        motion.finish_step(step.value, (n + 1) * step.value)
    numbers, energy = map(np.array, zip(*booked, strict=True))
    return Growth(step.value, numbers, energy / energy[0], check.largest_rise if check else None)


def main() -> None:
    """Write the law, run the bar and draw ``growth.png``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--law", action="store_true", help="write bimodular.safetensors only")
    only_law = parser.parse_args().law
    lipmat.save(bimodular(), HERE / "bimodular.safetensors")
    if only_law:
        return
    case = read_case(HERE / "case.toml")
    body = body_of(case)
    found = {(level, safety): run(case, body, level, safety) for level, safety in RUNS}
    for (level, safety), growth in found.items():
        print(
            f"{level} at {safety:g}: step {growth.step:.4g} s, energy {growth.energy.max():.4g} "
            f"times that of the start within {growth.steps[-1]} steps, rise {growth.largest_rise}"
        )
    draw(found, HERE / "growth.png")


def draw(found: dict[tuple[str, float], Growth], path: Path) -> None:
    """Draw the energy of all runs over the steps."""
    colours = [COLOURS[i] for i in (1, 3, 5, 0)]
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        for ((level, safety), growth), colour in zip(found.items(), colours, strict=True):
            how = f"{safety:g} × 2/ω, no viscosity" if level == "linearised" else "proved step"
            axes.semilogy(growth.steps, growth.energy, color=colour, label=f"{level}: {how}")
        axes.axhline(1.0, color="#444444", linewidth=0.8)
        axes.set(xlabel="steps", ylabel="energy / energy at the start", ylim=(1e-2, 1e8))
        axes.set_title("bimodular bar, 100 cells: the linearised step is not enough")
        axes.legend(loc="upper right")
        figure.savefig(path, dpi=DPI)
        plt.close(figure)


if __name__ == "__main__":
    main()
