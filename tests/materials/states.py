"""States to probe a law at: of a stretch domain, its corners, and strains without a domain."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Law, Part
from lipmat.materials.mandel import to_tensor, to_vector
from lipmat.materials.stretches import largest_tangent

Array = NDArray[np.float64]
CHUNK = 16_384
LOG_POINTS = 12


def certified(domain: StretchDomain, part: str) -> StretchDomain:
    """Return where a part is certified: the volumetric one alone within a volume ratio."""
    return domain if part == "volumetric" else domain.any_volume()


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


def in_stretches(law: Law, part: Part) -> Callable[[Tensor], Tensor]:
    """Return the potential of an isotropic part as a function of the principal stretches."""
    potential = getattr(law, part.name)
    measures = {
        "stretches": lambda s: s,
        "volume_ratio": lambda s: s.prod().reshape(1),
        "principal_log_strains": torch.log,
        "log_dilatation": lambda s: s.log().sum().reshape(1),
    }
    return lambda s: potential(measures[part.measure](s))


def largest_tangents(law: Law, part: Part, stretches: Array) -> Array:
    """Return the largest eigenvalue of A of one isotropic part at each state, shape (n,) [Pa]."""
    potential = in_stretches(law, part)
    ordered = -np.sort(-stretches, axis=1)
    with torch.no_grad():
        chunks = torch.from_numpy(ordered).split(CHUNK)
        return torch.cat([largest_tangent(potential, c) for c in chunks]).numpy()


def full_tangent(law: Law, part: Part, gradient: Tensor) -> Tensor:
    """Return A = d2W/dF2 of a part in logarithmic strain at one F (3, 3), shape (9, 9) [Pa].

    By automatic differentiation through ``2H = int_0^1 (C - 1) (1 + t (C - 1))^-1 dt``.
    """
    potential = getattr(law, part.name)

    def energy(f: Tensor) -> Tensor:
        strain = log_strain(f.reshape(3, 3))
        arguments = {
            "log_strain": to_vector,
            "principal_log_strains": torch.linalg.eigvalsh,
            "log_dilatation": lambda h: torch.trace(h).reshape(1),
        }
        out: Tensor = potential(arguments[part.measure](strain))
        return out

    out: Tensor = torch.func.jacfwd(torch.func.jacrev(energy))(gradient.reshape(9))
    return 0.5 * (out + out.T)


def log_strain(f: Tensor) -> Tensor:
    """Return ``ln U`` of F (3, 3) by Gauss's rule, within 1e-12 for stretches of 0.7…1.4."""
    one = torch.eye(3, dtype=torch.float64)
    c = f.T @ f - one
    points, weights = np.polynomial.legendre.leggauss(LOG_POINTS)
    terms = [
        0.25 * w * (c @ torch.linalg.inv(one + 0.5 * (1.0 + t) * c))
        for t, w in zip(points.tolist(), weights.tolist(), strict=True)
    ]
    return torch.stack(terms).sum(0)


def turned(stretches: Array, rng: np.random.Generator) -> Tensor:
    """Return deformation gradients (n, 3, 3) with these stretches in random axes."""
    q = np.linalg.qr(rng.standard_normal((len(stretches), 3, 3)))[0]
    q[:, :, 0] *= np.linalg.det(q)[:, None]
    return torch.from_numpy((q * stretches[:, None, :]) @ q.transpose(0, 2, 1))


def strains(n: int, rng: np.random.Generator) -> Tensor:
    """Return Mandel strains (n, 6) of many sizes: 0, small, large, uniaxial, hydrostatic."""
    random = rng.standard_normal((n, 6)) * 10.0 ** rng.uniform(-4, 0, (n, 1))
    tension = np.linspace(-0.3, 0.3, 13)[:, None] * np.eye(6)[0]
    hydrostatic = np.linspace(-0.3, 0.3, 13)[:, None] * np.array([1, 1, 1, 0, 0, 0])
    return torch.from_numpy(np.concatenate([np.zeros((1, 6)), random, tension, hydrostatic]))


def principal_values(strain: Tensor) -> Tensor:
    """Return the principal values (n, 3) of Mandel vectors (n, 6)."""
    return torch.linalg.eigvalsh(to_tensor(strain))
