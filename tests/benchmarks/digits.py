"""Certified, attacked and clean accuracy on the 8 x 8 digits; prints the table of several seeds.

Run: ``python -m tests.benchmarks.digits [seeds]``. The data ship inside scikit-learn (UCI, Optical
Recognition of Handwritten Digits, 1,797 images, pixels scaled to [0, 1]); a quarter is held out, in
equal shares of the digits. Width, depth, sharpness and radius were chosen on a fifth of the rest.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from lipmat.spectral.margins import (
    attacked_accuracy,
    certified_accuracy,
    classifier,
    train_classifier,
)

RADII = (0.25, 0.5)
HELD_OUT = 0.25


def digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return images (n, 64) and digits (n,) to train on, and those held out."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x / 16.0, y, test_size=HELD_OUT, stratify=y, random_state=0)
    seen, held, seen_digits, held_digits = map(torch.from_numpy, parts)
    return (seen, seen_digits), (held, held_digits)


@dataclass(frozen=True)
class Accuracies:
    """Of held-out images; those under changes of pixels by radius."""

    clean: float
    certified: dict[float, float]
    attacked: dict[float, float]


def accuracies(
    seed: int, width: int = 128, hidden: int = 4, steps: int = 1200, attack: int = 30
) -> Accuracies:
    """Train with one seed; return clean, certified and attacked accuracy of held-out images."""
    (x, y), held = digits()
    generator = torch.Generator().manual_seed(seed)
    network = classifier(64, 10, width, hidden, generator)
    train_classifier(network, x, y, steps, generator=generator)
    return Accuracies(
        certified_accuracy(network, *held),
        {r: certified_accuracy(network, *held, r) for r in RADII},
        {r: attacked_accuracy(network, *held, r, attack, generator=generator) for r in RADII},
    )


def main(seeds: int) -> None:
    """Print the table."""
    print("seed  clean   " + "   ".join(f"certified, attacked at {r}" for r in RADII) + "   CPU")
    for seed in range(seeds):
        start = time.process_time()
        found = accuracies(seed)
        pairs = [f"{found.certified[r]:.4f}, {found.attacked[r]:.4f}            " for r in RADII]
        spent = time.process_time() - start
        print(f"{seed:4}  {found.clean:.4f}  {'  '.join(pairs)} {spent:.0f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
