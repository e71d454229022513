"""
Which conditions matter
=======================

Fifty pads of rubber were pulled. Eight conditions were recorded with each, of which three change
the stress. The fit finds them, ignores the rest, and gives a law that can be frozen at any
conditions in their ranges, with a step that is certified there, or for all of them. The data are
synthetic. The guide: :doc:`/guide/conditions`; the proofs: :ref:`condition-gate`.
"""

# %%
# The tests
# ---------
# A pad is stiffer when it is warm (entropy) and where it is filled, and softer where it is porous;
# age, humidity, thickness, operator and batch are recorded all the same.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import lipmat
from lipmat.cli.conditions import condition_panels
from lipmat.plotting.conditions import draw_conditions, draw_gates
from lipmat.plotting.draw import COLOURS, STYLE

CHANNELS = {
    "temperature": ("degC", -20, 80),
    "filler": ("%", 0, 40),
    "porosity": ("", 0, 0.3),
    "age": ("day", 0, 300),
    "humidity": ("%", 20, 80),
    "thickness": ("mm", 5, 15),
    "operator": ("", 0, 1),
    "batch": ("", 0, 1),
}
STRETCH = np.linspace(1.2, 2.4, 6)


def stress(c):
    """Return the nominal stress [MPa] of a pad, its conditions counted from 0 to 1."""
    shear = 0.4 * (0.85 + 0.3 * c[0]) * (1 + c[1]) * (1 - 0.25 * c[2]) ** 2
    stiffening = 0.03 * (1 + 3 * c[1] ** 2) * (STRETCH - 1) ** 3
    return shear * (STRETCH - STRETCH**-2) + stiffening


rng = np.random.default_rng(0)
folder = Path(tempfile.mkdtemp())
toml = 'title = "pads"\nincompressible = true\ndensity = "1100 kg/m^3"\n'
for name, (unit, low, high) in CHANNELS.items():
    toml += f"[conditions.{name}]\nrange = [{low}, {high}]\n" + f'unit = "{unit}"\n' * bool(unit)
for i, c in enumerate(rng.random((50, len(CHANNELS)))):
    pairs = zip(CHANNELS.items(), c, strict=True)
    values = [f"{n} = {a + (b - a) * x:.6g}" for (n, (_, a, b)), x in pairs]
    toml += f'[[tests]]\nname = "{i}"\nfile = "{i}.csv"\nmode = "uniaxial"\n'
    toml += f"conditions = {{ {', '.join(values)} }}\n"
    measured = stress(c) * (1 + 0.01 * rng.standard_normal(len(STRETCH)))
    rows = [f"{s:.6g},{p:.6g}" for s, p in zip(STRETCH, measured, strict=True)]
    (folder / f"{i}.csv").write_text("\n".join(["stretch [-],nominal_stress [MPa]", *rows]))
(folder / "dataset.toml").write_text(toml)

# %%
# The fit
# -------
# Forty are fitted, ten are predicted at their own conditions.

data = lipmat.read_dataset(folder)
law = lipmat.fit(data, tests=[str(i) for i in range(40)], bulk_modulus=40e6)
found = law.provenance.entries["channels"]["found"]
unseen = [t["relative"] for t in law.provenance.entries["tests"].values() if not t["fitted"]]
for name in law.kept:
    print(f"{name:12} changes the stress by {100 * found[name]['influence']:.0f} %")
print("ignored:     " + ", ".join(name for name in found if name not in law.kept))
print(f"tests that were not seen are met to {100 * np.sqrt(np.mean(np.square(unseen))):.1f} %")

with plt.rc_context(STYLE):
    figure = plt.figure(figsize=(9, 5.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[3.2, 2.0])
    panels, gates = condition_panels(law, data)
    draw_conditions(upper, panels)
    draw_gates(lower, gates, 1, len(gates))

# %%
# The bound
# ---------
# At given conditions the law is a plain one with its own certificate. Over all conditions the bound
# is that of the stiffest corner of the gates' ranges, which are certified, not sampled.

temperatures = np.linspace(-20, 80, 5)
middle = {"filler": 20, "porosity": 0.15}
laws = [law.at({"temperature": t, **middle}) for t in temperatures]
shear = [x.rest_moduli()[1] / 1e6 for x in laws]
own = [x.bound().rungs[3].tangent["distortional"] / 1e6 for x in (laws[0], laws[-1])]
worst = law.bound().rungs[3].tangent["distortional"] / 1e6
c = 2.0 * torch.rand(4000, len(law.kept), dtype=torch.float64) - 1.0
ratio = law.gate(c).amax(0).numpy() / law.gate_ranges.hi
print(f"largest sampled gates over their certified bounds: {ratio.min():.3f} and {ratio.max():.3f}")

with plt.rc_context(STYLE):
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    left.plot(temperatures, shear, "o-", color=COLOURS[0])
    left.set(xlabel="temperature [degC]", ylabel="shear modulus at rest [MPa]")
    names = ["-20 degC", "80 degC", "all conditions"]
    right.bar(names, [*own, worst], color=[COLOURS[0], COLOURS[0], COLOURS[1]])
    right.set(ylabel="certified tangent [MPa]", title=f"{law.bound().rungs[3].domain}")
plt.show()
