"""Fit a classical law of rubber: bounded least squares for its few coefficients.

Residuals are those of the polyconvex law's fit: relative stress errors, every test of equal weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares

from lipmat.experiments.correct import corrected
from lipmat.experiments.modes import Measurement, predict
from lipmat.experiments.problem import (
    ASSUMED_BULK_RATIO,
    declared_domain,
    largest_invariant,
    size_of,
    tells_bulk,
)
from lipmat.experiments.report import response
from lipmat.experiments.training import Progress
from lipmat.materials.carroll import Carroll
from lipmat.materials.domain import StretchDomain
from lipmat.materials.extended_tube import LARGEST_INEXTENSIBILITY, ExtendedTube

Array = NDArray[np.float64]
Classical = Carroll | ExtendedTube
CLASSICAL = (Carroll.name, ExtendedTube.name)
BEFORE_THE_POLE = 0.99  # largest share of the pole's distance that the tests may reach
LEAST = 1e-6  # of moduli over the stress scale and of beta: they are positive


@dataclass(frozen=True)
class Unknowns:
    """The coefficients of a law over its units, which are fitted between limits.

    Attributes:
        starts: Where to start from, shape (s, n).
        lower: Least values (n,).
        upper: Largest values (n,).
        moduli: How many of them, the first ones, are moduli.
        fixed: Coefficients behind them that are not fitted.
    """

    starts: Array
    lower: Array
    upper: Array
    moduli: int
    fixed: tuple[float, ...] = ()

    def coefficients(self, x: Array, scale: float) -> Array:
        """Return the coefficients of a law, in SI."""
        inside = np.clip(x[: len(self.lower)], self.lower, self.upper)
        inside[: self.moduli] *= scale
        return np.concatenate([inside, self.fixed])


def unknowns_of(law: str, invariant: float) -> Unknowns:
    """Return the unknowns of a law whose tests reach a first invariant.

    Carroll's problem is linear. The extended tube law starts from a slack and from a tight tube;
    its pole stays beyond the tests, and so its limit of I1 is at their end.
    """
    if law == Carroll.name:
        start = np.array([[0.2, 1e-6, 0.2]])
        return Unknowns(start, np.zeros(3), np.full(3, np.inf), 3)
    largest = min(LARGEST_INEXTENSIBILITY, np.sqrt(BEFORE_THE_POLE / (invariant - 3.0)))
    starts = np.array([[0.2, 0.2, beta, 0.7 * largest] for beta in (0.2, 0.8)])
    upper = np.array([np.inf, np.inf, 1.0, largest])
    return Unknowns(starts, np.array([LEAST, LEAST, 0.01, 0.0]), upper, 2, (invariant,))


def fit_classical(
    law: str,
    measurements: Sequence[Measurement],
    bulk_modulus: float | None,
    correction: bool,
    progress: Progress | None,
) -> tuple[Classical, dict[str, Any]]:
    """Return a classical law, corrected if so asked, and what its provenance says of the training.

    Raises:
        InputError: No test changes the shape of the material.
    """
    problem = _Problem(law, measurements, bulk_modulus)
    fitted = problem.solve(progress)
    stretches = torch.cat([m.stretches for m in measurements])
    said: dict[str, Any] = {
        "training_range": {
            "stretch_min": float(stretches.min()),
            "stretch_max": float(stretches.max()),
        },
        "bulk_modulus": problem.bulk_origin,
        "coefficients": dict(
            zip(fitted.coefficient_names, fitted.coefficients.tolist(), strict=True)
        ),
    }
    if not correction:
        return fitted, said
    better, found = corrected(fitted, measurements)
    return better, {**said, "correction": found}


class _Problem:
    """Relative stress errors as a function of the unknowns; the bulk modulus is the last one."""

    def __init__(
        self, law: str, measurements: Sequence[Measurement], bulk_modulus: float | None
    ) -> None:
        self.kind: type[Classical] = Carroll if law == Carroll.name else ExtendedTube
        self.measurements, self.given = measurements, bulk_modulus
        states = torch.cat([m.stretches for m in measurements])
        invariant = largest_invariant(measurements)
        self.domain: StretchDomain = declared_domain(states, invariant)
        mean_squares = torch.stack([(m.measured**2).mean() for m in measurements])
        self.scale = float(mean_squares.mean().sqrt())
        self.unknowns = unknowns_of(law, invariant)
        self.fits_bulk = bulk_modulus is None and any(tells_bulk(m) for m in measurements)

    @property
    def bulk_origin(self) -> str:
        """Where the bulk modulus comes from, in words."""
        if self.given is not None:
            return "given"
        return "fitted" if self.fits_bulk else f"assumed {ASSUMED_BULK_RATIO:g} x shear modulus"

    def solve(self, progress: Progress | None) -> Classical:
        """Return the law of least error over all starts."""
        u = self.unknowns
        lower, upper, more = u.lower, u.upper, np.zeros(0)
        if self.fits_bulk:
            lower, upper, more = np.append(lower, LEAST), np.append(upper, np.inf), np.array([10.0])
        found = []
        for n, start in enumerate(u.starts, 1):
            first = np.concatenate([start, more])
            limits: dict[str, Any] = {"bounds": (lower, upper), "x_scale": "jac"}
            found.append(least_squares(self._errors, first, **limits, ftol=1e-12, gtol=1e-12))
            if progress:
                progress(n, len(u.starts), 2.0 * float(found[-1].cost))
        return self.law(min(found, key=lambda solution: solution.cost).x)

    def law(self, x: Array) -> Classical:
        """Return the law of the unknowns, in SI."""
        if self.given is not None:
            return self._with_bulk(x, self.given)
        if self.fits_bulk:
            return self._with_bulk(x, float(x[-1]) * self.scale)
        return self._with_bulk(
            x, ASSUMED_BULK_RATIO * self._with_bulk(x, self.scale).rest_moduli()[1]
        )

    def _with_bulk(self, x: Array, bulk_modulus: float) -> Classical:
        coefficients = self.unknowns.coefficients(x, self.scale)
        return self.kind(coefficients, bulk_modulus, self.domain)

    def _errors(self, x: Array) -> Array:
        bulk = float(x[-1]) * self.scale if self.fits_bulk else self.given or self.scale
        law, errors = response(self._with_bulk(x, bulk)), []
        for m in self.measurements:
            error = (predict(m, law) - m.measured).detach().numpy()
            errors.append(error / size_of(m.measured, len(self.measurements)))
        return np.concatenate(errors)
