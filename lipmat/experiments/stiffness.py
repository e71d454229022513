"""The regulariser: how stiff a law is over its declared stretch domain.

Of all laws that fit the data, the least stiff is wanted: it extrapolates calmly and allows the
largest step. Stiffness is measured along the uniaxial, equibiaxial and planar paths, in tension
and so, for an incompressible body, in compression too, as far as the declared domain reaches:
the largest eigenvalue of the Hessian in the stretches (by power iteration; the pressure that
frees the third face is taken along, and only volume-preserving directions count) and the shear
eigenvalues of the three pairs.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from lipmat.materials.stretches import PAIRS, pair_quotients

PATH_POINTS = 60


def path_end(path: str, invariant: float) -> float:
    """Return the stretch at which a path reaches the first invariant ``sum l_i^2``."""

    def excess(stretch: float) -> float:
        s = torch.tensor([stretch], dtype=torch.float64)
        return float((_path(path, s) ** 2).sum()) - invariant

    return float(brentq(excess, 1.0, np.sqrt(invariant) + 1.0))


def domain_paths(invariant: float) -> Tensor:
    """Return incompressible states (n, 3) along the three paths up to an equal first invariant."""
    states = []
    for path in ("uniaxial", "equibiaxial", "planar"):
        end = path_end(path, invariant)
        stretch = torch.logspace(0, float(np.log10(end)), PATH_POINTS, dtype=torch.float64)
        states.append(_path(path, stretch))
    return torch.cat(states)


def _path(path: str, s: Tensor) -> Tensor:
    rows = {
        "uniaxial": (s, s.rsqrt(), s.rsqrt()),
        "equibiaxial": (s, s, s**-2),
        "planar": (s, torch.ones_like(s), 1 / s),
    }
    return torch.stack(rows[path], 1)


def incompressible_tangent(
    stretches: Tensor,
    forces: Tensor,
    hessian: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the tangent of an incompressible body whose third face is free of traction.

    Args:
        stretches: States (n, 3) with product one.
        forces: dW/d lambda (n, 3) [Pa].
        hessian: Its derivative (n, 3, 3) [Pa].

    Returns:
        The Hessian projected on volume-preserving directions (n, 3, 3), and the difference and
        sum quotients of the three pairs (n, 6) [Pa].
    """
    pressure = forces[:, 2] * stretches[:, 2]
    rows = [[hessian[:, i, j] for j in range(3)] for i in range(3)]
    for i, j in PAIRS:
        rows[i][j] = rows[j][i] = rows[i][j] - pressure * stretches[:, 3 - i - j]
    total = torch.stack([torch.stack(r, 1) for r in rows], 1)
    normal = torch.nn.functional.normalize(1 / stretches, dim=1)
    keep = torch.eye(3, dtype=stretches.dtype) - normal.unsqueeze(2) * normal.unsqueeze(1)
    return keep @ total @ keep, _pairs(stretches, forces, hessian, pressure)


def _pairs(stretches: Tensor, forces: Tensor, hessian: Tensor, pressure: Tensor) -> Tensor:
    """Return the quotients of the pairs with the share of the pressure."""
    differences, sums = pair_quotients(stretches, forces, hessian)
    areas = torch.stack([stretches[:, i] * stretches[:, j] for i, j in PAIRS], 1)
    share = pressure.unsqueeze(1) / areas
    return torch.cat([differences + share, sums - share], 1)
