"""Which of 16 recorded conditions matter: support found, loss by pruning, sampled gain over bound.

``OMP_NUM_THREADS=1 PYTHONPATH=. python -m tests.benchmarks.conditions [SEEDS]`` fits 80 synthetic
tests with 1 % and with 3 % noise for each seed and predicts 40 more under other conditions.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

import lipmat
from lipmat.experiments.dataset import Dataset
from lipmat.materials.conditioned import ConditionedStretch
from lipmat.spectral.composition import sampled_gain
from lipmat.spectral.condition_gate import ConditionGate
from tests.experiments.synthetic_rubbers import MATTER, write

TRAINED, FRESH, CHANNELS = 80, 40, 16


def f1(found: set[str], true: set[str]) -> float:
    """Return the harmonic mean of precision and recall of a support."""
    return 2.0 * len(found & true) / (len(found) + len(true))


def gain_ratio(gate: ConditionGate) -> float:
    """Return the largest sampled slope over its bound, of single inputs and of all together."""
    generator = torch.Generator().manual_seed(0)
    inputs = gate.hidden_weight.shape[1]
    c = 2.0 * torch.rand(20_000, inputs, generator=generator, dtype=torch.float64) - 1.0
    x, bounds = c.requires_grad_(), gate.gains()
    ratios = [sampled_gain(gate, c) / gate.bound()]
    for k, value in enumerate(gate(x).unbind(1)):
        (slopes,) = torch.autograd.grad(value.sum(), x, retain_graph=True)
        ratios.append(float((slopes.abs().amax(0).numpy() / bounds[k]).max()))
    return max(ratios)


def row(data: Dataset, seed: int) -> tuple[float, ...]:
    """Return the numbers of one dataset."""
    names = [t.name for t in data.tests[:TRAINED]]
    law = lipmat.fit(data, tests=names, seed=seed, bulk_modulus=50e6)
    assert isinstance(law, ConditionedStretch)
    entries = law.provenance.entries
    fresh = [t["relative"] for t in entries["tests"].values() if not t["fitted"]]
    return (
        f1(set(law.kept), set(MATTER)),
        1.0 - len(law.kept) / CHANNELS,
        entries["channels"]["r2_held_out"],
        entries["channels"]["r2_held_out_with_all"],
        float(np.sqrt(np.mean(np.square(fresh)))),
        gain_ratio(law.gate),
    )


def main() -> None:
    """Print one row for each seed and noise."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("noise seed    F1 pruned R2 kept R2 all fresh error gain/bound", flush=True)
    for noise in (0.01, 0.03):
        for seed in range(seeds):
            with TemporaryDirectory() as folder:
                data = write(Path(folder), TRAINED + FRESH, seed, noise=noise)
                found = row(data, seed)
            shown = "{:5.2f} {:6.0%} {:7.4f} {:6.4f} {:10.2%} {:10.3f}".format(*found)
            print(f"{noise:5.0%} {seed:4d} {shown}", flush=True)


if __name__ == "__main__":
    main()
