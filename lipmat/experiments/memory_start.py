"""Where the fit of a Maxwell body starts: the best few of many branches, one after the other.

The stress is linear in the shear moduli of branches whose flow is known and in the weights of the
equilibrium law. So from a catalogue of dashpots of many relaxation times and of yields at many
strains the branches are chosen in turn: each is the one whose addition to the non-negative least
squares problem lowers the cost most. No start has to be guessed, and nothing is random.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from lipmat.experiments.flow_curves import FlowCurves
from lipmat.experiments.histories import History

Array = NDArray[np.float64]
A_DECADE = 2  # rates of a flow curve
MOST_RATES = 28
LEAST_RATIO = 10.0  # of the fastest to the slowest rate of the data
FASTER = 100.0  # largest rate of a flow curve over the fastest of the data
TIMES, YIELDS = 24, 24
HARDENINGS = 16  # knots of the hardening
FIRST_FLOW = 1e-4  # knot of the hardening after 0, over the length of the longest path


def rates_of(histories: Sequence[History]) -> Array:
    """Return rates in equal ratios from the slowest mean of the tests on, (K,) [1/s].

    They end two decades beyond the fastest: what is left smooth there continues what the data say,
    while a flow that goes straight on is that of a dashpot. A jump counts as fast as what it leaves
    for the shortest step of its test. They span a decade at least of the data, also for tests at a
    single rate.
    """
    slow, fast = [], []
    for h in histories:
        reached = np.linalg.norm(h.deviator, axis=1)
        moved = h.rates()
        jumps = (h.steps <= 0) & (reached > 0)
        fast.append(moved.max())
        if jumps.any():
            fast.append(reached[jumps].max() / h.steps[h.steps > 0].min())
        slow.append(reached.max() / h.steps.sum())
    low = min(slow)
    high = FASTER * max(*fast, LEAST_RATIO * low)
    number = 2 + int(np.ceil(A_DECADE * np.log10(high / low) - 1e-9))
    return np.geomspace(low, high, min(number, MOST_RATES))


def catalogue(histories: Sequence[History], rates: Array) -> tuple[FlowCurves, Tensor]:
    """Return branches to choose from: dashpots, yields, and one that never flows.

    Returns:
        Their flow curves, and their unknowns (D, K + 1).
    """
    shortest = min(h.steps[h.steps > 0].min() for h in histories)
    longest = max(h.steps.sum() for h in histories)
    largest = max(np.linalg.norm(h.deviator, axis=1).max() for h in histories)
    times = np.geomspace(shortest, 10.0 * longest, TIMES)
    yields = np.append(largest * np.geomspace(1e-3, 1.0, YIELDS), 1e3 * largest)
    size = np.concatenate([times * rates[-1], yields])
    unknowns = torch.zeros(len(size), len(rates) + 1, dtype=torch.float64)
    unknowns[: len(times), -1] = 1.0
    unknowns[len(times) :, 0] = 1.0
    curves = FlowCurves(torch.from_numpy(rates), torch.zeros(1).double(), torch.from_numpy(size))
    return curves, unknowns


def hardening_knots(histories: Sequence[History]) -> Array:
    """Return knots of the flow from 0 to the length of the longest path, (M,) [-]."""
    longest = max(
        np.linalg.norm(np.diff(h.deviator, axis=0, prepend=0.0), axis=1).sum() for h in histories
    )
    later = longest * np.geomspace(FIRST_FLOW, 1.0, HARDENINGS - 1)
    return np.concatenate([[0.0], later])


def choose(known: Array, offered: Array, wanted: Array, number: int) -> tuple[list[int], Array]:
    """Return the columns that serve best beside those that are there anyway.

    Args:
        known: Columns that are always there (m, u).
        offered: Columns to choose from (m, d).
        wanted: What non-negative weights should make of the columns, (m,).
        number: How many to choose.

    Returns:
        The columns chosen, and the weights of the known and the chosen (u + number,).
    """
    every = np.column_stack([known, offered, wanted])
    triangle = np.linalg.qr(every, mode="r")
    first, target = known.shape[1], triangle[:, -1]
    chosen: list[int] = []
    weights: Array = np.zeros(first)
    for _ in range(number):
        best = np.inf
        for j in range(offered.shape[1]):
            if j in chosen:
                continue
            columns = [*range(first), *(first + k for k in (*chosen, j))]
            found, cost = nnls(triangle[:, columns], target)
            if cost < best:
                best, add, weights = cost, j, found
        chosen.append(add)
    return chosen, weights
