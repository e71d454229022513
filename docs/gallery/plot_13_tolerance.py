"""
How far noise can move the stress
=================================

A gauge reads the strain with an error. The certified bound of a law says how far that can move its
stress, and an adversary who may choose state and error says how far it does. Proofs:
:ref:`in the theory <tolerance>`.
"""

# %%
# The band of a test
# ------------------
# Structural steel S355 with a gauge of 1e-4: all stresses that the law can give if the strain was
# not read exactly. The band is wide where the steel is stiff and closes on the plateau. A linear
# body of the same bound would give ± E times the error everywhere.

from pathlib import Path

import matplotlib.pyplot as plt
import torch

import lipmat
from lipmat.experiments.report import measured_values, predicted
from lipmat.experiments.strain_band import strain_band
from lipmat.plotting.draw import COLOURS, STYLE

ERROR = 1e-4
data = lipmat.read_dataset(Path(lipmat.__file__).parents[1] / "data" / "s355-reference")
steel = lipmat.fit(data)
(test,) = data.tests
band = strain_band(steel, test, ERROR)
tolerance = lipmat.stress_tolerance(steel, ERROR)
(reach,) = tolerance.reaches
print(f"any state, any error: at most {reach.certified / 1e6:.1f} MPa")
print(f"an adversary finds       {reach.found / 1e6:.1f} MPa")
print(f"pull, sides free: at most {tolerance.pull['1'] / 1e6:.1f} MPa, E times the error")

strain, stress = 100 * (test.columns["stretch"] - 1), predicted(steel, test) / 1e6
with plt.rc_context(STYLE):
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.fill_between(
        strain, band.lower / 1e6, band.upper / 1e6, color=COLOURS[0], alpha=0.35, lw=0
    )
    left.plot(strain, stress, color=COLOURS[0], lw=1.2, label="law, strain ± 1e-4")
    left.plot(strain, measured_values(test) / 1e6, "ko", mfc="w", ms=4, label="standard curve")
    left.set(xlabel="strain [%]", ylabel="nominal stress [MPa]", xlim=(0, 0.3), ylim=(0, 400))
    left.legend(loc="lower right")
    right.plot(strain, (band.upper - band.lower) / 2e6, color=COLOURS[0], label="half the band")
    right.axhline(tolerance.pull["1"] / 1e6, color="#444444", ls=":", label="E times the error")
    right.set(xlabel="strain [%]", ylabel="change of stress [MPa]", xlim=(0, 3), ylim=(0, 24))
    right.legend(loc="center right")

# %%
# Certified and found
# -------------------
# Ten thousand random errors, at random states of strains up to 0.3 %, do less than the adversary:
# noise that was measured would not have shown the number that holds. The adversary knows that an
# error of volume is what steel answers most, whatever its state.

g = torch.Generator().manual_seed(0)
state, error = (torch.randn(10_000, 6, generator=g, dtype=torch.float64) for _ in range(2))
state = state * 3e-3 * torch.rand(10_000, 1, generator=g) / state.norm(dim=1, keepdim=True)
error = error * ERROR / error.norm(dim=1, keepdim=True)
change = (steel.stress(state + error) - steel.stress(state)).norm(dim=1) / 1e6

with plt.rc_context(STYLE):
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    axes.hist(change, 60, color=COLOURS[0], alpha=0.6, label="random errors")
    axes.axvline(reach.found / 1e6, color=COLOURS[1], lw=4, alpha=0.6, label="found by attack")
    axes.axvline(reach.certified / 1e6, color="#333333", lw=1, label="certified")
    axes.set(xlabel="change of stress [MPa]", ylabel="number", xlim=(0, 58))
    axes.legend(loc="upper left")
