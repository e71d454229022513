"""
A twisting column
=================

The column of ``simulations/rubber-column``, 1 m × 1 m × 6 m of Treloar's rubber, fixed at its base,
starts to turn about its axis, winds up by a full turn and comes back. This page runs its case file
with an eighth of the cells.
"""

# %%
# The case file
# -------------
# Paths in a case file are relative to its folder. Here the case is copied beside a freshly fitted
# material file, with fewer cells.

import csv
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lipmat
from lipmat.cli.simulate import run_case
from lipmat.config import read_case

root = Path(lipmat.__file__).parents[1]
folder = tempfile.TemporaryDirectory()
here = Path(folder.name)
law = lipmat.fit(lipmat.read_dataset(root / "data" / "treloar-1944"), bulk_modulus=40e6)
lipmat.save(law, here / "rubber.safetensors")

text = (root / "simulations" / "rubber-column" / "case.toml").read_text()
text = text.replace("[8, 8, 48]", "[4, 4, 24]").replace("movie = true", "movie = false")
(here / "case.toml").write_text(text)
print(text)

# %%
# The run
# -------
# This is what ``lipmat run case.toml`` does.

run = run_case(read_case(here / "case.toml"), here / "run")
print(run.outcome, f"after {run.summary['steps']} steps, {run.summary['seconds']:.1f} s")

plt.figure(figsize=(9, 4.5), layout="constrained")
plt.imshow(plt.imread(here / "run" / "run.png"))
plt.axis("off")

# %%
# What the records hold
# ---------------------
# ``history.csv`` has a row for each output. The probe is a corner of the top, whose motion tells
# the angle; the step follows the frequency of the present state, bounded anew as the body moves.

with (here / "run" / "history.csv").open() as file:
    rows = list(csv.DictReader(file))
history = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
time = history["time [s]"]
corner = np.array([0.5 + history["probe_1_x [m]"], 0.5 + history["probe_1_y [m]"]])
angle = np.degrees(np.unwrap(np.arctan2(corner[1], corner[0]))) - 45

_, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5), layout="constrained")
above.plot(time, angle)
above.set_ylabel("angle of the top [°]")
below.plot(time, 1e6 * history["step [s]"], drawstyle="steps-post")
below.set(ylabel="certified step [µs]", xlabel="time [s]")
print(f"largest angle {angle.max():.0f}°, energy error {run.summary['energy']['error']:.1e}")
