"""A machine between two rubber pads shakes itself; what the rubber dissipates in a cycle.

    uv run python simulations/damped-mount/mount.py           # 20, 40 and 80 Hz
    uv run python simulations/damped-mount/mount.py --coarse  # a coarse mesh

The rubber is Treloar's, learned, beside three Maxwell branches. In steady vibration the energy that
the run books as dissipated is compared with the material's own loss ``pi G'' gamma^2`` in each
volume, at the amplitude of shear that is found, and with the area of the hysteresis loop. Leaves
``mount.msh``, ``rubber.safetensors`` and ``machine.safetensors``, with which ``lipmat run
case.toml`` works, the records of each run in a folder, and ``mount.png``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from mount_mesh import COARSE, Mount, write_mesh
from numpy.typing import NDArray

import lipmat
from lipmat.cli.build import body_of, loads_of
from lipmat.config import Case, read_case
from lipmat.fem.loads import TractionField
from lipmat.fem.record import Record
from lipmat.materials.law import Law
from lipmat.materials.maxwell import Maxwell
from lipmat.plotting.draw import COLOURS, DPI, STYLE

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Floats = NDArray[np.float64]
HERE = Path(__file__).parent
TRELOAR = HERE.parents[1] / "data" / "treloar-1944"
MODULI = (0.2e6, 0.2e6, 0.1e6)
"""Shear moduli of the branches [Pa]."""
TIMES = (1e-3, 5e-3, 30e-3)
"""Their relaxation times [s]."""
FREQUENCIES = (20.0, 40.0, 80.0)
FORCE = 80.0
"""Amplitude of the force on a quarter of the machine [N]."""
LEAST = 0.2
"""Time after which the vibration is steady [s]."""
A_CYCLE = 80
"""Records of a cycle."""


@dataclass(frozen=True)
class Cycle:
    """The last cycle of a run.

    Attributes:
        frequency: Of the force [Hz].
        time: Of the records [s].
        shear: Shear of the pad, displacement of the machine over the pad's thickness [-].
        stress: Force on the pad, over its area: the applied force less the machine's inertia [Pa].
        amplitude: Of the shear [-].
        dissipated: What the run books as dissipated [J].
        work: Of the force, by the run's account [J].
        loop: Area of the loop of force over displacement [J].
    """

    frequency: float
    time: Floats
    shear: Floats
    stress: Floats
    amplitude: float
    dissipated: float
    work: float
    loop: float


def learned_rubber() -> Law:
    """Return Treloar's rubber, which the pad is when all its branches have relaxed."""
    return lipmat.fit(lipmat.read_dataset(TRELOAR), law="polyconvex-stretch")


def damped(rubber: Law) -> Maxwell:
    """Return a rubber with three linear branches beside it."""
    return Maxwell.linear(MODULI, TIMES, equilibrium=rubber, kinematics="log")


def moduli(law: Maxwell, frequency: float) -> tuple[float, float]:
    """Return storage and loss modulus in small shear [Pa] at a frequency [Hz]."""
    assert law.equilibrium is not None
    angle = 2 * np.pi * frequency * np.array(TIMES)
    share = np.array(MODULI) / (1 + angle**2)
    storage = law.equilibrium.rest_moduli()[1] + float((share * angle**2).sum())
    return storage, float((share * angle).sum())


def prepare(folder: Path, mount: Mount, law: Maxwell) -> Case:
    """Write mesh and material files of the case into a folder where the case is, and read it."""
    write_mesh(folder / "mount.msh", mount)
    lipmat.save(law, folder / "rubber.safetensors")
    lipmat.save(lipmat.LinearElastic(2e9, 0.3), folder / "machine.safetensors")
    return read_case(folder / "case.toml")


def force_at(frequency: float, time: Floats) -> Floats:
    """Return the force on a quarter of the machine [N]."""
    found: Floats = FORCE * np.sin(2 * np.pi * frequency * time) * np.tanh(frequency * time)
    return found


def shake(case: Case, mount: Mount, frequency: float, folder: Path | None = None) -> Record:
    """Run the case with another frequency until the vibration is steady."""
    area = mount.machine * mount.width / 2

    def field(points: Floats, time: float) -> Floats:
        found = np.zeros_like(points)
        found[2] = force_at(frequency, np.array(time)) / area
        return found

    body = body_of(case)
    held = [load for load in loads_of(case) if not isinstance(load, TractionField)]
    return lipmat.march(
        body,
        lipmat.critical_step(body, case.time.level),
        np.ceil(max(8.0, LEAST * frequency)) / frequency,
        loads=[*held, TractionField("top", field)],
        folder=folder,
        every=1.0 / (A_CYCLE * frequency),
        probes=case.output.probes,
    )


def last_cycle(record: Record, case: Case, mount: Mount, frequency: float) -> Cycle:
    """Return the last cycle of a run."""
    h = record.history
    time = h["time [s]"]
    start = time[-1] - 1.0 / frequency
    last = time >= start - 0.1 / (A_CYCLE * frequency)
    t, z = time[last], h["probe_1_z [m]"][last]
    waves = [f(2 * np.pi * frequency * t) for f in (np.cos, np.sin, np.ones_like)]
    fitted = np.linalg.lstsq(np.stack(waves, 1), z, rcond=None)[0]
    side = mount.width / 2 * mount.height
    thickness = {"machine": mount.machine, "rubber": mount.pad / 3}  # what moves along
    mass = side * sum(m.density * thickness[m.region] for m in case.materials)
    steady = z - fitted[2]
    inertia = -mass * (2 * np.pi * frequency) ** 2 * steady
    force = force_at(frequency, t)
    amplitude = float(np.hypot(*fitted[:2])) / mount.pad
    gained = [
        float(h[f"{name} [J]"][-1] - np.interp(start, time, h[f"{name} [J]"]))
        for name in ("dissipated_energy", "external_work")
    ]
    loop = float(np.trapezoid(np.append(force, force[0]), np.append(z, z[0])))
    stress = (force - inertia) / side
    return Cycle(frequency, t, steady / mount.pad, stress, amplitude, *gained, loop)


def loss(law: Maxwell, mount: Mount, cycle: Cycle) -> float:
    """Return what a quarter of the pads loses in a cycle of uniform shear [J]."""
    volume = mount.pad * mount.width / 2 * mount.height
    return np.pi * moduli(law, cycle.frequency)[1] * cycle.amplitude**2 * volume


def tell(record: Record, cycle: Cycle, expected: float) -> None:
    """Print what a run gave."""
    s = record.summary
    print(f"{cycle.frequency:g} Hz: {s['outcome']}, {s['message']}, shear {cycle.amplitude:.4f}")
    print(f"    in a cycle: dissipated {1e3 * cycle.dissipated:.4f} mJ", end=", ")
    print(f"material's loss {1e3 * expected:.4f} mJ ({cycle.dissipated / expected - 1:+.2%})")
    print(f"    work {1e3 * cycle.work:.4f} mJ, loop {1e3 * cycle.loop:.4f} mJ")
    print(f"    {s['cells']} cells, {s['steps']} steps of {1e6 * s['step']:.3g} us", end=", ")
    print(f"energy error {s['energy']['error']:.1g}, {s['seconds']:.0f} s")


def draw(cycles: list[Cycle], law: Maxwell, mount: Mount, path: Path) -> None:
    """Draw loops of stress over shear, and the loss modulus that they have."""
    with matplotlib.rc_context(STYLE):
        figure, (loops, curve) = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
        every = np.geomspace(2.0, 400.0, 200)
        known = [1e-3 * moduli(law, f)[1] for f in every]
        curve.semilogx(every, known, ":", color="#444444", label="material")
        for c, colour in zip(cycles, COLOURS, strict=False):
            name = f"mount, {c.frequency:g} Hz"
            loops.plot(1e2 * c.shear, 1e-3 * c.stress, color=colour, label=name)
            storage, lost = moduli(law, c.frequency)
            angle = np.linspace(0.0, 2 * np.pi, 200)
            ellipse = 1e-3 * c.amplitude * (storage * np.sin(angle) + lost * np.cos(angle))
            loops.plot(1e2 * c.amplitude * np.sin(angle), ellipse, ":", color="#444444")
            found = 1e-3 * lost * c.dissipated / loss(law, mount, c)
            curve.plot(c.frequency, found, "o", color=colour, label=name)
        loops.set(xlabel="shear of the pads [%]", ylabel="force over area [kPa]")
        curve.set(xlabel="frequency [Hz]", ylabel="loss modulus [kPa]", ylim=(0.0, None))
        curve.legend(loc="lower center")
        figure.savefig(path, dpi=DPI)
        plt.close(figure)


def main() -> None:
    """Shake at all frequencies, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--coarse", action="store_true", help="a coarse mesh")
    mount = COARSE if parser.parse_args().coarse else Mount()
    law = damped(learned_rubber())
    case, cycles = prepare(HERE, mount, law), []
    for frequency in FREQUENCIES:
        record = shake(case, mount, frequency, HERE / f"{frequency:g}-hz-run")
        cycles.append(last_cycle(record, case, mount, frequency))
        tell(record, cycles[-1], loss(law, mount, cycles[-1]))
    draw(cycles, law, mount, HERE / "mount.png")


if __name__ == "__main__":
    main()
