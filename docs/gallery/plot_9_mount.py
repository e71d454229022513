r"""
A rubber mount and what it loses in a cycle
===========================================

A machine between two rubber pads shakes itself, at 40 Hz. The pads are Treloar's rubber,
learned, beside three Maxwell branches. What the run books as dissipated in a cycle of steady
vibration is compared with the loss that the material has by its moduli and relaxation times. This
is ``simulations/damped-mount`` on its coarse mesh.
"""

# %%
# The law
# -------
# Relaxed, the rubber is the learned elastic law; a branch adds a spring in series with a dashpot.

import shutil
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lipmat

home = Path(lipmat.__file__).parents[1] / "simulations" / "damped-mount"
sys.path.insert(0, str(home))
import mount
from mount_mesh import COARSE

law = mount.damped(mount.learned_rubber())
for frequency in mount.FREQUENCIES:
    storage, loss = (1e-6 * x for x in mount.moduli(law, frequency))
    print(f"{frequency:g} Hz: storage modulus {storage:.3f} MPa, loss modulus {loss:.3f} MPa")

# %%
# Steady vibration
# ----------------
# The force on the machine is given, so that its loop over the displacement is what it puts in. The
# force on the pads, dotted below as the material's own ellipse has it, lacks the machine's inertia.

_, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
with tempfile.TemporaryDirectory() as folder:
    shutil.copy(home / "case.toml", folder)
    case = mount.prepare(Path(folder), COARSE, law)
    for frequency, colour in ((40.0, "C3"),):
        record = mount.shake(case, COARSE, frequency)
        cycle = mount.last_cycle(record, case, COARSE, frequency)
        ax.plot(1e2 * cycle.shear, 1e-3 * cycle.stress, colour, label=f"{frequency:g} Hz")
        angle = np.linspace(0.0, 2 * np.pi, 100)
        storage, loss = mount.moduli(law, frequency)
        stress = cycle.amplitude * (storage * np.sin(angle) + loss * np.cos(angle))
        ax.plot(1e2 * cycle.amplitude * np.sin(angle), 1e-3 * stress, ":", color="#444444")
        own = mount.loss(law, COARSE, cycle)
        print(f"{frequency:g} Hz: dissipated {1e3 * cycle.dissipated:.3f} mJ in a cycle")
        print(f"    loss of the material {1e3 * own:.3f} mJ, work {1e3 * cycle.work:.3f} mJ")
        print(f"    error of the energy balance {record.summary['energy']['error']:.1e}")
ax.set(xlabel="shear of the pads [%]", ylabel="force over area [kPa]")
ax.legend()

# %%
# The pads lose a little less than uniform shear would: their ends are free.
