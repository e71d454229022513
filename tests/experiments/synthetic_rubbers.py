"""Rubbers made by a known law: four recorded conditions matter, others are noise."""

from __future__ import annotations

from dataclasses import replace
from math import exp
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import lipmat
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.report import predicted
from lipmat.materials.domain import StretchDomain
from lipmat.materials.polyconvex import PolyconvexStretch

Array = NDArray[np.float64]
MATTER = {
    "temperature": ("degC", -20.0, 80.0),
    "cure": ("min", 5.0, 25.0),
    "porosity": ("", 0.0, 0.3),
    "filler": ("%", 0.0, 40.0),
}
NOISE = 0.01


def true_law(c: Array) -> PolyconvexStretch:
    """Return the law of four conditions in [-1, 1], in the order of MATTER."""
    temperature, cure, porosity, filler = 0.5 * (np.asarray(c) + 1.0)
    filled = 1.0 + 0.5 * filler + 0.4 * filler**2
    shear = 0.5e6 * (0.85 + 0.3 * temperature) * (1.0 - 0.24 * porosity) ** 2 * filled
    bend = 0.25e6 * exp(1.6 * cure - 0.8) * (0.8 + 0.4 * filler)
    knots = torch.tensor([0.0, 1.0, 1.5, 2.5, 4.0], dtype=torch.float64)
    bends = torch.tensor([0.0, 0.0, 0.2, 1.0, 2.0], dtype=torch.float64)
    none, ones = torch.tensor(0.0, dtype=torch.float64), torch.ones(5, dtype=torch.float64)
    bulk, domain = torch.tensor(50e6, dtype=torch.float64), StretchDomain(0.2, 4.0, 0.6, 1.6)
    area = 0.05 * shear * ones
    return PolyconvexStretch(
        knots, none, shear * ones + bend * bends, knots, none, area, bulk, domain
    )


def write(
    folder: Path, tests: int, seed: int, channels: int = 16, points: int = 6, noise: float = NOISE
) -> Dataset:
    """Write and read a dataset of uniaxial tests under random conditions."""
    rng = np.random.default_rng(seed)
    names = [*MATTER, *(f"channel_{j}" for j in range(len(MATTER) + 1, channels + 1))]
    ranges = {name: MATTER.get(name, ("", 0.0, 1.0)) for name in names}
    text = 'title = "synthetic rubbers"\ndensity = "1100 kg/m^3"\nincompressible = true\n'
    for name, (unit, low, high) in ranges.items():
        text += f"[conditions.{name}]\nrange = [{low}, {high}]\n" + f'unit = "{unit}"\n' * bool(
            unit
        )
    for i, c in enumerate(rng.uniform(-1.0, 1.0, (tests, channels))):
        text += f'[[tests]]\nname = "{i}"\nfile = "{i}.csv"\nmode = "uniaxial"\n'
        text += f"conditions = {{ {_written(ranges, c)} }}\n"
        _write_test(folder / f"{i}.csv", c[: len(MATTER)], points, noise, rng)
    (folder / "dataset.toml").write_text(text)
    return lipmat.read_dataset(folder)


def shuffled(data: Dataset, seed: int) -> Dataset:
    """Return the dataset with the conditions of its tests exchanged at random."""
    order = np.random.default_rng(seed).permutation(len(data.tests))
    pairs = zip(data.tests, order, strict=True)
    tests = tuple(replace(t, conditions=data.tests[i].conditions) for t, i in pairs)
    return replace(data, tests=tests)


def _written(ranges: dict[str, tuple[str, float, float]], c: Array) -> str:
    parts = []
    for (name, (unit, low, high)), x in zip(ranges.items(), c.tolist(), strict=True):
        value = low + 0.5 * (high - low) * (x + 1.0)
        parts.append(f'{name} = "{value!r} {unit}"' if unit else f"{name} = {value!r}")
    return ", ".join(parts)


def _write_test(file: Path, c: Array, points: int, noise: float, rng: np.random.Generator) -> None:
    stretch = np.linspace(1.0, 2.5, points + 1)[1:]
    columns = {"stretch": stretch, "nominal_stress": stretch}
    test = Test("", "uniaxial", "incompressible", columns, "MPa", file)
    stress = predicted(true_law(c), test) * (1.0 + noise * rng.standard_normal(points)) / 1e6
    rows = "".join(f"{a!r},{b!r}\n" for a, b in zip(stretch.tolist(), stress.tolist(), strict=True))
    file.write_text("stretch [-],nominal_stress [MPa]\n" + rows)
