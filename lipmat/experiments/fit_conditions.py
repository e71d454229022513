"""Fit a polyconvex law whose weights depend on the conditions of the tests.

First the modes that the specimens have in common, whatever their conditions; then the conditions
that tell how much of each mode there is; last the two in turn, so that they suit each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.errors import InputError
from lipmat.experiments.channel_selection import Selection, select_channels, trained_gate
from lipmat.experiments.condition_modes import (
    Modes,
    Observation,
    find_modes,
    gate_data,
    modes_at,
    observation,
)
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.problem import ASSUMED_BULK_RATIO, SMALLEST_BULK, Problem
from lipmat.materials.conditioned import ConditionedStretch
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.spectral.condition_gate import ConditionGate
from lipmat.spectral.gate_training import GateData

Array = NDArray[np.float64]
FEWEST = 4
"""Distinct conditions from which a law can be learned."""
TURNS = 2


def refuse_conditions(data: Dataset, law: str) -> None:
    """Refuse laws that cannot depend on conditions, and data that cannot tell how.

    Raises:
        InputError: The dataset has conditions, and the law is another one, a test has a free face,
            or there are too few distinct conditions.
    """
    if not data.channels:
        return
    if law != PolyconvexStretch.name:
        raise InputError(
            f"{data.folder}: found [conditions] and law {law!r}, expected "
            f"{PolyconvexStretch.name!r}, the one law that can depend on them"
        )
    for test in data.tests:
        if test.lateral == "free" and test.mode not in ("simple_shear", "volumetric"):
            raise InputError(
                f"{test.path}: found lateral = 'free' in a dataset with [conditions], expected "
                "'incompressible' or 'measured'"
            )
    found = len(set(_groups(data)))
    if found < FEWEST:
        raise InputError(
            f"{data.folder}: found {found} distinct conditions in the tests to fit, expected "
            f"{FEWEST} or more to learn from"
        )


def fit_conditions(
    data: Dataset, problem: Problem, mean: Tensor, seed: int
) -> tuple[PolyconvexStretch | ConditionedStretch, dict[str, Any]]:
    """Return a law of the conditions and what its provenance says of them.

    Where no condition matters it is the plain law.

    Args:
        data: The tests to fit.
        problem: Their least-squares problem without conditions.
        mean: Its solution.
        seed: Of folds and weights.
    """
    tests = [observation(model, problem.scale) for model in problem.columns()]
    regular = np.linalg.qr(problem.regularisation().numpy(), mode="r")
    modes = find_modes(tests, mean.numpy(), _shares(problem), regular)
    inputs = _inputs(data)
    varied = tuple(int(j) for j in np.flatnonzero(np.ptp(inputs, axis=0) > 0))
    selection = select_channels(_gate_data(tests, modes, inputs), _groups(data), varied, seed)
    if not selection.kept:
        return problem.law(mean), _findings(data, selection, {})
    kept = list(selection.kept)
    for _ in range(TURNS):
        gate = trained_gate(_gate_data(tests, modes, inputs), selection.kept, seed)
        modes = modes_at(tests, _gates(gate, inputs[:, kept]), regular)
    influence = _influence(tests, modes, gate, inputs[:, kept])
    names = [data.channels[j].name for j in kept]
    law = _law(data, problem, modes, gate, tuple(names))
    return law, _findings(data, selection, dict(zip(names, influence, strict=True)))


def _inputs(data: Dataset) -> Array:
    """Return the conditions of the tests in their ranges, from -1 to 1, shape (tests, channels)."""
    return np.array(
        [[c.normalised(test.conditions[c.name]) for c in data.channels] for test in data.tests]
    )


def _groups(data: Dataset) -> list[int]:
    """Return for each test the number of its conditions."""
    found = [tuple(t.conditions[c.name] for c in data.channels) for t in data.tests]
    numbers = {conditions: i for i, conditions in enumerate(dict.fromkeys(found))}
    return [numbers[conditions] for conditions in found]


def _shares(problem: Problem) -> Array:
    """Return how two modes first share the weights: small stretches and large ones."""
    parts = []
    for knots in (problem.stretch_knots.numpy(), problem.area_knots.numpy()):
        parts += [np.zeros(1), np.clip((knots - 1.0) / (knots[-1] - 1.0), 0.0, 1.0)]
    large = np.concatenate([*parts, [0.5] * problem.fits_bulk])
    return np.array([1.0 - large, large])


def _gate_data(tests: list[Observation], modes: Modes, inputs: Array) -> GateData:
    """Return what the tests say of the gates; the error of the best constant gates is 1."""
    targets, roots = gate_data(tests, modes)
    rows = roots.reshape(-1, roots.shape[-1])
    right = np.einsum("nij,nj->ni", roots, targets).ravel()
    constant = np.linalg.lstsq(rows, right)[0]
    size = max(float(np.linalg.norm(rows @ constant - right)), 1e-12)
    return GateData(*map(torch.from_numpy, (inputs, targets, roots / size)))


def _gates(gate: ConditionGate, inputs: Array) -> Array:
    out: Array = gate(torch.from_numpy(inputs)).numpy()
    return out


def _influence(
    tests: list[Observation], modes: Modes, gate: ConditionGate, inputs: Array
) -> list[float]:
    """Return how much the stress changes where a channel is put to its mean, relative, rms."""
    there, found = _gates(gate, inputs), []
    for j in range(inputs.shape[1]):
        without = inputs.copy()
        without[:, j] = inputs[:, j].mean()
        change = (_gates(gate, without) - there) @ modes.modes
        squares = [np.sum((t.columns @ x) ** 2) for t, x in zip(tests, change, strict=True)]
        found.append(float(np.sqrt(np.mean(squares))))
    return found


def _law(
    data: Dataset, problem: Problem, modes: Modes, gate: ConditionGate, kept: tuple[str, ...]
) -> ConditionedStretch:
    rows = [torch.from_numpy(row) for row in (modes.base, *modes.modes)]
    laws = [problem.with_bulk(row, problem.scale) for row in rows]
    arrays: dict[str, Any] = {
        name: torch.stack([getattr(law, name) for law in laws])
        for name in PolyconvexStretch.array_names
    }
    for name in ("stretch_knots", "area_knots"):
        arrays[name] = getattr(laws[0], name)
    arrays["bulk_modulus"] = _bulk_moduli(problem, rows, laws)
    arrays |= {name: getattr(gate, name) for name in ConditionGate.array_names}
    return ConditionedStretch(arrays, data.channels, kept, problem.domain)


def _bulk_moduli(problem: Problem, rows: list[Tensor], laws: list[PolyconvexStretch]) -> Tensor:
    """Return the bulk modulus of each row [Pa]: given for all conditions, fitted, or assumed."""
    if problem.given_bulk is not None:
        moduli = [problem.given_bulk, *(0.0 for _ in rows[1:])]
    elif problem.fits_bulk:
        base, *others = (float(row[-1]) * problem.scale for row in rows)
        moduli = [max(base, SMALLEST_BULK * problem.scale), *others]
    else:
        moduli = [ASSUMED_BULK_RATIO * law.rest_moduli()[1] for law in laws]
    return torch.tensor(moduli, dtype=torch.float64)


def _findings(
    data: Dataset, selection: Selection, influence: Mapping[str, float]
) -> dict[str, Any]:
    """Return what was found of the channels, as JSON values.

    ``r2_held_out`` is the share of the effect of the conditions that is explained on tests held
    out: with the kept channels, with all, and for each channel without it.
    """
    without = dict(zip(selection.kept, selection.without, strict=True))
    channels = {
        channel.name: {
            "kept": j in without,
            "influence": influence.get(channel.name, 0.0),
            **({"r2_without": 1.0 - without[j]} if j in without else {}),
        }
        for j, channel in enumerate(data.channels)
    }
    return {
        "found": channels,
        "r2_held_out": 1.0 - selection.held_out,
        "r2_held_out_with_all": 1.0 - selection.everything,
    }
