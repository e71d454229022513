"""Synthetic specimens of one rubber: two Ogden terms whose parameters scatter together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MEDIAN = (0.6e6, 1.6, 4e3, 4.5)
"""mu_1 [Pa], alpha_1, mu_2 [Pa], alpha_2."""
SPREAD = (0.12, 0.06, 0.30, 0.04)
"""Standard deviations of their logarithms."""
CORRELATION = 0.5
"""Of each two logarithms."""
STRETCHES = {"uniaxial": np.linspace(1.1, 4.0, 15), "equibiaxial": np.linspace(1.05, 2.5, 15)}


def parameters(n: int, rng: np.random.Generator) -> Array:
    """Return the parameters of n specimens, log-normal, shape (n, 4)."""
    common = rng.standard_normal((n, 1))
    own = rng.standard_normal((n, 4))
    normal = CORRELATION**0.5 * common + (1 - CORRELATION) ** 0.5 * own
    return np.array(MEDIAN) * np.exp(np.array(SPREAD) * normal)


def stress(rows: Array, mode: str, stretch: Array) -> Array:
    """Return nominal stresses [Pa] of specimens (n, 4) at stretches (m,), shape (n, m)."""
    across = -2.0 if mode == "equibiaxial" else -0.5
    out = np.zeros((len(rows), len(stretch)))
    for mu, alpha in (rows.T[:2], rows.T[2:]):
        a = alpha[:, None]
        out += mu[:, None] * (stretch ** (a - 1) - stretch ** (across * a - 1))
    return out


def write_dataset(folder: Path, rows: Array, rng: np.random.Generator, noise: float = 0.01) -> Path:
    """Write the tests of specimens with relative noise of the readings, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = ['title = "synthetic rubber"', "incompressible = true", 'density = "930 kg/m^3"']
    for mode, stretch in STRETCHES.items():
        measured = stress(rows, mode, stretch)
        measured = measured * (1 + noise * rng.standard_normal(measured.shape))
        for i, values in enumerate(measured, 1):
            file = f"{mode}-{i}.csv"
            lines = [f"{a:.6g},{1e-6 * b:.6g}" for a, b in zip(stretch, values, strict=True)]
            (folder / file).write_text("\n".join(["stretch [-],nominal_stress [MPa]", *lines]))
            text += ["", "[[tests]]", f'name = "{mode}"', f'specimen = "{i}"']
            text += [f'file = "{file}"', f'mode = "{mode}"']
    (folder / "dataset.toml").write_text("\n".join(text) + "\n")
    return folder
