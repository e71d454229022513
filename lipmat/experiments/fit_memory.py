"""Fit a Maxwell body to histories: the branches that serve best, then Gauss-Newton through time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.gauss_newton import minimise
from lipmat.experiments.histories import History
from lipmat.experiments.memory_prediction import CHANGE, MOST_SUBSTEPS
from lipmat.experiments.memory_training import MemoryOptions, Training
from lipmat.experiments.training import Progress
from lipmat.experiments.volume import ASSUMED_RATIO
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Provenance
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.memory import ELASTIC_LIMIT, MemoryLaw

Array = NDArray[np.float64]
ITERATIONS = 40
DAMPING = 1e-3  # of the first step
TOLERANCE = 1e-4  # relative decrease of the cost at which to stop
DOMAIN = (0.8, 1.25)  # stretches and volume ratios of a log law's domain, if data reach no farther
BEYOND = 1.5  # how far domain and elastic limit reach beyond the logarithmic strains of the data
VANISHED = 1e-7  # share of all shear moduli below which a branch is dropped
_PRINCIPAL = (2.0 / 3.0) ** 0.5  # largest principal value of a deviator of size 1


def fit_maxwell(
    data: Dataset, tests: Sequence[Test], options: MemoryOptions, progress: Progress | None
) -> Maxwell:
    """Return the fitted law; its provenance holds what was found on the way.

    Raises:
        InputError: A test is no history, or does not suit the law.
    """
    training = Training(data, tests, options)
    unknowns, substeps = training.start(), 1
    while True:
        unknowns = _solve(training, unknowns, progress)
        if training.settled(partial(training.values, unknowns), substeps):
            break
        substeps = doubled(training, substeps)
    law = _law(training, unknowns)
    if options.kinematics == "log":
        law = _with_limits(training, unknowns, law)
    law.provenance = Provenance(
        {
            "training_range": strain_range(training.histories),
            "bulk_modulus": training.volume.origin,
            "substeps": 2 * substeps,
        }
    )
    return law


def doubled(training: Training, substeps: int) -> int:
    """Return twice the substeps.

    Raises:
        InputError: They would be too many.
    """
    if substeps >= MOST_SUBSTEPS:
        raise InputError(
            f"{training.histories[0].test.path}: found rows so far apart that {substeps} substeps "
            f"between each two do not settle the stress to {CHANGE:g}, expected more rows where "
            "the strain or its rate changes"
        )
    return 2 * substeps


def strain_range(histories: Sequence[History]) -> dict[str, float]:
    """Return the smallest and largest component of strain of the tests, for the provenance."""
    strain = np.concatenate([h.strain.ravel() for h in histories])
    return {"strain_min": float(strain.min()), "strain_max": float(strain.max())}


def log_domain(histories: Sequence[History]) -> StretchDomain:
    """Return the domain of a log law without equilibrium law, around the strains of the data."""
    strains = [h.strain for h in histories]
    low, high, less, more = (
        float(np.exp(BEYOND * f(values)))
        for values in (np.concatenate(strains), np.concatenate(strains).sum(1))
        for f in (np.min, np.max)
    )
    lowest, highest = DOMAIN
    return StretchDomain(
        min(low, lowest), max(high, highest), min(less, lowest), max(more, highest)
    )


def elastic_limit(law: MemoryLaw, training: Training) -> float:
    """Return the elastic stretch up to which to certify a law, from what it does in tests [-]."""
    largest = training.elastic(law.prepared(), law.branches)
    return max(ELASTIC_LIMIT, float(np.exp(BEYOND * _PRINCIPAL * largest)))


def _solve(training: Training, unknowns: Tensor, progress: Progress | None) -> Tensor:
    steps = minimise(training.linearised, unknowns, ITERATIONS, TOLERANCE, training.lower, DAMPING)
    for n, (unknowns, cost) in enumerate(steps, 1):
        training.follow(unknowns)
        if progress:
            progress(n, ITERATIONS, cost)
    return unknowns


def _law(training: Training, unknowns: Tensor, **limits: Any) -> Maxwell:
    rest, moduli, own = training.split(unknowns)
    moduli = training.scale * moduli
    kept = moduli > VANISHED * moduli.sum()
    arrays = training.curves.arrays(own, moduli)
    arrays = {k: a if k == "strength_knots" else a[kept] for k, a in arrays.items()}
    shear = float(moduli.sum())
    limits |= {"kinematics": training.options.kinematics, "spring": training.options.spring}
    if training.equilibrium is None:
        bulk = training.volume.bulk_modulus or ASSUMED_RATIO * shear
        return Maxwell(**arrays, bulk_modulus=bulk, **limits)
    problem = training.equilibrium
    shear += problem.with_bulk(rest, problem.scale).rest_moduli()[1]
    law = problem.with_bulk(rest, training.volume.bulk_modulus or ASSUMED_RATIO * shear)
    limits.pop("domain", None)
    return Maxwell(**arrays, equilibrium=law, **limits)


def _with_limits(training: Training, unknowns: Tensor, law: Maxwell) -> Maxwell:
    domain = log_domain(training.histories)
    limit = elastic_limit(law, training)
    return _law(training, unknowns, domain=domain, elastic_limit=limit)
