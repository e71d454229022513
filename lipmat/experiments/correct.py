"""Correct a classical law: the smallest spline correction that takes up its errors.

The coefficients of the classical law stay. The unknowns are the curvatures of the correction at
its knots, times stretch or area: the change of a slope along the logarithm. All predictions at
known stretches are linear in them. They bear a penalty of their squares over the shear modulus, so
that they are 0 where the tests ask for nothing. Squares, unlike magnitudes, spread what the tests
ask for over neighbouring knots, which keeps the curvature low, and with it the bound. The penalty
is doubled until the certified bound of the sum is within ``STIFFENING`` of the classical law's on
every domain of the ladder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.experiments.gauss_newton import minimise
from lipmat.experiments.linear_model import LinearModel, linear_model, linearised_model
from lipmat.experiments.modes import Measurement, Response, predict
from lipmat.experiments.problem import size_of
from lipmat.experiments.report import response
from lipmat.materials.carroll import Carroll
from lipmat.materials.extended_tube import ExtendedTube
from lipmat.materials.stretches import principal_forces
from lipmat.spectral.two_sided import hat_slopes

Array = NDArray[np.float64]
Classical = Carroll | ExtendedTube
KNOTS = 12  # of each spline, even in the logarithm of the stretch or area, besides the rest state
PENALTY = 0.1  # of the root mean square unknown over the shear modulus; one value for all data
STIFFENING = 0.2  # of the classical law's certified bound, at most
ITERATIONS = 12  # where tests have free faces; else the second changes nothing
BEYOND = 1.25  # in logarithmic strain: how far outside of the tests the share is reported


def corrected(
    law: Classical, measurements: Sequence[Measurement]
) -> tuple[Classical, dict[str, Any]]:
    """Return a classical law with its correction, and what is to be said of the correction.

    ``share_inside`` and ``share_outside`` are the norm of what it changes of the stresses over
    that of the classical law's, at the tests and at states that lie beyond them on their paths.
    """
    problem, penalty = CorrectionProblem(law, measurements), PENALTY
    while True:
        better = problem.solve(penalty)
        stiffening = stiffening_of(better, law)
        if stiffening <= STIFFENING:
            break
        penalty *= 2.0
    beyond = [_beyond(m) for m in measurements]
    return better, {
        "penalty": penalty,
        "stiffening": stiffening,
        "share_inside": _share(better, law, measurements),
        "share_outside": _share(better, law, beyond),
    }


def stiffening_of(better: Classical, law: Classical) -> float:
    """Return by how much of itself a law's distortional bound grows at most, over the ladder."""
    rungs = zip(better.bound().rungs, law.bound().rungs, strict=True)
    bounds = [[float(r.tangent["distortional"]) for r in pair] for pair in rungs]  # type: ignore[arg-type]
    return max(above / below for above, below in bounds) - 1.0


class CorrectionProblem:
    """Relative errors and penalty as a function of the unknowns over the shear modulus.

    Args:
        law: The classical law.
        measurements: The tests.
    """

    def __init__(self, law: Classical, measurements: Sequence[Measurement]) -> None:
        self.law, self.measurements = law, measurements
        self.modulus = law.rest_moduli()[1]
        states = torch.cat([m.stretches for m in measurements])
        self.knots = _knots(states), _knots(_areas(states))
        self.sizes = [len(k) - 2 for k in self.knots]
        places = torch.cat([1.0 + k[1:-1] for k in self.knots])
        self.units = self.modulus / places
        self._fixed = {
            i: linear_model(m, self._units) for i, m in enumerate(measurements) if not m.free
        }

    def solve(self, penalty: float) -> Classical:
        """Return the law of least cost."""
        start = torch.zeros(sum(self.sizes), dtype=torch.float64)
        rows = penalty / np.sqrt(len(start)) * torch.eye(len(start), dtype=torch.float64)

        def linearised(x: Tensor) -> tuple[Tensor, Tensor]:
            errors, derivatives = zip(*self.errors(x), (rows @ x, rows), strict=True)
            return torch.cat(errors), torch.cat(derivatives)

        steps = [x for x, _ in minimise(linearised, start, ITERATIONS, lower=-np.inf)]
        return self.with_curvature(steps[-1] if steps else start)

    def with_curvature(self, x: Tensor) -> Classical:
        """Return the law of the unknowns; the outer curvatures of each spline are 0."""
        f, g = (torch.nn.functional.pad(part, (1, 1)) for part in self._split(x))
        arrays = self.law.arrays() | {
            "stretch_knots": self.knots[0],
            "stretch_curvature": f,
            "area_knots": self.knots[1],
            "area_curvature": g,
        }
        return type(self.law)(**arrays, domain=self.law.domain)

    def _split(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple((x * self.units).split(self.sizes))

    def errors(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the errors of each test and their derivatives, all relative."""
        found, tests = [], len(self.measurements)
        for i, m in enumerate(self.measurements):
            model = self._fixed.get(i) or self._linearised(m, x)
            size = size_of(m.measured, tests)
            found.append(((model.at(x) - m.measured) / size, model.columns / size))
        return found

    def _linearised(self, m: Measurement, x: Tensor) -> LinearModel:
        return linearised_model(m, self._units, response(self.with_curvature(x)), x)

    def _units(self, states: Tensor) -> list[Response]:
        """Return the classical law and what it is with each unknown alone, at some states."""
        classical = principal_forces(self.law.distortional, states)
        f, g = (
            hat_slopes((z - 1.0).unsqueeze(-1), k[None], _zero(k))[..., 0, 1:-1]
            for z, k in zip((states, _areas(states)), self.knots, strict=True)
        )
        a, b, c = (s.unsqueeze(-1) for s in states.unbind(1))
        bc, ac, ab = g.unbind(1)
        of_areas = torch.stack([b * ab + c * ac, a * ab + c * bc, a * ac + b * bc], 1)
        forces = (torch.cat([f, of_areas], -1) * self.units).permute(2, 0, 1)
        return [self._known(classical), *(self._known(classical + each) for each in forces)]

    def _known(self, forces: Tensor) -> Response:
        return replace(response(self.law), forces=lambda _: forces)


def _areas(states: Tensor) -> Tensor:
    """Return the products of two stretches, in the order of the third one (n, 3)."""
    a, b, c = states.unbind(1)
    return torch.stack([b * c, a * c, a * b], 1)


def _knots(values: Tensor) -> Tensor:
    """Return knots over the range of stretches or areas, less 1, one of them 0."""
    low, high = (float(x) for x in torch.log(values).aminmax())
    below = max(2, round(KNOTS * -low / (high - low)))
    above = max(2, KNOTS - below)
    low, high = min(low, -1e-3 * high), max(high, -1e-3 * low)
    lower, upper = np.linspace(low, 0.0, below + 1), np.linspace(0.0, high, above + 1)
    return torch.from_numpy(np.expm1(np.concatenate([lower, upper[1:]])))


def _zero(knots: Tensor) -> int:
    return int((knots == 0).nonzero()[0])


def _beyond(m: Measurement) -> Measurement:
    """Return a test at states of its path that are farther from rest than it went."""
    farther = m.stretches**BEYOND
    size = torch.log(m.stretches).abs().amax(1)
    keep = BEYOND * size > size.max()
    times = len(m.measured) // len(farther)
    return replace(m, stretches=farther[keep], measured=m.measured[keep.repeat(times)])


def _share(better: Classical, law: Classical, measurements: Sequence[Measurement]) -> float:
    """Return the norm of the change of the stresses over that of the stresses."""
    change, whole = 0.0, 0.0
    for m in measurements:
        before, after = predict(m, response(law)), predict(m, response(better))
        change += float(((after - before) ** 2).mean() / (m.measured**2).mean())
        whole += float((before**2).mean() / (m.measured**2).mean())
    return float(np.sqrt(change / whole))
