"""What specimens under other conditions have in common: a base law and a few modes of it.

The weights of a test's law are ``x_0 + sum_k G_k x_k`` with non-negative x and a number G_k in
[0, 1] for each test and mode. Both are found in turn, each by linear least squares; conditions play
no part here. What a test then says of its gates is a small quadratic form, exact for given modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from lipmat.experiments.linear_model import LinearModel

Array = NDArray[np.float64]
ROUNDS = 8
BASE = 0.2  # share of the mean law that the base has at first
INSIDE = (0.03, 0.97)  # where gates are kept while modes are found
HIGHEST = 0.8  # gate of the test that has most of a mode: beyond the tests there is room
PRIOR = 1e-2  # weight of the gate 1/2 against a test, relative to the test's stress


@dataclass(frozen=True, eq=False)
class Observation:
    """A test as linear equations ``columns @ x = values``, its stresses of relative size one.

    Attributes:
        columns: Shape (n, u).
        values: Shape (n,).
    """

    columns: Array
    values: Array


@dataclass(frozen=True, eq=False)
class Modes:
    """Weights of a base law and of its modes.

    Attributes:
        base: Shape (u,), not negative.
        modes: Shape (k, u), not negative.
    """

    base: Array
    modes: Array


def observation(model: LinearModel, scale: float) -> Observation:
    """Return a test's equations, with the mean square of its stresses scaled to one."""
    measured = model.measured.numpy() / scale
    size = float(np.linalg.norm(measured))
    values = (measured - model.offset.numpy()) / size
    return Observation(model.columns.numpy() / size, values)


def find_modes(tests: Sequence[Observation], mean: Array, shares: Array, regular: Array) -> Modes:
    """Return the modes of tests, found in turn with the tests' own gates.

    Args:
        tests: The tests.
        mean: Weights that meet all tests in the mean, shape (u,).
        shares: What part of the mean each mode has at first, shape (k, u), with the sum 1.
        regular: Rows that penalise weights, shape (r, u).
    """
    modes = Modes(BASE * mean, 2.0 * (1.0 - BASE) * shares * mean)
    for _ in range(ROUNDS):
        gates = np.clip(gate_data(tests, modes)[0], *INSIDE)
        modes = modes_at(tests, gates, regular)
    top = np.clip(gate_data(tests, modes)[0], *INSIDE).max(0)
    return Modes(modes.base, modes.modes * (top / HIGHEST)[:, None])


def modes_at(tests: Sequence[Observation], gates: Array, regular: Array) -> Modes:
    """Return the best modes at given gates (n, k): non-negative least squares."""
    number, count = gates.shape
    factors = np.hstack([np.ones((number, 1)), gates])
    data = [np.kron(f, t.columns) for f, t in zip(factors, tests, strict=True)]
    weight = np.sqrt(number)
    rows = np.vstack([*data, weight * np.kron(np.eye(count + 1), regular)])
    right = np.concatenate([*(t.values for t in tests), np.zeros(len(rows) - _points(tests))])
    triangle = np.linalg.qr(np.hstack([rows, right[:, None]]), mode="r")
    found, _ = nnls(triangle[:, :-1], triangle[:, -1], maxiter=50 * rows.shape[1])
    base, *others = found.reshape(count + 1, -1)
    return Modes(base, np.array(others))


def gate_data(tests: Sequence[Observation], modes: Modes) -> tuple[Array, Array]:
    """Return what each test says of its gates: the best ones, and the cost of any others.

    Returns:
        Gates G (n, k) and roots R (n, k, k): gates g raise the squared error by ``|R (g - G)|^2``.
    """
    count = len(modes.modes)
    prior = PRIOR * np.eye(count)
    targets, roots = [], []
    for test in tests:
        rows = np.vstack([test.columns @ modes.modes.T, prior])
        rest = np.concatenate([test.values - test.columns @ modes.base, prior.sum(1) / 2.0])
        q, r = np.linalg.qr(rows)
        targets.append(np.linalg.solve(r, q.T @ rest))
        roots.append(r)
    return np.array(targets), np.array(roots)


def _points(tests: Sequence[Observation]) -> int:
    return sum(len(test.values) for test in tests)
