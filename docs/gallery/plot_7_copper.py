"""
Copper at every rate
====================

Copper flows at a higher stress the faster it is deformed. The data are synthetic: compression after
Johnson and Cook (1983) at constant rates from 10⁻³ to 10⁴ /s. A law with memory, one Maxwell branch
with a learned flow curve and a learned hardening, is fitted to some of the rates and predicts the
others.
"""

# %%
# Fit
# ---
# Training goes through time: each test is followed step by step. The lateral faces are free;
# Young's modulus and Poisson's ratio of the dataset give the elastic part.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lipmat
from lipmat.experiments.report import measured_values, predicted

data = lipmat.read_dataset(Path(lipmat.__file__).parents[1] / "data" / "ofhc-copper-johnson-cook")
seen = ["rate-0.001", "rate-0.1", "rate-10", "rate-1000"]
unseen = ["rate-0.01", "rate-0.2", "rate-30"]
law = lipmat.fit(data.select(seen), law="maxwell", kinematics="log", branches=1, hardening=True)

# %%
# Unseen rates
# ------------
# The largest error of the true stress over the plastic range, from a plastic strain of 10⁻⁴ to 2.5.

_, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
largest = {}
for i, test in enumerate(data.select(["rate-0.001", *unseen, "rate-1000"]).tests):
    stress, truth = (-1e-6 * f for f in (predicted(law, test), measured_values(test)))
    strain = -np.log(test.columns["stretch"])
    plastic = strain - truth / 124e3 > 1e-4
    largest[test.name] = np.max(np.abs(stress / np.where(plastic, truth, np.inf) - 1)[plastic])
    label = f"{test.name.removeprefix('rate-')} /s{'' if test.name in seen else ', unseen'}"
    ax.plot(strain, stress, f"C{i}", label=label)
    ax.plot(strain, truth, f"C{i}o", ms=3)
ax.set(xlabel="logarithmic strain [-]", ylabel="true stress [MPa]")
ax.legend()
for name in unseen:
    print(f"{name}: largest error {largest[name]:.2%}")
assert max(largest[name] for name in unseen) < 0.01

# %%
# What was learned
# ----------------
# The flow curve, the strength over the rate, which Johnson and Cook take for linear in its
# logarithm: 1 + 0.025 ln(rate).

y, d = law.flow_knots[0].numpy(), law.flow_slopes[0].numpy()
rates = np.concatenate([[0.0], np.cumsum(np.cumsum(d[:-1]) * np.diff(y))]) / np.sqrt(1.5)
middle = np.interp(1.0, rates, y)
_, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.semilogx(rates[1:], y[1:] / middle, "o-", label="learned")
ax.semilogx(rates[1:], 1 + 0.025 * np.log(rates[1:]), "k--", label="Johnson and Cook")
ax.set(xlabel="rate of plastic strain [1/s]", ylabel="strength over that at 1 /s [-]")
ax.legend()
print(f"strength from 1e-3 to 1e3 /s: {np.interp(1e3, rates, y) / np.interp(1e-3, rates, y):.3f}")
