r"""
The bar that a stable step shakes to pieces
===========================================

A bar of 100 cells whose material is twice as stiff in tension as in compression, as some fibre
composites are (concrete is the other way round). Its law is convex, its tangent takes two values,
and the step below is smaller than the critical step of *every* tangent that the bar can have. By
the usual criterion the run is stable. It is not. The first part of this page needs nothing but
numpy, so that there is nothing to hide; the last one runs ``simulations/bimodular-bar``.
"""

# %%
# The bar
# -------
# Unit cells, unit mass, one degree of freedom a node, both ends free. The tension modulus is 1, the
# compression modulus 1/2. The bound of the tangent is 1, and exact.

import matplotlib.pyplot as plt
import numpy as np

N, RATIO = 100, 0.5
mass = np.ones(N + 1)
mass[[0, -1]] = 0.5


def stress(strain):
    """Return the bimodular stress."""
    return np.where(strain > 0, strain, RATIO * strain)


def energy(u):
    """Return the stored energy."""
    strain = np.diff(u)
    return 0.5 * np.sum(stress(strain) * strain)


def force(s):
    """Return the nodal force of stresses in the cells."""
    return np.concatenate([[-s[0]], s[:-1] - s[1:], [s[-1]]])


frequency = 2.0  # the highest of the bar with modulus 1 everywhere
start = np.exp(-(((np.arange(N + 1) - 50) / 10) ** 2))  # a smooth bump of displacement

# %%
# Four runs
# ---------
# Central difference from a smooth start, 20,000 steps: as usual, with 0.9 and with 0.7 of the step
# 2/ω that is critical for the stiffest tangent; with the certificate ``convex``; with the
# certificate ``energy``. The certified runs take their whole limit and carry their viscosity, the
# stress :math:`\beta` times the change of strain over the last step.


def march(h_omega, beta, steps=20_000):
    """Return kinetic (half step) plus stored energy over that of the start, at each step."""
    h = h_omega / frequency
    u = start.copy()
    increment = np.zeros(N + 1)
    total = [energy(u)]
    for _ in range(steps):
        s = stress(np.diff(u)) + beta * np.diff(increment)
        increment = increment - h**2 * force(s) / mass
        u = u + increment
        total.append(energy(u) + 0.5 * np.sum(mass * (increment / h) ** 2))
        if total[-1] > 1e8 * total[0]:
            break
    return np.array(total) / total[0]


beta = 0.245
convex_limit = np.sqrt(np.sqrt(8 * (1 + beta)) - 3) / beta
runs = {
    "linearised, 0.9 of 2/ω": march(0.9 * 2.0, 0.0),
    "linearised, 0.7 of 2/ω": march(0.7 * 2.0, 0.0),
    f"convex, {convex_limit / 2:.3f} of 2/ω": march(convex_limit, beta),
    "energy, 0.5 of 2/ω": march(1.0, 1.0),
}
_, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for (label, total), colour in zip(runs.items(), ("C3", "C1", "C0", "C2"), strict=True):
    ax.semilogy(total, colour, label=label)
    print(f"{label}: largest energy {total.max():.3g} of the start, {len(total) - 1} steps")
ax.set(xlabel="step", ylabel="energy over its start [-]", ylim=(1e-5, 1e8))
ax.legend()

# %%
# The certified runs lose energy: fast tension runs into slow compression, fronts steepen until they
# are as sharp as the mesh, and there the viscosity takes what the mesh cannot carry.

# %%
# Where the energy comes from
# ---------------------------
# Each cell switches its stiffness when it passes zero strain. Central difference samples the switch
# at instants, and a mode near the mesh frequency can switch in step with the sampling: a parametric
# resonance of the *scheme*, which no single tangent shows.
#
# The strains just before the end of the first run alternate from cell to cell: it is the mesh that
# moves, not the bar.

h, u, increment = 0.9, start.copy(), np.zeros(N + 1)
for _ in range(max(1, len(runs["linearised, 0.9 of 2/ω"]) - 400)):
    increment = increment - h**2 * force(stress(np.diff(u))) / mass
    u = u + increment
_, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
ax.plot(np.diff(u), ".-", ms=4, lw=0.6)
ax.set(xlabel="cell", ylabel="strain [-]")

# %%
# What the certificates do
# ------------------------
# ``convex`` bounds the energies by a function that cannot rise, ``energy`` bounds their sum itself,
# for every law between the bounds, every mesh and every start: the proofs are in
# :doc:`/theory/levels`.

# %%
# The same in three dimensions
# ----------------------------
# A row of 100 hexahedra with a law of one spline unit, as ``lipmat run`` computes it: the run of
# ``simulations/bimodular-bar``, the first 2,000 steps.

import sys
import tempfile
from pathlib import Path

import lipmat

home = Path(lipmat.__file__).parents[1] / "simulations" / "bimodular-bar"
sys.path.insert(0, str(home))
import growth

from lipmat.cli.build import body_of
from lipmat.config import read_case

with tempfile.TemporaryDirectory() as folder:
    lipmat.save(growth.bimodular(), Path(folder) / "bimodular.safetensors")
    (Path(folder) / "case.toml").write_text((home / "case.toml").read_text())
    case = read_case(Path(folder) / "case.toml")
    body = body_of(case)
_, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
for level, safety, colour in (("linearised", 0.9, "C3"), ("convex", 1.0, "C0")):
    found = growth.run(case, body, level, safety, steps=2_000)
    ax.semilogy(found.steps, found.energy, colour, label=f"{level}, {safety:g} of its step")
    print(f"{level}: {found.energy.max():.3g} of the energy at the start", end="")
    print("" if found.largest_rise is None else f", largest rise of V {found.largest_rise:.1e}")
ax.set(xlabel="step", ylabel="energy over its start [-]")
ax.legend()
