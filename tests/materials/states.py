"""States of a stretch domain to probe a law at: random ones, and the corners of the domain."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.materials.domain import StretchDomain
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.stretches import largest_tangent

Array = NDArray[np.float64]
CHUNK = 16_384


def certified(domain: StretchDomain, part: str) -> StretchDomain:
    """Return where a part is certified: the part in stretches whatever the volume ratio."""
    return domain.any_volume() if part == "distortional" else domain


def random_states(domain: StretchDomain, n: int, rng: np.random.Generator) -> Array:
    """Return n admissible stretches (n, 3): two and the volume ratio are uniform in logarithm."""
    found = np.empty((0, 3))
    while len(found) < n:
        a, b = np.exp(rng.uniform(*np.log([domain.stretch_min, domain.stretch_max]), (2, 2 * n)))
        j = np.exp(rng.uniform(*np.log([domain.volume_min, domain.volume_max]), 2 * n))
        states = np.column_stack([a, b, j / (a * b)])
        found = np.concatenate([found, states[domain.contains(states)]])
    return found[:n]


def corners(domain: StretchDomain) -> Array:
    """Return the corners (n, 3) of the admissible set, a cube cut by the limits of volume."""
    ends = (domain.stretch_min, domain.stretch_max)
    found = [*product(ends, repeat=3)]
    for a, b in product(ends, repeat=2):
        for j in (domain.volume_min * (1 + 1e-13), domain.volume_max * (1 - 1e-13)):
            c = j / (a * b)
            found += [(a, b, c), (a, c, b), (c, a, b)]
    states = np.array(found)
    j = states.prod(axis=1)
    inside = (states >= ends[0]).all(1) & (states <= ends[1]).all(1)
    inside &= (j >= domain.volume_min * (1 - 1e-12)) & (j <= domain.volume_max * (1 + 1e-12))
    return states[inside]


def largest_tangents(law: PolyconvexStretch, part: str, states: Array) -> Array:
    """Return the largest tangent eigenvalue of one part at each state, shape (n,) [Pa]."""

    def volumetric(stretches: Tensor) -> Tensor:
        return law.volumetric(stretches.prod().reshape(1))

    potential = law.distortional if part == "distortional" else volumetric
    with torch.no_grad():
        chunks = torch.from_numpy(states).split(CHUNK)
        return torch.cat([largest_tangent(potential, c) for c in chunks]).numpy()
