"""
A composite cell
================

A stiff ellipsoid in a softening matrix: a cell of a two-phase composite was homogenised over random
strain states (``simulations/composite-cell``; the data are synthetic). It is stiffer along its long
axes, so its law needs material axes. A ridge network with orthotropic symmetry learns it from
complete strain and stress tensors.
"""

# %%
# Fit
# ---
# 256 states are for training; 128 others, which the fit does not see, are for the test.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lipmat
from lipmat.experiments.report import measured_values, predicted
from lipmat.fem.body import Material
from lipmat.fem.grid import box

data = lipmat.read_dataset(Path(lipmat.__file__).parents[1] / "data" / "composite-cell")
law = lipmat.fit(data, law="ridge", symmetry="orthotropic", tests=["train"])
for name, report in law.provenance.entries["tests"].items():
    print(f"{name:<6} {report['n']} states, relative error of the stress {report['relative']:.2%}")

# %%
# Unseen states
# -------------
# All six stress components of the test, as homogenised and as the law predicts them.

test = next(t for t in data.tests if t.name == "test")
truth, guess = (f.reshape(-1, 6) / 1e6 for f in (measured_values(test), predicted(law, test)))
_, ax = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
for k, label in enumerate(("11", "22", "33", "23", "13", "12")):
    ax.plot(truth[:, k], guess[:, k], ".", ms=4, label=label)
ax.axline((0, 0), slope=1, color="k", lw=0.6)
ax.set(xlabel="stress of the cell [MPa]", ylabel="stress of the law [MPa]", aspect="equal")
ax.legend(ncols=2)

# %%
# What the bound says
# -------------------
# C0 is a full 6 x 6 stiffness with the symmetry of the material. Here it is in the directions n of
# the 1-3 plane, n n : C0 : n n. Along the axes this is the density times the square of the speed of
# the fastest longitudinal wave that the law can carry.

(rung,) = law.bound().rungs
c0 = np.array(rung.tangent["network"])
angle = np.linspace(0, 2 * np.pi, 361)
c, s = np.cos(angle), np.sin(angle)
zero = np.zeros_like(angle)
pull = np.stack([c * c, zero, s * s, zero, np.sqrt(2) * c * s, zero])
_, ax = plt.subplots(figsize=(4.2, 4.2), layout="constrained", subplot_kw={"projection": "polar"})
ax.plot(angle, np.einsum("ia,ij,ja->a", pull, c0, pull) / 1e9)
ax.set_title("bound of the stiffness in the 1-3 plane [GPa]")

# %%
# The step depends on the direction
# ---------------------------------
# A thin plate, whose step is set by its thickness, with the soft axis of the material through the
# thickness and with the stiff one. An isotropic bound would have to take the worse for both.

grid = box((0.1, 0.1, 0.01), (10, 10, 4), "hexahedron")
for label, axes in (("soft", np.eye(3)), ("stiff", np.eye(3)[[2, 0, 1]])):
    body = lipmat.Body(grid, [Material(law, data.density, axes=axes)])
    step = lipmat.critical_step(body)
    print(f"{label} axis through the plate: {step.value * 1e6:.3f} µs at level {step.level!r}")
