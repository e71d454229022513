"""Fit Johnson and Cook's law to histories: four coefficients, by Gauss-Newton through time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.fit_memory import (
    DAMPING,
    ITERATIONS,
    doubled,
    elastic_limit,
    log_domain,
    strain_range,
)
from lipmat.experiments.gauss_newton import minimise
from lipmat.experiments.memory_training import NUDGE, MemoryOptions, Training
from lipmat.experiments.training import Progress
from lipmat.materials.johnson_cook import JohnsonCook, shares
from lipmat.materials.law import Provenance

START = (0.5, 0.5, 0.3, 0.02)  # A and B over the root mean square stress, n, C
RATE = 1.0  # reference rate [1/s]


def fit_johnson_cook(
    data: Dataset, tests: Sequence[Test], options: MemoryOptions, progress: Progress | None
) -> JohnsonCook:
    """Return the fitted law, at a reference rate of 1 /s.

    Raises:
        InputError: The dataset has no elastic constants, or a test does not suit the law.
    """
    if data.young is None:
        raise InputError(
            f"{data.folder}: found no elastic constants, expected young and poisson in "
            f"dataset.toml for law {JohnsonCook.name!r}"
        )
    training = Training(data, tests, options)
    unknowns, substeps = torch.log(torch.tensor(START, dtype=torch.float64)), 1
    while True:
        training.divide(substeps)
        linearised = partial(_linearised, training)
        steps = minimise(linearised, unknowns, ITERATIONS, 1e-6, -float("inf"), DAMPING)
        for n, (unknowns, cost) in enumerate(steps, 1):  # noqa: B007
            if progress:
                progress(n, ITERATIONS, cost)
        if training.settled(partial(_values, training, unknowns[None]), substeps):
            break
        substeps = doubled(training, substeps)
    law = _law(training, unknowns)
    if options.kinematics == "log":
        limit = elastic_limit(law, training)
        domain = log_domain(training.histories)
        law = _law(training, unknowns, domain=domain, elastic_limit=limit)
    law.provenance = Provenance(
        {
            "training_range": strain_range(training.histories),
            "bulk_modulus": training.volume.origin,
            "substeps": 2 * substeps,
        }
    )
    return law


def _law(training: Training, unknowns: Tensor, **limits: Any) -> JohnsonCook:
    bulk, kinematics = training.volume.bulk_modulus, training.options.kinematics
    coefficients, moduli = _coefficients(training, unknowns), [training.shear_modulus]
    return JohnsonCook(moduli, bulk, coefficients, kinematics=kinematics, **limits)


def _coefficients(training: Training, unknowns: Tensor) -> Tensor:
    """Return the coefficients (5, ...) of unknowns (..., 4)."""
    a, b, n, c = torch.exp(unknowns).unbind(-1)
    return torch.stack([a * training.scale, b * training.scale, n, c, torch.full_like(a, RATE)])


def _values(training: Training, unknowns: Tensor) -> Tensor:
    """Return what laws of unknowns (p, 4) predict for all readings, over the scale (m, p)."""
    assert training.shear_modulus is not None
    coefficients = _coefficients(training, unknowns)[:, :, None, None]
    shear = torch.tensor(training.shear_modulus, dtype=torch.float64)
    remainder = partial(shares, coefficients, 3.0 * shear)
    return training.units(remainder, len(unknowns), 1)[..., 0] * shear / training.scale


def _linearised(training: Training, unknowns: Tensor) -> tuple[Tensor, Tensor]:
    moves = torch.cat([torch.zeros(1, len(unknowns)), torch.eye(len(unknowns))]).double()
    values = _values(training, unknowns + NUDGE * moves)
    rates = (values[:, 1:] - values[:, :1]) / NUDGE
    w = training.weight
    return w * (values[:, 0] - training.target), w.unsqueeze(1) * rates
