"""Fit a law to a dataset: the least stiff of all bounded-slope laws that fit.

The unknowns are the spline weights, all non-negative; the residuals are the relative stress errors
of the tests, the law's stiffness over its declared domain, and the roughness of its slopes. With
incompressible tests the problem is convex up to the direction of the largest tangent, which power
iteration follows, so Gauss–Newton finds the same law from any start.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import lipmat
from lipmat.errors import InputError, nearest
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.gauss_newton import minimise
from lipmat.experiments.modes import Measurement, measurement, predict
from lipmat.experiments.stiffness import domain_paths, incompressible_tangent, path_end
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Provenance
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.stretches import principal_forces
from lipmat.spectral.power_iteration import PowerIteration

LAWS = (PolyconvexStretch.name,)
STIFFNESS = 1e-4  # weight of the relative tangent; one value for all data
ROUGHNESS = 4e-4  # weight of its relative change along the stretch; one value for all data
KNOTS_BELOW, KNOTS_ABOVE = 5, 15
ITERATIONS = 12
ASSUMED_BULK_RATIO = 100.0  # bulk over shear modulus when nothing tells it (Poisson's ratio 0.495)
VOLUME_RANGE = (0.6, 1.6)

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class TestReport:
    """How well a law meets one test: coefficient of determination and error in the file's unit."""

    fitted: bool
    n: int
    r2: float
    rmse: float
    unit: str


def fit(
    data: Dataset,
    law: str = PolyconvexStretch.name,
    tests: Iterable[str] | None = None,
    seed: int = 0,
    bulk_modulus: float | None = None,
    progress: Progress | None = None,
) -> PolyconvexStretch:
    """Fit a law to the named tests of a dataset and seal it with its certified bound.

    Args:
        data: A dataset.
        law: Name of the law.
        tests: Names of the tests to fit; the others are predicted. Default: all.
        seed: Of the random start of the power iteration.
        bulk_modulus: Bulk modulus [Pa]. Default: fitted when a test tells it (volumetric, or a
            lateral strain that is free or measured), else 100 times the shear modulus.
        progress: Called with step, steps and cost.

    Returns:
        The law; ``law.provenance.entries`` holds dataset, hash, seed, seconds and test reports.

    Raises:
        InputError: Unknown law or test, bad bulk modulus, or a test of an unsuitable mode.
    """
    started = time.perf_counter()
    if law not in LAWS:
        raise InputError(f"unknown law {law!r}, {nearest(law, LAWS)}")
    if bulk_modulus is not None and not (np.isfinite(bulk_modulus) and bulk_modulus > 0):
        raise InputError(f"bulk modulus: found {bulk_modulus} Pa, expected a positive number")
    chosen = data if tests is None else data.select(list(tests))
    problem = _Problem([measurement(t) for t in chosen.tests], seed, bulk_modulus)
    unknowns, cost = problem.start(), np.inf
    for n, (unknowns, cost) in enumerate(minimise(problem.residual, unknowns, ITERATIONS), 1):  # noqa: B020
        problem.power.update(problem.hessian(unknowns))
        if progress:
            progress(n, ITERATIONS, cost)
    fitted = problem.law(unknowns, _bulk(problem, unknowns, bulk_modulus))
    fitted.bound()
    names = {t.name for t in chosen.tests}
    fitted.provenance = Provenance(
        {
            "dataset": data.title or data.folder.name,
            "source": data.source,
            "doi": data.doi,
            "hash": data.hash,
            "seed": seed,
            "training_range": {"stretch_min": problem.range[0], "stretch_max": problem.range[1]},
            "bulk_modulus": problem.bulk_origin,
            "tests": {k: vars(v) for k, v in report(fitted, data, names).items()},
            "versions": _versions(),
            "seconds": round(time.perf_counter() - started, 3),
        }
    )
    return fitted


def report(law: PolyconvexStretch, data: Dataset, fitted: Iterable[str]) -> dict[str, TestReport]:
    """Return how well a law meets every test of a dataset that it can predict."""
    reports = {}
    for test in data.tests:
        m = measurement(test)
        scale = _unit_in_pascal(test.unit)
        error = (predicted(law, m) - m.measured).numpy() / scale
        spread = float(((m.measured - m.measured.mean()) ** 2).sum()) / scale**2
        r2 = 1.0 - float(error @ error) / spread
        rmse = float(np.sqrt(np.mean(error**2)))
        reports[test.name] = TestReport(test.name in set(fitted), len(error), r2, rmse, test.unit)
    return reports


def predicted(law: PolyconvexStretch, m: Measurement) -> Tensor:
    """Return what a sealed law predicts for a measurement [Pa]."""

    def forces(s: Tensor) -> Tensor:
        return principal_forces(law.distortional, s)

    with torch.no_grad():
        return predict(m, forces, lambda j: law.bulk_modulus * (j - 1.0))


class _Problem:
    """Residuals of a fit as a function of the unknown weights, in units of the stress scale."""

    def __init__(self, measurements: list[Measurement], seed: int, bulk: float | None) -> None:
        self.measurements = measurements
        states = torch.cat([m.stretches for m in measurements])
        invariant = float((states**2).sum(1).max())
        if invariant <= 3.0 + 1e-6:
            raise InputError(f"{measurements[0].test.path}: no test stretches the material")
        self.longest = path_end("uniaxial", invariant)
        self.range = (float(states.min()), float(states.max()))
        self.scale = float(
            torch.stack([(m.measured**2).mean() for m in measurements]).mean().sqrt()
        )
        self.stretch_knots = _knots(max(self.longest, self.range[1]))
        self.area_knots = _knots(path_end("equibiaxial", invariant) ** 2)
        self.paths = domain_paths(invariant)
        self.power = PowerIteration(len(self.paths), 3, 8, torch.Generator().manual_seed(seed))
        self.given = None if bulk is None else bulk / self.scale
        self.tells_bulk = any(_tells_bulk(m) for m in measurements)
        self.fits_bulk = bulk is None and self.tells_bulk
        origin = "fitted" if self.fits_bulk else f"assumed {ASSUMED_BULK_RATIO:g} x shear modulus"
        self.bulk_origin = "given" if bulk is not None else origin
        self.power.update(self.hessian(self.start()))

    def start(self) -> Tensor:
        n, m = len(self.stretch_knots), len(self.area_knots)
        start = torch.full((n + m + 2,), 0.1, dtype=torch.float64)
        if self.fits_bulk:
            return torch.cat([start, start.new_tensor([10.0])])
        return start

    def bulk(self, x: Tensor) -> Tensor:
        """Return the bulk modulus in units of the stress scale."""
        if self.fits_bulk:
            return x[-1]
        return x.new_tensor(self.given if self.given is not None else ASSUMED_BULK_RATIO)

    def law(self, x: Tensor, bulk_modulus: float) -> PolyconvexStretch:
        """Return the sealed law, in SI, on its declared domain."""
        x = x * self.scale
        split = self._split(x)
        shortest = min(self.range[0], 1.0 / path_end("equibiaxial", self._invariant()) ** 2)
        longest = max(self.range[1], self.longest)
        domain = StretchDomain(shortest, longest, *VOLUME_RANGE)
        return PolyconvexStretch(
            self.stretch_knots,
            split[0],
            split[1],
            self.area_knots,
            split[2],
            split[3],
            torch.tensor(bulk_modulus),
            domain,
        )

    def _invariant(self) -> float:
        return float((self.paths**2).sum(1).max())

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n, m = len(self.stretch_knots), len(self.area_knots)
        return x[0], x[1 : n + 1], x[n + 1], x[n + 2 : n + 2 + m]

    def _potential(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the distortional energy, up to the term that frees the rest state of stress."""
        from lipmat.spectral.splines import spline_energy

        f0, f2, g0, g2 = self._split(x)

        def potential(s: Tensor) -> Tensor:
            areas = torch.stack([s[1] * s[2], s[0] * s[2], s[0] * s[1]])
            f = spline_energy(s, self.stretch_knots, f0, f2).sum()
            return f + spline_energy(areas, self.area_knots, g0, g2).sum()

        return potential

    def hessian(self, x: Tensor) -> Tensor:
        return self._tangent(x)[0]

    def _tangent(self, x: Tensor) -> tuple[Tensor, Tensor]:
        potential = self._potential(x)
        forces = principal_forces(potential, self.paths)
        hessian = torch.func.vmap(torch.func.jacrev(torch.func.grad(potential)))(self.paths)
        return incompressible_tangent(self.paths, forces, hessian)

    def residual(self, x: Tensor) -> Tensor:
        """Return stress errors, tangents and roughness, all relative."""
        potential, bulk = self._potential(x), self.bulk(x)
        parts = []
        for m in self.measurements:
            model = predict(
                m, lambda s: principal_forces(potential, s), lambda j: bulk * (j - 1.0)
            )
            size = float((m.measured**2).mean().sqrt()) / self.scale
            weight = size * np.sqrt(len(m.measured) * len(self.measurements))
            parts.append((model - m.measured / self.scale) / weight)
        hessian, pairs = self._tangent(x)
        tangents = torch.cat([self.power.estimate(hessian), pairs.flatten()])
        reach = self.longest - 1.0
        parts.append(STIFFNESS * reach * tangents / np.sqrt(len(self.paths)))
        _, f2, _, g2 = self._split(x)
        for knots, curvature in ((self.stretch_knots, f2), (self.area_knots, g2)):
            change = torch.diff(curvature) * torch.sqrt(reach / torch.diff(knots))
            parts.append(ROUGHNESS * reach * change)
        return torch.cat(parts)


def _tells_bulk(m: Measurement) -> bool:
    return m.test.mode == "volumetric" or (
        m.test.mode != "simple_shear" and m.test.lateral != "incompressible"
    )


def _knots(last: float) -> Tensor:
    below = torch.linspace(0, 1, KNOTS_BELOW + 1, dtype=torch.float64)[:-1]
    return torch.cat([below, torch.linspace(1, last, KNOTS_ABOVE, dtype=torch.float64)])


def _bulk(problem: _Problem, x: Tensor, given: float | None) -> float:
    if given is not None:
        return given
    if problem.fits_bulk:
        return float(problem.bulk(x)) * problem.scale
    return ASSUMED_BULK_RATIO * problem.law(x, problem.scale).shear_modulus()


def _unit_in_pascal(unit: str) -> float:
    from lipmat.units import column_unit

    return column_unit(unit, "stress", "report")


def _versions() -> dict[str, Any]:
    return {
        "lipmat": lipmat.__version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
