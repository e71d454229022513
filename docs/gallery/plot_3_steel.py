"""
The curve of a structural steel
===============================

Structural steel S355 yields on a plateau and then hardens. Its standard curve (prEN 1993-1-14; Yun
and Gardner 2017) is fitted by a small-strain law whose tangent lies between zero and a reference
stiffness, and the law is certified at the level ``convex``: a run with it cannot grow.

The law is nonlinear elastic. It follows the curve while the load rises and unloads along it, which
steel does not: it is for monotonic loading only.
"""

# %%
# Fit
# ---
# A uniaxial test does not tell the lateral strain. The dataset gives Young's modulus and Poisson's
# ratio of the elastic steel, from which the linear change of volume follows; the network learns the
# rest.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import lipmat
from lipmat.experiments.report import measured_values, predicted

data = lipmat.read_dataset(Path(lipmat.__file__).parents[1] / "data" / "s355-reference")
law = lipmat.fit(data, law="principal-values")
report = law.provenance.entries["tests"]["tension"]
print(f"R² = {report['r2']:.6f}, relative error {report['relative']:.2%}")

test = data.tests[0]
strain = test.columns["stretch"] - 1
_, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for ax, end in zip(axes, (0.05, 0.004), strict=True):
    ax.plot(100 * strain, predicted(law, test) / 1e6, "C0", label="law")
    ax.plot(100 * strain, measured_values(test) / 1e6, "ko", mfc="w", ms=4, label="standard curve")
    ax.set(xlabel="strain [%]", ylabel="nominal stress [MPa]", xlim=(0, 100 * end))
axes[0].legend()

# %%
# The bound
# ---------
# The tangent lies between zero and C0 at every strain: at random ones up to 5 %, every eigenvalue
# of the tangent whitened by C0 is in [0, 1]. (The linear change of volume gives a 1 everywhere.)
# The largest that sampling finds is a lower bound of the true largest; the certificate is the upper
# one.


def tangent(strains):
    """Return the tangents (n, 6, 6) at Mandel strains (n, 6) [Pa]."""
    h = 1e-7
    moves = torch.eye(6, dtype=torch.float64) * h
    columns = [law.stress(strains + m) - law.stress(strains - m) for m in moves]
    return torch.stack(columns, 2) / (2 * h)


(rung,) = law.bound().rungs
volumetric = np.pad(np.full((3, 3), 1 / 3), (0, 3))
c0 = np.array(rung.tangent["network"]) + rung.tangent["volumetric"] * volumetric
bulk, shear = c0[:3, :3].sum() / 9, c0[3, 3] / 2
print(f"C0: K = {bulk / 1e9:.1f} GPa, G = {shear / 1e9:.1f} GPa; elastic steel: 175.0 and 80.8")

random = torch.from_numpy(np.random.default_rng(0).uniform(-0.05, 0.05, (2000, 6)))
scale = torch.from_numpy(np.logspace(-4, 0, 2000)).unsqueeze(1)
root = np.linalg.inv(np.linalg.cholesky(c0))
found = np.linalg.eigvalsh(root @ tangent(random * scale).numpy() @ root.T)
print(f"eigenvalues of the tangent against C0: {found.min():.4f} to {found.max():.4f}")
print(f"largest sampled tangent of the network over its bound: {rung.sampled['network']:.3f}")

# %%
# The step
# --------
# A tension bar of this steel. ``convex`` costs a fifth of the linearised step, and proves that the
# nonlinear run cannot grow.

body = lipmat.Body.box((0.1, 0.01, 0.01), (30, 3, 3), "hexahedron", law, density=data.density)
for level in ("linearised", "convex", "energy"):
    step = lipmat.critical_step(body, level=level)
    print(f"{level:<10}  {step.value * 1e9:6.1f} ns, viscosity {step.viscosity:g}")

# %%
# Pull
# ----
# One end is held, the other pulled at 8 m/s; waves run to and fro, and the bar yields. The end
# moves, so work is done from outside, and it is the energy account that one looks at.

run = lipmat.march(
    body,
    lipmat.critical_step(body),
    end=2e-4,
    loads=[
        lipmat.Motion("x-min", (0.0, 0.0, 0.0)),
        lipmat.Motion("x-max", (8.0, 0.0, 0.0), "velocity", lambda t: min(t / 2e-5, 1.0)),
    ],
)
print(run.outcome, f"after {run.summary['steps']} steps")
time = 1e6 * run.history["time [s]"]
_, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for name in ("external_work", "stored_energy", "kinetic_energy"):
    ax.plot(time, run.history[f"{name} [J]"], label=name.replace("_", " "))
ax.set(xlabel="time [µs]", ylabel="energy [J]")
ax.legend()
print(f"energy error {run.summary['energy']['error']:.1e}")
