"""What tests say of a law that is a sum of unknown weights times fixed laws.

A prediction at known stretches is linear in the unknowns. With free faces it is not, for their
stretches change with the law; it is then linearised, with the implicit derivative of the stretches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lipmat.experiments.modes import (
    Measurement,
    Response,
    predict_at,
    solve_lateral,
    with_lateral,
    with_rate,
)


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Predictions ``columns @ x + offset`` for a test.

    Attributes:
        measured: What the test measured, shape (n,) [Pa].
        columns: Shape (n, u).
        offset: Shape (n,).
    """

    measured: Tensor
    columns: Tensor
    offset: Tensor

    def at(self, x: Tensor) -> Tensor:
        """Return the prediction with unknowns x, shape (n,)."""
        return self.columns @ x + self.offset


Units = Callable[[Tensor], Sequence[Response]]
"""Maps states (n, 3) to the law without unknowns and then that of each one, known there only."""


def linear_model(m: Measurement, units: Units) -> LinearModel:
    """Return the predictions for a test whose stretches are known."""
    return LinearModel(m.measured, *_columns(m, m.stretches, units(m.stretches)))


def linearised_model(m: Measurement, units: Units, law: Response, x: Tensor) -> LinearModel:
    """Return the predictions for a test with free faces, linearised at a law.

    Args:
        m: The test.
        units: The laws of the unknowns.
        law: Their sum.
        x: The unknowns of that sum, shape (u,).
    """
    mode, start = m.test.mode, m.stretches
    strain = solve_lateral(mode, start, law)
    stretches = with_lateral(mode, start, strain)
    laws = units(stretches)
    columns, _ = _columns(m, stretches, laws)
    first, *rest = (one.nominal(stretches)[:, 2] for one in laws)
    traction = torch.stack(rest, 1) - first.unsqueeze(1)
    model, rate = with_rate(lambda e: predict_at(m, with_lateral(mode, start, e), law), strain)
    _, across = with_rate(lambda e: law.nominal(with_lateral(mode, start, e))[:, 2], strain)
    times = len(model) // len(strain)
    moved = traction / across.unsqueeze(1)
    columns = columns - rate.unsqueeze(1) * moved.repeat(times, 1)
    return LinearModel(m.measured, columns, model - columns @ x)


def _columns(m: Measurement, stretches: Tensor, laws: Sequence[Response]) -> tuple[Tensor, Tensor]:
    """Return columns (n, u) and offset (n,): what each law alone adds to that without unknowns."""
    first, *rest = (predict_at(m, stretches, law) for law in laws)
    return torch.stack(rest, 1) - first.unsqueeze(1), first
