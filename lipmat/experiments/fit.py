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
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import lipmat
from lipmat.errors import InputError, nearest
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.gauss_newton import minimise
from lipmat.experiments.modes import Measurement, Response, measurement, predict
from lipmat.experiments.problem import Problem
from lipmat.materials.law import Provenance
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.stretches import principal_forces
from lipmat.units import column_unit

LAWS = (PolyconvexStretch.name,)
ITERATIONS = 12

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
        InputError: Unknown law or test, bad bulk modulus or seed, or a test of an unsuitable mode.
    """
    started = time.perf_counter()
    _check(law, bulk_modulus, seed)
    chosen = data if tests is None else data.select(tests)
    problem = Problem([measurement(t) for t in chosen.tests], seed, bulk_modulus)
    fitted = problem.law(_solve(problem, progress))
    fitted.bound()
    names = [t.name for t in chosen.tests]
    reports = {name: asdict(r) for name, r in report(fitted, data, names).items()}
    seconds = round(time.perf_counter() - started, 3)
    fitted.provenance = Provenance(
        {
            **_origin(data),
            "seed": seed,
            "training_range": dict(zip(("stretch_min", "stretch_max"), problem.range, strict=True)),
            "bulk_modulus": problem.bulk_origin,
            "tests": reports,
            "versions": _versions(),
            "seconds": seconds,
        }
    )
    return fitted


def report(law: PolyconvexStretch, data: Dataset, fitted: Iterable[str]) -> dict[str, TestReport]:
    """Return how well a law meets every test of a dataset.

    Raises:
        InputError: A test is of an unsuitable mode.
    """
    names = set(fitted)
    return {test.name: _report(law, test, test.name in names) for test in data.tests}


def _report(law: PolyconvexStretch, test: Test, fitted: bool) -> TestReport:
    m = measurement(test)
    pascals = column_unit(test.unit, "stress", f"{test.path}")
    measured = m.measured.numpy() / pascals
    error = predicted(law, m).numpy() / pascals - measured
    r2 = 1.0 - float(np.sum(error**2) / np.sum((measured - measured.mean()) ** 2))
    rmse = float(np.sqrt(np.mean(error**2)))
    return TestReport(fitted, len(error), r2, rmse, test.unit)


def predicted(law: PolyconvexStretch, m: Measurement) -> Tensor:
    """Return what a sealed law predicts for a measurement [Pa]."""
    with torch.no_grad():
        return predict(
            m,
            Response(
                forces=lambda s: principal_forces(law.distortional, s),
                bulk=lambda j: law.bulk_modulus * (j - 1.0),
            ),
        )


def _check(law: str, bulk_modulus: float | None, seed: int) -> None:
    if law not in LAWS:
        raise InputError(f"unknown law {law!r}, {nearest(law, LAWS)}")
    if bulk_modulus is not None and not (np.isfinite(bulk_modulus) and bulk_modulus > 0):
        raise InputError(f"bulk modulus: found {bulk_modulus} Pa, expected a positive number")
    if seed < 0:
        raise InputError(f"seed: found {seed}, expected 0 or more")


def _solve(problem: Problem, progress: Progress | None) -> Tensor:
    """Return the unknowns of least cost; after each step the power iteration follows."""
    unknowns = problem.start()
    steps = minimise(problem.residual, unknowns, ITERATIONS)
    for n, (unknowns, cost) in enumerate(steps, 1):
        problem.follow(unknowns)
        if progress:
            progress(n, ITERATIONS, cost)
    return unknowns


def _origin(data: Dataset) -> dict[str, Any]:
    return {
        "dataset": data.title or data.folder.name,
        "source": data.source,
        "doi": data.doi,
        "hash": data.hash,
        "density": data.density,
    }


def _versions() -> dict[str, Any]:
    return {
        "lipmat": lipmat.__version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
