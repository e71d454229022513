r"""A sharper bound of a dense network: the semidefinite rule, found by descent, proved by Cholesky.

Between two inputs of ``W_L phi(W_(L-1) ... phi(W_1 x))``, with slopes of phi in [0, 1], the
differences ``d_i`` of the layers hold ``d_i^T T_i (W_i d_(i-1) - d_i) >= 0`` for every diagonal
``T_i >= 0``. Hence the gain is at most ``sqrt(r)`` if (LipSDP: Fazlyab et al., NeurIPS 2019)

    r |d_0|^2 - |W_L d_(L-1)|^2 - 2 sum_i d_i^T T_i (W_i d_(i-1) - d_i) >= 0   for all d.

Every choice of T is a proof. Eliminated from the last layer on, with ``N_(L-1) = W_L^T W_L``,

    N_(i-1) = W_i^T T_i (2 T_i - N_i)^(-1) T_i W_i,        r = lambda_max(N_0),

where ``T_i = |N_i| 1`` gives the product of the norms or less. A descent over the T_i starts there,
so that no solver of cone programs is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from lipmat.spectral.loewner import is_below

_STEPS, _RATE = 300, 0.05
_GROWTH = 1e-9  # relative, of r where the proof fails by rounding
_TRIALS = 20
_DIVISION = 1e-13  # per layer: what the rounding of W / |W| can add to the gain


def semidefinite_bound(weights: Sequence[Tensor], steps: int = _STEPS) -> float:
    """Return a bound of the gain of a dense network whose activations have slopes in [0, 1].

    Args:
        weights: ``W_1 ... W_L``, at least two, each of shape (outputs, inputs).
        steps: Of the descent; the result is a bound after any number.

    Raises:
        ValueError: There are fewer than two matrices, or no proof was found within rounding.
    """
    if len(weights) < 2:
        raise ValueError(f"semidefinite bound: found {len(weights)} layers, expected 2 or more")
    layers = [w.detach().to(torch.float64) for w in weights]
    sizes = [torch.linalg.matrix_norm(w, 2).clamp_min(1e-300) for w in layers]
    unit = [w / size for w, size in zip(layers, sizes, strict=True)]
    square, multipliers = _descend(unit, steps)
    scale = float(torch.stack(sizes).prod())
    root = sqrt(_proved(unit, multipliers, square))
    return (root + _DIVISION * len(unit)) * scale


def _descend(weights: list[Tensor], steps: int) -> tuple[float, list[Tensor]]:
    """Return the smallest r found and its multipliers."""
    shares = [torch.zeros(len(w) + 1, dtype=torch.float64) for w in weights[:-1]]
    for share in shares:
        share.requires_grad_()
    optimiser = torch.optim.Adam(shares, lr=_RATE)
    best, found = float("inf"), []
    for _ in range(steps + 1):
        square, multipliers = _eliminate(weights, shares)
        if square.item() < best:
            best, found = square.item(), [t.detach() for t in multipliers]
        optimiser.zero_grad()
        square.log().backward()
        optimiser.step()
    return best, found


def _eliminate(weights: list[Tensor], shares: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Return r and the multipliers (from the first layer on) of free parameters.

    ``T = s |D^(-1/2) N D^(-1/2)| D`` with a diagonal ``D > 0`` and ``s > 1/2``, all but one of the
    parameters being the logarithm of D: admissible always.
    """
    cost, multipliers = weights[-1].T @ weights[-1], []
    for w, share in zip(weights[-2::-1], shares[::-1], strict=True):
        root, scale = torch.exp(-0.5 * share[1:]), 0.5 + 0.5 * torch.exp(share[0])
        t = scale * _largest(root[:, None] * cost * root) * torch.exp(share[1:])
        multipliers.append(t)
        image = t[:, None] * w
        cost = image.T @ torch.linalg.solve(2.0 * torch.diag(t) - cost, image)
        cost = 0.5 * (cost + cost.T)
    return _largest(cost), multipliers[::-1]


def _largest(matrix: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(matrix)[-1].clamp_min(1e-30)


def _proved(weights: list[Tensor], multipliers: list[Tensor], square: float) -> float:
    """Return the smallest tried r >= square for which the matrix is proved semidefinite."""
    growth = _GROWTH
    for _ in range(_TRIALS):
        r = square * (1.0 + growth)
        if _holds(weights, multipliers, r):
            return r
        growth *= 2.0
    raise ValueError("semidefinite bound: no proof within rounding; take the product of norms")


def _holds(weights: list[Tensor], multipliers: list[Tensor], r: float) -> bool:
    widths = [weights[0].shape[1], *(len(w) for w in weights[:-1])]
    ends = np.cumsum([0, *widths])
    upper, lower = np.zeros((2, ends[-1], ends[-1]))
    upper[: ends[1], : ends[1]] = r * np.eye(widths[0])
    for i, (w, t) in enumerate(zip(weights, multipliers, strict=False), 1):
        here, before = slice(ends[i], ends[i + 1]), slice(ends[i - 1], ends[i])
        upper[here, here] = np.diag(2.0 * t.numpy())
        lower[here, before] = t.numpy()[:, None] * w.numpy()
        lower[before, here] = lower[here, before].T
    last = weights[-1].numpy()
    lower[ends[-2] :, ends[-2] :] += last.T @ last
    return is_below(lower, upper)
