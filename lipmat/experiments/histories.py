"""Tests as histories: the strain of each row, the time that leads to it, what is measured of it.

A test begins at rest at time 0, or at its first row if its time is negative. Between two rows the
strain of the law (engineering or logarithmic) and the time go in a straight line. Rows at the same
time are a jump, at which nothing flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.errors import InputError
from lipmat.experiments.dataset import Test
from lipmat.experiments.strain_tests import (
    Kinematics,
    loaded_axes,
    measures,
    prescribed,
    shear_strain,
    strain_of,
    tensor_columns,
)

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class History:
    """A test as a history; what it measures is ``factors * (probes @ stress of the law)``.

    Attributes:
        test: The test.
        strain: Principal strains (n, 3), or Mandel strains (n, 6) of mode ``tensor`` [-].
        steps: Time from the row before, or from rest, to each row, (n,) [s].
        probes: Directions of stress that are measured, (c, 3) or (c, 6) [-].
        factors: From the law's stress to that of the columns, (c, n) [-].
    """

    test: Test
    strain: Array
    steps: Array
    probes: Array
    factors: Array

    @property
    def deviator(self) -> Array:
        """Deviators of the strain, of its shape."""
        out = self.strain.copy()
        out[:, :3] -= out[:, :3].mean(1, keepdims=True)
        return out

    def rates(self) -> Array:
        """Return the rate of the deviator on the way to each row, 0 where no time passes (n,)."""
        moves = np.linalg.norm(np.diff(self.deviator, axis=0, prepend=0.0), axis=1)
        return np.divide(moves, self.steps, out=np.zeros_like(moves), where=self.steps > 0)

    def values(self, stress: Array) -> Array:
        """Return what is measured of stresses (n, 3 or 6), (c, n) [Pa]."""
        return np.asarray(self.factors * (self.probes @ stress.T))

    def ordered(self, values: Array) -> Array:
        """Return values (c, n) as reports order them: columns end to end, tensors row by row."""
        return np.asarray(values.T.ravel() if self.test.mode == "tensor" else values.ravel())


def history_of(test: Test, kinematics: Kinematics, strain: Array | None = None) -> History:
    """Return a test as a history.

    Args:
        test: The test.
        kinematics: ``small`` or ``log``.
        strain: Principal strains (n, 3) of a tension test with free faces, where they are known;
            else its volume is taken to stay.

    Raises:
        InputError: There is no column ``time``, no time passes, or the axes of stretch turn.
    """
    check_axes(test, kinematics)
    steps = steps_of(test)
    if test.mode == "simple_shear":
        return _shear(test, kinematics, steps)
    if test.mode == "tensor":
        found = tensor_columns(test, "strain")
        return History(test, found, steps, np.eye(6), np.ones((6, len(found))))
    if test.mode == "volumetric":
        ratio = test.columns["volume_ratio"]
        found = np.repeat(strain_of(np.cbrt(ratio), kinematics)[:, None], 3, axis=1)
        factor = -1.0 / (ratio if kinematics == "log" else np.ones_like(ratio))
        return History(test, found, steps, np.full((1, 3), 1.0 / 3.0), factor[None])
    return _tension(test, kinematics, steps, strain)


def check_axes(test: Test, kinematics: Kinematics) -> None:
    """Refuse tests whose axes of stretch turn, in logarithmic strain.

    Raises:
        InputError: They do.
    """
    if kinematics == "log" and test.mode in ("simple_shear", "tensor"):
        raise InputError(
            f"{test.path}: the axes of stretch turn in mode {test.mode!r}, expected tests whose "
            "axes stay for a law with memory in logarithmic strain, or kinematics 'small'"
        )


def steps_of(test: Test) -> Array:
    """Return the time from the row before, or from rest, to each row, (n,) [s].

    Raises:
        InputError: There is no column ``time``, or no time passes.
    """
    if "time" not in test.columns:
        raise InputError(
            f"{test.path}: missing column 'time', which a law with memory needs; of a quasi-static "
            "test any time serves that grows with its path"
        )
    time = test.columns["time"]
    if not time[-1] > min(0.0, float(time[0])):
        raise InputError(
            f"{test.path}: column 'time': found {time[0]:g} s at the first row and {time[-1]:g} s "
            "at the last, expected time that passes"
        )
    return np.asarray(np.diff(time, prepend=min(0.0, float(time[0]))))


def _tension(test: Test, kinematics: Kinematics, steps: Array, strain: Array | None) -> History:
    found, lateral = prescribed(test, kinematics)
    found = found if strain is None else strain
    axes = loaded_axes(test)
    axes = axes if test.mode == "biaxial" else axes[:1]
    probes = np.eye(3)[[axis for axis, _ in axes]]
    if test.lateral != "measured":  # free of traction
        probes = probes - lateral / lateral.sum()
    factors = np.stack([measures(found, axis, name, kinematics) for axis, name in axes])
    return History(test, found, steps, probes, factors)


def _shear(test: Test, kinematics: Kinematics, steps: Array) -> History:
    half, rate = shear_strain(test, kinematics)
    axes = np.array([[1.0, -1.0, 0.0]])
    return History(test, half[:, None] * axes, steps, axes, rate[None])


@dataclass(frozen=True, eq=False)
class Batch:
    """Histories side by side, each row reached in equal substeps; shorter ones rest at their end.

    Attributes:
        deviator: (substeps, tests, d) [-].
        step: (substeps, tests) [s].
        substeps: Of each row.
    """

    deviator: Tensor
    step: Tensor
    substeps: int


def batch_of(histories: Sequence[History], substeps: int) -> Batch:
    """Return histories of tests side by side; principal strains become Mandel where some are."""
    d = max(h.strain.shape[1] for h in histories)
    rows = max(len(h.steps) for h in histories)
    deviator = np.zeros((rows * substeps, len(histories), d))
    step = np.zeros((rows * substeps, len(histories)))
    share = np.arange(1, substeps + 1)[:, None] / substeps
    for i, h in enumerate(histories):
        n, k = len(h.steps) * substeps, h.strain.shape[1]
        ends = h.deviator
        moves = np.diff(ends, axis=0, prepend=0.0)
        fine = (ends - moves)[:, None] + share * moves[:, None]
        deviator[:n, i, :k] = fine.reshape(n, k)
        deviator[n:, i, :k] = ends[-1]
        step[:n, i] = np.repeat(h.steps / substeps, substeps)
    return Batch(torch.from_numpy(deviator), torch.from_numpy(step), substeps)


def same_width(rows: Array, width: int) -> Array:
    """Return vectors (n, 3) as Mandel vectors (n, 6) if the width is 6."""
    out: Array = np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
    return out
