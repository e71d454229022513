r"""
Specimens that scatter
======================

Ten specimens of one rubber were tested; no two agree. From their curves a generator learns how the
material scatters and draws new specimens, each of them a law with a certified bound
(:doc:`/guide/specimens`).
"""

# %%
# Tests of ten specimens
# ----------------------
# They are synthetic: the shear modulus and the stiffening at large stretch are log-normal and
# correlated, and the readings have a noise of 1 %. Each test in ``dataset.toml`` names its
# specimen.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lipmat
from lipmat.experiments.specimens import fit_specimens, learn_population
from lipmat.plotting.bands import Band, BandPanel, draw_bands
from lipmat.plotting.draw import STYLE

STRETCH = {"uniaxial": np.linspace(1.1, 4.0, 15), "equibiaxial": np.linspace(1.05, 2.5, 15)}
rng = np.random.default_rng(1)
folder = Path(tempfile.mkdtemp())
lines = ['title = "synthetic rubber"', "incompressible = true", 'density = "930 kg/m^3"']
for i in range(10):
    common, *own = rng.standard_normal(3)
    soft, stiff = np.array([0.6, 4e-3]) * np.exp([0.12, 0.3] * (common + own) / 2**0.5)
    for mode, s in STRETCH.items():
        side = -2.0 if mode == "equibiaxial" else -0.5
        stress = soft * (s**0.6 - s ** (1.6 * side - 1)) + stiff * (s**3.5 - s ** (4.5 * side - 1))
        stress *= 1 + 0.01 * rng.standard_normal(len(s))
        name = f"{i}-{mode}.csv"
        np.savetxt(
            folder / name,
            np.transpose([s, stress]),
            delimiter=",",
            header="stretch [-],nominal_stress [MPa]",
            comments="",
        )
        lines += ["[[tests]]", f'name = "{mode}"', f'specimen = "{i}"']
        lines += [f'file = "{name}"', f'mode = "{mode}"']
(folder / "dataset.toml").write_text("\n".join(lines))

# %%
# Fit, learn, draw
# ----------------
# Each specimen is fitted; the weights of the laws are combinations of a few archetypes; their
# distribution is learned against a critic of slope 1 that sees the curves.

specimens = fit_specimens(lipmat.read_dataset(folder), bulk_modulus=40e6)
population = learn_population(specimens, steps=60)
print(f"{len(population.archetypes)} archetypes leave out {population.left_out:.1%} of the scatter")
print(f"energy distance to the given curves {population.energy_distance:.4f}")
print(f"Wasserstein distance at least {population.wasserstein_bound:.4f}")

# %%
# What was drawn is a law like any other: it can be saved, and carries its bound.

law = population.laws(1)[0]
lipmat.save(law, folder / "specimen-1.safetensors")
print(f"shear modulus {law.rest_moduli()[1] / 1e3:.0f} kPa")
for rung in law.bound().rungs[-1:]:
    print(f"{rung.domain}: dP/dF up to {rung.tangent['distortional'] / 1e6:.1f} MPa")

# %%
# The band holds nine in ten of 1,000 drawn curves, the thin lines are twenty of them.

drawn = specimens.curves(population.draw(1000))
with plt.rc_context(STYLE):
    figure, panels = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    for k, (axes, m, curves) in enumerate(zip(panels, specimens.common, drawn, strict=True)):
        tests = [own[k] for own in specimens.tests.values()]
        measured = [(t.columns["stretch"], t.columns["nominal_stress"] / 1e6) for t in tests]
        bands = [Band("drawn, median", curves.numpy() / 1e6, 20)]
        texts = m.test.name, m.x, bands, "stretch [-]", "stress [MPa]"
        draw_bands(axes, BandPanel(*texts, measured))
plt.show()
