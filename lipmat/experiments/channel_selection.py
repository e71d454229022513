"""Which recorded conditions matter: an L1 path proposes, tests held out decide.

Along a path of penalties the gate ignores more and more channels. Of the sets on the path the
smallest is taken whose error on tests held out is about the best, and then each of its channels
must show that the error grows without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lipmat.spectral.condition_gate import ConditionGate
from lipmat.spectral.gate_training import GateData, GateStack

Array = NDArray[np.float64]
Support = tuple[int, ...]
Progress = Callable[[str], None]
PENALTIES = tuple(np.geomspace(1e-3, 0.3, 9).tolist())
"""Of the L1 norm, against an error that is 1 with the best constant gates."""
LEAST_PENALTY = 1e-4  # of a gate whose channels are chosen
PATH_STEPS, FOLD_STEPS, LAST_STEPS = 600, 300, 500
FOLDS = 5
WORTH = 1.25
"""A channel is kept if without it the squared error on tests held out is so many times as large."""


@dataclass(frozen=True, eq=False)
class Selection:
    """What was found.

    Attributes:
        kept: Numbers of the channels that matter.
        held_out: Squared error on tests held out with them, over that of constant gates.
        without: The same without each of them, in their order.
        everything: The same with all channels.
        path: The set of channels at each penalty.
    """

    kept: Support
    held_out: float
    without: tuple[float, ...]
    everything: float
    path: tuple[Support, ...]


def select_channels(data: GateData, groups: Sequence[int], varied: Support, seed: int) -> Selection:
    """Return which channels matter.

    Args:
        data: What gates are to meet; the error of the best constant gates is 1.
        groups: Number of the conditions of each datum: those with the same are held out together.
        varied: Channels that differ between the data.
        seed: Of folds and weights.
    """
    if not varied:
        return Selection((), 1.0, (), 1.0, ())
    path = _path(data, varied, seed)
    candidates = sorted({(), varied, *path}, key=len)
    held_out = _held_out(data, groups, candidates, seed)
    best = min(held_out.values())
    kept = next(s for s in candidates if held_out[s] <= WORTH * best)
    everything = held_out[varied]
    while kept:
        fewer = [tuple(j for j in kept if j != out) for out in kept]
        held_out |= _held_out(data, groups, fewer, seed)
        least = min(fewer, key=lambda s: held_out[s])
        if held_out[least] > WORTH * held_out[kept]:
            break
        kept = least
    without = tuple(held_out[tuple(j for j in kept if j != out)] for out in kept)
    return Selection(kept, held_out[kept], without, everything, path)


def trained_gate(data: GateData, kept: Support, seed: int) -> ConditionGate:
    """Return the gate of the chosen channels, trained on all data."""
    chosen = _open([kept], data)
    rows = torch.ones(1, len(data.inputs), dtype=torch.float64)
    stack = GateStack(data, chosen, rows, torch.tensor([0.0], dtype=torch.float64), seed)
    stack.train(LAST_STEPS)
    return stack.gate(0)


def _path(data: GateData, varied: Support, seed: int) -> tuple[Support, ...]:
    penalties = torch.tensor(PENALTIES, dtype=torch.float64)
    rows = torch.ones(len(penalties), len(data.inputs), dtype=torch.float64)
    stack = GateStack(data, _open([varied] * len(penalties), data), rows, penalties, seed)
    stack.train(PATH_STEPS)
    return tuple(tuple(row.nonzero().flatten().tolist()) for row in stack.support())


def _held_out(
    data: GateData, groups: Sequence[int], supports: Sequence[Support], seed: int
) -> dict[Support, float]:
    """Return the squared error on tests held out of each set of channels."""
    folds = _folds(groups, seed)
    number = int(folds.max()) + 1
    rows = torch.stack([(folds != k).double() for k in range(number)])
    chosen = _open(supports, data).repeat_interleave(number, 0)
    penalty = torch.full((len(chosen),), LEAST_PENALTY, dtype=torch.float64)
    stack = GateStack(data, chosen, rows.repeat(len(supports), 1), penalty, seed)
    stack.train(FOLD_STEPS)
    outside = (1.0 - stack.rows) * data.errors(stack())
    sums = outside.reshape(len(supports), -1).sum(1)
    return dict(zip(supports, sums.tolist(), strict=True))


def _folds(groups: Sequence[int], seed: int) -> torch.Tensor:
    names = np.unique(np.asarray(groups))
    fold = np.random.default_rng(seed).permutation(len(names)) % min(FOLDS, len(names))
    return torch.from_numpy(fold[np.searchsorted(names, np.asarray(groups))])


def _open(supports: Sequence[Support], data: GateData) -> torch.Tensor:
    out = torch.zeros(len(supports), data.inputs.shape[1], dtype=torch.float64)
    for row, support in zip(out, supports, strict=True):
        row[list(support)] = 1.0
    return out
