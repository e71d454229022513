"""How tight the bound of an adopted network is: a potential of two hidden layers of softplus.

Run it as ``python -m tests.benchmarks.adopt``. For networks of random weights, input-convex and
not, it prints how far the units are bent over the domain, the certified over the sampled largest
tangent, the boxes, and the process time of the search and of reading the file again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import process_time

import torch

from lipmat.materials.adopted_domain import AdoptedDomain
from lipmat.materials.adoption import Request, adopt
from lipmat.materials.file import load, save
from lipmat.materials.law import Measure
from tests.networks import Invariants, Scaled, dense


def measure(kind: Measure, scale: float, seed: int, convex: bool, seconds: float = 60.0) -> None:
    """Adopt one network and print a line."""
    domain = AdoptedDomain(kind, -0.02, 0.02)
    inner = dense(domain.size, width=16, seed=seed)
    if not convex:
        with torch.no_grad():
            inner[4].weight[0, ::3] *= -1.0
    network = Scaled(inner, scale) if domain.size == 6 else Invariants(inner, scale)
    with torch.no_grad():
        states = scale * domain.random(1000)
        bent = inner[0](states).abs().max() if domain.size == 6 else torch.nan
    start = process_time()
    adoption = adopt(network, Request(domain), seconds)
    searched = process_time() - start
    sampled = adoption.law.bound().rungs[0].sampled["network"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "law.safetensors"
        save(adoption.law, file)
        start = process_time()
        load(file)
        read = process_time() - start
    verdict = adoption.findings[-1].verdict
    print(
        f"{kind:18} convex weights {convex!s:5} scale {scale:3.0f} seed {seed} "
        f"pre-activations to {float(bent):.1f}: {1.0 / sampled:.3f} of sampled, "
        f"{adoption.boxes} boxes, {searched:.1f} s, read in {read:.1f} s, convexity {verdict}",
        flush=True,
    )


if __name__ == "__main__":
    for seed in range(3):
        for convex in (True, False):
            measure("principal_strains", 50.0, seed, convex)
            measure("strain", 50.0, seed, convex)
            measure("strain", 100.0, seed, convex)
