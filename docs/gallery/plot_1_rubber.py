"""
A rubber: fit, certify, throw
=============================

Treloar measured natural rubber in 1944, pulled along one axis, along two, and in plane strain
("planar"). Here a law is fitted to his tests, its stable time step is certified, and a block of the
rubber hits a wall.
"""

# %%
# Fit
# ---
# A dataset is a folder with ``dataset.toml`` and CSV files. The tests are incompressible and do not
# tell the bulk modulus, so it is given.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import lipmat
from lipmat.cli.fitreport import fit_panels

data = lipmat.read_dataset(Path(lipmat.__file__).parents[1] / "data" / "treloar-1944")
law = lipmat.fit(data, bulk_modulus=40e6)


def draw(law):
    """Draw measured points and the law's curve of each test."""
    _, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained", sharey=True)
    for ax, panel in zip(axes, fit_panels(law, data), strict=True):
        colour = "C0" if panel.fitted else "C3"
        kind = "fitted" if panel.fitted else "predicted"
        ax.plot(panel.x_curve, panel.y_curve, colour, label=kind)
        ax.plot(panel.x, panel.y_measured, "ko", mfc="w", ms=4, label="measured")
        ax.set(title=f"{panel.title}, R² = {panel.r2:.4f}", xlabel=panel.x_label)
        ax.legend()
    axes[0].set_ylabel(panel.y_label)


draw(law)

# %%
# Predict
# -------
# The test of a law is what it says about a test that it has not seen. Fitted to two of the three,
# it predicts the third. The fit looks for the least stiff of all laws that meet the data, so where
# nothing was measured it invents nothing.

draw(lipmat.fit(data, tests=["uniaxial", "equibiaxial"], bulk_modulus=40e6))

# %%
# Certify
# -------
# The law carries a bound of its tangent for each of a ladder of nested domains of stretch. With the
# mesh it gives a step for each domain. The run takes the step of the smallest domain that holds the
# body.

body = lipmat.Body.box((0.05, 0.05, 0.15), (4, 4, 12), "hexahedron", law, density=930.0)
step = lipmat.critical_step(body)
print(f"{step.value * 1e6:.2f} µs at rest, level {step.level!r}")
print(step.frequency.rule)

rungs = step.control.all_rungs()
_, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.loglog([r.domains[0].stretch_max for r in rungs], [1e6 * r.value for r in rungs], "o-")
ax.set(xlabel="largest stretch of the domain [-]", ylabel="certified step [µs]")
ax.grid(alpha=0.3, which="both")

# %%
# Run
# ---
# The block's lower end sticks to the wall; everything else arrives at 5 m/s.

folder = tempfile.TemporaryDirectory()
run = lipmat.march(
    body,
    step,
    end=0.01,
    loads=[lipmat.Motion("z-min", (0.0, 0.0, 0.0))],
    velocity=(1.5, 0.0, -5.0),
    folder=folder.name,
)
print(run.outcome, f"after {run.summary['steps']} steps")
print(f"energy error {run.summary['energy']['error']:.1e}")

lipmat.plot_run(folder.name)
plt.figure(figsize=(9, 4.5), layout="constrained")
plt.imshow(plt.imread(Path(folder.name) / "run.png"))
plt.axis("off")

# %%
# The energy account of the same run: what the block has lost as motion it has stored, and gives
# back.

plt.figure(figsize=(8, 5.5), layout="constrained")
plt.imshow(plt.imread(Path(folder.name) / "energy.png"))
plt.axis("off")
