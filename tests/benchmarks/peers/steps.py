"""Steps: the exact limit of the moving body, and which steps complete the problem.

All of it from a force alone, by lipmat's: it agrees with the others' to rounding, so what it finds
of a step holds for them too.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from tests.benchmarks.peers.peer import Array, Peer
from tests.benchmarks.peers.problem import Problem

GROWTH = 1.01
"""Kinetic energy over that of the start beyond which a run has failed: it begins at its largest."""
BETWEEN = 20
"""Steps between two looks at the kinetic energy."""
USUAL = 0.9
"""Factor on edge length over wave speed that codes take (LS-DYNA's TSSFAC, for instance)."""


def exact_limit(problem: Problem, force: Callable[[Array], Array], u: Array) -> float:
    """Return 2/omega of the tangent at a displacement [s], by Lanczos on differences of forces."""
    free = np.setdiff1d(np.arange(len(u)), problem.fixed)
    scale = np.repeat(1.0 / np.sqrt(problem.mass[free]), 3)
    size = 1e-6 * float((problem.size / problem.counts).min())

    def apply(x: Array) -> Array:
        direction = np.zeros_like(u)
        direction[free] = (scale * x.ravel()).reshape(-1, 3)
        epsilon = size / np.abs(direction).max()
        change = force(u + epsilon * direction) - force(u - epsilon * direction)
        out: Array = scale * change[free].ravel() / (2 * epsilon)
        return out

    operator = LinearOperator((len(scale), len(scale)), matvec=apply, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(len(scale))
    (value,) = eigsh(operator, k=1, which="LA", v0=start, tol=1e-6, return_eigenvectors=False)
    return float(2.0 / np.sqrt(value))


def limits_along(problem: Problem, peer: Peer, step: float, places: int = 12) -> dict[str, Any]:
    """Return the exact limit at the start and the smallest of several along a run [s]."""
    state = (np.zeros_like(problem.velocity), problem.velocity)
    found = [exact_limit(problem, peer.force, state[0])]
    each = ceil(problem.end / step / places)
    for _ in range(places):
        state = peer.march(state, step, each)
        found.append(exact_limit(problem, peer.force, state[0]))
    return {"rest": found[0], "smallest": min(found)}


def failure(problem: Problem, peer: Peer, step: float) -> str | None:
    """Return why the problem does not complete with a step [s], or None if it does."""
    state = (np.zeros_like(problem.velocity), problem.velocity)
    count, done, start = ceil(problem.end / step), 0, problem.kinetic(problem.velocity)
    with np.errstate(all="ignore"):
        while done < count:
            state = peer.march(state, step, min(BETWEEN, count - done))
            done += BETWEEN
            energy = problem.kinetic(state[1])
            if not energy <= GROWTH * start:
                return f"kinetic energy at {done * step:.3g} s is {energy / start:.3g} of the start"
    return None


def largest_completing(
    completes: Callable[[float], bool], high: float, resolution: float = 0.01
) -> float:
    """Return the largest step [s] that completes below one that does not, by bisection.

    Args:
        completes: Whether a step completes.
        high: A step that does not.
        resolution: Of the step, relative to itself.
    """
    low = 0.5 * high
    while not completes(low):
        low, high = 0.5 * low, low
    while high - low > resolution * low:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if completes(middle) else (low, middle)
    return low
