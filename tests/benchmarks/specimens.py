"""How well 20 synthetic rubbers tell of fresh ones: ``python -m tests.benchmarks.specimens``.

The ratio is the energy distance of 1,000 drawn curves to those of as many fresh specimens as were
given, over that of two such fresh sets; both are averaged over fresh sets. Fresh curves are the
true ones, without noise, in all tests at the states and in the units of `Specimens.seen`. The same
ratio of the given specimens themselves, drawn again and again, is 1 on average; that of the true
distribution is about half, for 1,000 against 20.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lipmat.experiments.dataset import read_dataset
from lipmat.experiments.specimens import (
    STEPS,
    Population,
    Specimens,
    fit_specimens,
    learn_population,
)
from lipmat.spectral.generator import energy_distance
from tests.experiments import rubbers


def population(given: int, seed: int, steps: int = STEPS) -> Population:
    """Return what is learned of synthetic specimens."""
    rng = np.random.default_rng([seed, 1])
    with tempfile.TemporaryDirectory() as folder:
        rows = rubbers.parameters(given, rng)
        data = read_dataset(rubbers.write_dataset(Path(folder), rows, rng))
    return learn_population(fit_specimens(data, seed), seed, steps)


def true_curves(specimens: Specimens, n: int, rng: np.random.Generator) -> Tensor:
    """Return what n fresh specimens would show, as `Specimens.seen` does."""
    rows = rubbers.parameters(n, rng)
    return specimens.relative(
        [torch.from_numpy(rubbers.stress(rows, m.test.mode, m.x)) for m in specimens.common]
    )


def ratios(found: Population, pairs: int = 50, drawn: int = 1000) -> dict[str, float]:
    """Return the ratio of drawn curves, that of the given ones, and that of the truth."""
    specimens, rng = found.specimens, np.random.default_rng(1000 + found.seed)
    size = len(specimens.weights)
    fresh = [true_curves(specimens, size, rng) for _ in range(2 * pairs)]
    unit = np.mean([energy_distance(a, b) for a, b in zip(fresh[::2], fresh[1::2], strict=True)])
    sets = {
        "drawn": specimens.seen(found.draw(drawn)),
        "given": specimens.seen(specimens.weights),
        "true": true_curves(specimens, drawn, rng),
    }
    return {
        name: float(np.mean([energy_distance(points, f) for f in fresh]) / unit)
        for name, points in sets.items()
    }


def main() -> None:
    """Print the ratios of several sets of given specimens."""
    found = []
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 8):
        started = time.process_time()
        one = population(20, seed)
        found.append(ratios(one))
        said = ", ".join(f"{k} {v:.3f}" for k, v in found[-1].items())
        print(
            f"seed {seed}: ratio {said}; {len(one.archetypes)} archetypes leave out "
            f"{one.left_out:.3f}, energy distance to the given {one.energy_distance:.4f}, "
            f"Wasserstein at least {one.wasserstein_bound:.4f}; "
            f"{time.process_time() - started:.0f} s",
            flush=True,
        )
    for name in found[0]:
        values = [f[name] for f in found]
        print(
            f"{name}: mean {np.mean(values):.3f}, between {min(values):.3f} and {max(values):.3f}"
        )


if __name__ == "__main__":
    main()
