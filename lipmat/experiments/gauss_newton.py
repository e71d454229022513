"""Gauss–Newton with bounded unknowns; each step is a bounded linear least-squares problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from torch import Tensor

Array = NDArray[np.float64]


def minimise(
    linearised: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    iterations: int,
    tolerance: float = 1e-8,
    lower: Array | float = 0.0,
    damping: float = 0.0,
) -> Iterator[tuple[Tensor, float]]:
    """Minimise ``|r(x)|^2`` over ``x >= lower``; yield each accepted iterate and its cost.

    The residual r may change between iterations (warm-started power iteration does). Steps that
    raise the cost are shortened by Levenberg's damping (Nocedal & Wright 2006, chapter 10).

    Args:
        linearised: Maps unknowns (n,) to residuals (m,) and their derivative (m, n).
        start: Unknowns within the bounds, shape (n,).
        iterations: Steps at most.
        tolerance: Relative decrease at which to stop.
        lower: Least unknowns, (n,) or one for all; minus infinity: none.
        damping: Of the first step.
    """
    x, least = start, np.broadcast_to(lower, start.shape)
    for _ in range(iterations):
        r, j = (t.numpy() for t in linearised(x))
        cost = float(r @ r)
        candidate = _step(x.numpy(), r, j, damping, least)
        new, _ = linearised(torch.from_numpy(candidate))
        reached = float(new @ new)
        if not reached <= cost:
            damping = max(10.0 * damping, 1e-6)
            if damping > 1e6:
                return
            continue
        x, damping = torch.from_numpy(candidate), 0.1 * damping
        yield x, reached
        if cost - reached <= tolerance * cost:
            return


def _step(x: Array, r: Array, j: Array, damping: float, lower: Array) -> Array:
    """Solve for the next iterate; unknowns are scaled by their columns."""
    scale = np.linalg.norm(j, axis=0)
    scale[scale == 0] = 1.0
    a, b = j / scale, j @ x - r
    if damping > 0:
        a = np.vstack([a, np.sqrt(damping) * np.eye(len(x))])
        b = np.concatenate([b, np.sqrt(damping) * scale * x])
    solution = lsq_linear(a, b, bounds=(scale * lower, np.inf), tol=1e-12, max_iter=500)
    return np.asarray(np.maximum(solution.x / scale, lower), dtype=np.float64)
