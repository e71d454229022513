"""Virtual specimens: the scatter of one material's laws is learned from repeated tests.

Each specimen is fitted by a polyconvex law on the same knots, so that laws are vectors of
non-negative weights; these are combinations of a few archetypes with non-negative coefficients. A
generator of bounded slope learns the distribution of the coefficients, against a critic that sees
the curves of the tests. Whatever it draws is a law again, with a certified bound of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from lipmat.errors import InputError
from lipmat.experiments.archetypes import archetypes
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.fit import origin, solve, versions
from lipmat.experiments.modes import Measurement, measurement
from lipmat.experiments.problem import Problem
from lipmat.experiments.specimen_tests import Repeated, common_tests, repeated_tests
from lipmat.experiments.training import Progress
from lipmat.materials.law import Provenance
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.spectral.generator import Generator, energy_distance, train_generator
from lipmat.spectral.wasserstein import critic, train_critic, wasserstein_bound

Array = NDArray[np.float64]

STEPS = 200
BEND = 5.0  # of the softplus that keeps coefficients positive, over their mean
CRITIC = (16, 2)  # width and hidden layers of the critic that the generator is trained against
JUDGE = (32, 3)  # of the one that measures the distance in the end
LEAST = 1e-6  # scatter of the curves over their size
DRAWN = 1000  # curves that are compared with the given ones


@dataclass(frozen=True, eq=False)
class Specimens:
    """The laws that were fitted to the specimens of a dataset, on the same knots.

    Attributes:
        data: The dataset.
        tests: Of each specimen, by its name.
        common: Each test at states that all specimens reached.
        weights: Of each law, in the order of the specimens, shape (n, u) [Pa].
        errors: Of each law and test, the norm of the errors over that of the stresses [-].
        problem: That of the common tests, which makes laws of weights.
    """

    data: Dataset
    tests: Repeated
    common: tuple[Measurement, ...]
    weights: Tensor
    errors: dict[str, dict[str, float]]
    problem: Problem

    def law(self, weights: Tensor) -> PolyconvexStretch:
        """Return the law of weights (u,)."""
        return self.problem.law(weights / self.problem.scale)

    def curves(self, weights: Tensor) -> list[Tensor]:
        """Return the stresses of laws (n, u) in each common test, shapes (n, points) [Pa]."""
        scale = self.problem.scale
        return [weights @ m.columns.T + scale * m.offset for m in self.problem.columns()]

    def seen(self, weights: Tensor) -> Tensor:
        """Return the curves of laws (n, u) as a critic sees them, see :meth:`relative`."""
        return self.relative(self.curves(weights))

    def relative(self, curves: Sequence[Tensor]) -> Tensor:
        """Return curves of the tests (n, points) [Pa] end to end, shape (n, points of all).

        They are over the root mean square of the given ones, tests and points counting alike, so
        that the norm of a typical row is 1 and that of a difference is relative.
        """
        parts = [
            curve / (rms * (curve.shape[1] * len(curves)) ** 0.5)
            for curve, rms in zip(curves, self._sizes, strict=True)
        ]
        return torch.cat(parts, 1)

    @cached_property
    def _sizes(self) -> list[float]:
        return [float(known.square().mean().sqrt()) for known in self.curves(self.weights)]


def fit_specimens(
    data: Dataset,
    seed: int = 0,
    bulk_modulus: float | None = None,
    progress: Progress | None = None,
) -> Specimens:
    """Fit a polyconvex law to each specimen of a dataset.

    Args:
        data: A dataset with the same tests of at least three specimens.
        seed: Of the power iteration in the fits.
        bulk_modulus: As of :func:`lipmat.fit`, the same for all [Pa].
        progress: Called with the number of the specimen, their number and the largest error of
            its tests.

    Raises:
        InputError: Too few specimens, tests that some lack, or tests that are unsuitable.
    """
    tests = repeated_tests(data)
    common = [measurement(test) for test in common_tests(tests)]
    measured = {name: [measurement(t) for t in own] for name, own in tests.items()}
    every = [m for own in measured.values() for m in own]
    weights, errors = [], {}
    for number, (name, own) in enumerate(measured.items(), 1):
        problem = Problem(own, seed, bulk_modulus, every)
        x = solve(problem)
        weights.append(x * problem.scale)
        errors[name] = _errors(problem, x)
        if progress:
            progress(number, len(measured), max(errors[name].values()))
    shared = Problem(common, seed, bulk_modulus, every)
    return Specimens(data, tests, tuple(common), torch.stack(weights), errors, shared)


def _errors(problem: Problem, x: Tensor) -> dict[str, float]:
    models = zip(problem.measurements, problem.columns(), strict=True)
    return {
        m.test.name: float((model.at(x) * problem.scale - m.measured).norm() / m.measured.norm())
        for m, model in models
    }


@dataclass(frozen=True, eq=False)
class Population:
    """The learned distribution of a material's laws.

    Attributes:
        specimens: Those it was learned from.
        archetypes: Weights of which all laws are combinations, shape (k, u) [Pa].
        generator: Of the coefficients, before the softplus that keeps them positive.
        left_out: Share of the given scatter that the archetypes leave out [-].
        energy_distance: Of drawn curves to the given ones [-], see :meth:`Specimens.seen`.
        wasserstein_bound: A certified lower bound of the Wasserstein distance of the same [-].
        seed: Of the training and of the drawing.
    """

    specimens: Specimens
    archetypes: Tensor
    generator: Generator
    left_out: float
    energy_distance: float
    wasserstein_bound: float
    seed: int

    def draw(self, number: int) -> Tensor:
        """Return the weights of the first laws of an endless list, shape (number, u) [Pa]."""
        rng = np.random.default_rng(self.seed)
        latent = rng.standard_normal((number, len(self.archetypes)))
        with torch.no_grad():
            return self.weights(self.generator(torch.from_numpy(latent)))

    def weights(self, points: Tensor) -> Tensor:
        """Return the weights of points (n, k) that the generator gave, shape (n, u) [Pa]."""
        return softplus(points, BEND) @ self.archetypes

    def laws(self, number: int) -> list[PolyconvexStretch]:
        """Return the first drawn laws, each with its provenance."""
        laws = [self.specimens.law(row) for row in self.draw(number)]
        for i, law in enumerate(laws, 1):
            law.provenance = Provenance(self._entries(i))
        return laws

    def _entries(self, number: int) -> dict[str, Any]:
        problem = self.specimens.problem
        return {
            **origin(self.specimens.data),
            "seed": self.seed,
            "virtual_specimen": number,
            "learned_from": list(self.specimens.tests),
            "training_range": dict(zip(("stretch_min", "stretch_max"), problem.range, strict=True)),
            "bulk_modulus": problem.bulk_origin,
            "versions": versions(),
        }


def learn_population(
    specimens: Specimens, seed: int = 0, steps: int = STEPS, progress: Progress | None = None
) -> Population:
    """Learn the distribution of a material's laws from those of its specimens.

    Args:
        specimens: The fitted laws.
        seed: Of weights, training and drawing.
        steps: Of the generator, and of the critic that judges it.
        progress: Called with step, steps and the distance that the critic sees [-].

    Raises:
        InputError: The specimens do not differ.
    """
    given = specimens.seen(specimens.weights)
    middle = given.mean(0)
    size = float((given - middle).square().sum(1).mean().sqrt())
    if size < LEAST:
        raise InputError(
            f"{specimens.data.folder}: the specimens' curves differ by {size:.1e} of their size, "
            f"expected {LEAST:g} or more: without scatter there is none to learn"
        )

    laws, coefficients, left_out = _factorised(specimens)
    source = torch.Generator().manual_seed(seed)
    generator = Generator(torch.log(torch.expm1(BEND * coefficients)) / BEND, source)

    def seen(drawn: Tensor) -> Tensor:
        return (specimens.seen(softplus(drawn, BEND) @ laws) - middle) / size

    known = (given - middle) / size
    opponent = critic(given.shape[1], *CRITIC, generator=source)
    train_generator(generator, opponent, seen, known, steps, source, progress=progress)
    with torch.no_grad():
        drawn = seen(generator.draw(DRAWN, source))
    return Population(
        specimens,
        laws,
        generator,
        left_out,
        size * energy_distance(drawn, known),
        size * _judged(known, drawn, steps, source),
        seed,
    )


def _factorised(specimens: Specimens) -> tuple[Tensor, Tensor, float]:
    """Return archetypes (k, u), coefficients (n, k) and the share of scatter that is left out."""
    weights, metric = specimens.weights.numpy(), _metric(specimens)
    basis, coefficients = archetypes(weights, metric)
    left = np.linalg.norm(metric @ (weights - coefficients @ basis).T)
    scatter = np.linalg.norm(metric @ (weights - weights.mean(0)).T)
    return torch.from_numpy(basis), torch.from_numpy(coefficients), float(left / scatter)


def _metric(specimens: Specimens) -> Array:
    """Return rows whose products with weights [Pa] are relative curves, tangents and roughness."""
    problem = specimens.problem
    units = torch.eye(specimens.weights.shape[1], dtype=torch.float64)
    curves = specimens.seen(units) - specimens.seen(torch.zeros_like(units[:1]))
    rows: Array = torch.cat([curves.T, problem.regularisation() / problem.scale]).numpy()
    return rows


def _judged(given: Tensor, drawn: Tensor, steps: int, source: torch.Generator) -> float:
    """Return a lower bound of the Wasserstein distance by a critic that has learned these sets."""
    judge = critic(given.shape[1], *JUDGE, generator=source)
    train_critic(judge, lambda: given, lambda: drawn, steps)
    return max(0.0, wasserstein_bound(judge, given, drawn))
