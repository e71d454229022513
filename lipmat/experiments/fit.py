"""Fit a law to a dataset: the least stiff of all bounded-slope laws that fit.

``polyconvex-stretch``: the unknowns are the spline weights, all non-negative; the residuals are the
relative stress errors of the tests, the law's stiffness over its declared domain, and the roughness
of its slopes. With incompressible tests the problem is convex up to the direction of the largest
tangent, which power iteration follows, so Gauss–Newton finds the same law from any start.
With conditions in the dataset its weights depend on them, see ``fit_conditions``.
Classical laws are fitted as ``fit_classical`` says and corrected as ``correct`` does.
The small-strain laws are fitted as ``training`` and ``fit_small`` say, laws with memory as
``memory_training`` and ``fit_johnson_cook`` do.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

import lipmat
from lipmat.errors import InputError, nearest
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.fit_classical import CLASSICAL, fit_classical
from lipmat.experiments.fit_conditions import fit_conditions, refuse_conditions
from lipmat.experiments.fit_johnson_cook import fit_johnson_cook
from lipmat.experiments.fit_memory import fit_maxwell
from lipmat.experiments.fit_small import SMALL_LAWS, Options, fit_small
from lipmat.experiments.gauss_newton import minimise
from lipmat.experiments.memory_training import MemoryOptions
from lipmat.experiments.modes import measurement
from lipmat.experiments.problem import Problem
from lipmat.experiments.report import FittedLaw, report
from lipmat.experiments.strain_tests import Kinematics
from lipmat.experiments.training import Progress
from lipmat.materials.johnson_cook import JohnsonCook
from lipmat.materials.law import Provenance
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.pq import PQ
from lipmat.materials.principal_values import PrincipalValues
from lipmat.materials.ridge import Ridge
from lipmat.materials.springs import Spring
from lipmat.materials.symmetry import Symmetry, checked_symmetry

MEMORY_LAWS = (Maxwell.name, JohnsonCook.name)
LAWS = (PolyconvexStretch.name, *CLASSICAL, *SMALL_LAWS, *MEMORY_LAWS)
BRANCHES = 4  # of a Maxwell body where nothing else is asked for
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "symmetry": SMALL_LAWS,
    "weakly_convex": SMALL_LAWS,
    "kinematics": (*SMALL_LAWS, *MEMORY_LAWS),
    "bound": SMALL_LAWS,
    "branches": (Maxwell.name,),
    "hardening": (Maxwell.name,),
    "correction": CLASSICAL,
    "spring": (Maxwell.name,),
}
"""Laws that have an option."""
KINEMATICS = ("small", "log")
ITERATIONS = 12


def fit(
    data: Dataset,
    law: str | None = None,
    tests: Iterable[str] | None = None,
    seed: int = 0,
    bulk_modulus: float | None = None,
    progress: Progress | None = None,
    *,
    symmetry: Symmetry = "none",
    weakly_convex: bool = False,
    kinematics: str = "small",
    bound: ArrayLike | None = None,
    branches: int | None = None,
    hardening: bool = False,
    correction: bool = False,
    spring: str = "hencky",
) -> FittedLaw:
    """Fit a law to the named tests of a dataset and seal it with its certified bound.

    Args:
        data: A dataset.
        law: Name of the law. Default: ``principal-values`` for tests of mode ``tensor``, ``pq`` for
            a dataset with elastic constants, else ``polyconvex-stretch``.
        tests: Names of the tests to fit; the others are predicted. Default: all.
        seed: Of what is random in the training.
        bulk_modulus: Bulk modulus [Pa]. Default: fitted when a test tells it, else 100 times the
            shear modulus of incompressible tests; small-strain laws see the dataset's elastic
            constants first, and else learn the volume change with the rest.
        progress: Called with step, steps and cost.
        symmetry: Of the material, for ``ridge``: orthotropic, transversely-isotropic, cubic, none.
        weakly_convex: Let a small-strain law soften past a peak.
        kinematics: Of small-strain laws and laws with memory: ``small``, or ``log`` for large
            rotations.
        bound: C0 that a small-strain law must keep, ``∂s/∂e ⪯ C0`` with the volumetric part counted
            apart, shape (6, 6), Mandel [Pa]. Default: the least stiff that fits.
        branches: Of ``maxwell``, at most; default 4.
        hardening: Let the strength of the branches of ``maxwell`` change with their flow.
        correction: Correct ``carroll`` or ``extended-tube`` where the tests ask for it.
        spring: Of the branches of ``maxwell``: ``hencky``, or with logarithmic strain
            ``neo-hookean``, which stiffen with the elastic stretch, as those of rubber do.

    Returns:
        The law; ``law.provenance.entries`` holds dataset, hash, seed, seconds and test reports.

    Raises:
        InputError: Unknown law or test, a bad option, a test of an unsuitable mode, or data that no
            convex law fits.
    """
    started = time.perf_counter()
    chosen = data if tests is None else data.select(tests)
    name = default_law(chosen) if law is None else law
    _check(name, bulk_modulus, seed)
    refuse_conditions(chosen, name)
    _refuse_options(
        name,
        {
            "symmetry": symmetry != "none",
            "weakly_convex": weakly_convex,
            "kinematics": kinematics != "small",
            "bound": bound is not None,
            "branches": branches is not None,
            "hardening": hardening,
            "correction": correction,
            "spring": spring != "hencky",
        },
    )
    measures = _kinematics(kinematics)
    if name == PolyconvexStretch.name:
        fitted, findings = _fit_stretches(chosen, seed, bulk_modulus, progress)
    elif name in CLASSICAL:
        measured = [measurement(t) for t in chosen.tests]
        fitted, findings = fit_classical(name, measured, bulk_modulus, correction, progress)
    elif name in MEMORY_LAWS:
        number = BRANCHES if branches is None else _positive(branches)
        memory = MemoryOptions(
            number, hardening, measures, bulk_modulus, seed, _spring(spring, measures)
        )
        train = fit_maxwell if name == Maxwell.name else fit_johnson_cook
        fitted = train(data, chosen.tests, memory, progress)
        findings = dict(fitted.provenance.entries)
    else:
        options = _options(name, seed, bulk_modulus, symmetry, weakly_convex, measures, bound)
        fitted = fit_small(data, chosen.tests, options, progress)
        findings = dict(fitted.provenance.entries)
    fitted.bound()
    names = [t.name for t in chosen.tests]
    reports = {name: asdict(r) for name, r in report(fitted, data, names).items()}
    seconds = round(time.perf_counter() - started, 3)
    fitted.provenance = Provenance(
        {
            **origin(data),
            "seed": seed,
            **findings,
            "tests": reports,
            "versions": versions(),
            "seconds": seconds,
        }
    )
    return fitted


def default_law(data: Dataset) -> str:
    """Return the name of the law that suits the tests of a dataset.

    Tensors tell a law of all three principal values. A dataset with elastic constants is one of a
    stiff solid; a lab test or two tell no more of it than (p, q), which treat tension and
    compression alike. All else is taken for rubber.
    """
    if any(test.mode == "tensor" for test in data.tests):
        return PrincipalValues.name
    return PolyconvexStretch.name if data.bulk_modulus is None else PQ.name


def _fit_stretches(
    chosen: Dataset, seed: int, bulk_modulus: float | None, progress: Progress | None
) -> tuple[FittedLaw, dict[str, Any]]:
    """Return a polyconvex law and what its provenance says of the training."""
    problem = Problem([measurement(t) for t in chosen.tests], seed, bulk_modulus)
    solved, said = solve(problem, progress), {}
    fitted: FittedLaw = problem.law(solved)
    if chosen.channels:
        fitted, said["channels"] = fit_conditions(chosen, problem, solved, seed)
    return fitted, {
        "training_range": dict(zip(("stretch_min", "stretch_max"), problem.range, strict=True)),
        "bulk_modulus": problem.bulk_origin,
        **said,
    }


def _check(law: str, bulk_modulus: float | None, seed: int) -> None:
    if law not in LAWS:
        raise InputError(f"unknown law {law!r}, {nearest(law, LAWS)}")
    if bulk_modulus is not None and not (np.isfinite(bulk_modulus) and bulk_modulus > 0):
        raise InputError(f"bulk modulus: found {bulk_modulus} Pa, expected a positive number")
    if seed < 0:
        raise InputError(f"seed: found {seed}, expected 0 or more")


def _refuse_options(law: str, given: Mapping[str, bool]) -> None:
    """Refuse options that a law does not have."""
    for option, present in given.items():
        if present and law not in OPTIONS[option]:
            kind = "a small-strain law" if PQ.name in OPTIONS[option] else "law"
            raise InputError(
                f"{option}: found it given for law {law!r}, expected it with {kind} "
                f"({', '.join(OPTIONS[option])}) only"
            )


def _kinematics(name: str) -> Kinematics:
    if name not in KINEMATICS:
        raise InputError(f"kinematics: found {name!r}, {nearest(name, KINEMATICS)}")
    return "log" if name == "log" else "small"


def _spring(name: str, kinematics: Kinematics) -> Spring:
    if name not in get_args(Spring):
        raise InputError(f"spring: found {name!r}, {nearest(name, get_args(Spring))}")
    if name == "neo-hookean" and kinematics == "small":
        raise InputError(
            f"spring: found {name!r} with kinematics 'small', expected 'log' (--kinematics log)"
        )
    return "neo-hookean" if name == "neo-hookean" else "hencky"


def _positive(branches: int) -> int:
    if branches < 1:
        raise InputError(f"branches: found {branches}, expected 1 or more")
    return branches


def _options(
    law: str,
    seed: int,
    bulk_modulus: float | None,
    symmetry: str,
    weakly_convex: bool,
    kinematics: Kinematics,
    bound: ArrayLike | None,
) -> Options:
    try:
        group = checked_symmetry(symmetry)
    except ValueError as error:
        raise InputError(str(error)) from None
    if group != "none" and law != Ridge.name:
        raise InputError(
            f"symmetry: found {symmetry!r} for law {law!r}, which is isotropic, "
            f"expected law {Ridge.name!r}"
        )
    matrix = None if bound is None else np.asarray(bound, dtype=np.float64)
    if matrix is not None and (matrix.shape != (6, 6) or not np.isfinite(matrix).all()):
        raise InputError(f"bound: found shape {matrix.shape}, expected 6 x 6 finite numbers")
    return Options(law, seed, bulk_modulus, group, not weakly_convex, kinematics, matrix)


def solve(problem: Problem, progress: Progress | None = None) -> Tensor:
    """Return the unknowns of least cost; after each step the power iteration follows."""
    unknowns = problem.start()
    steps = minimise(problem.linearised, unknowns, ITERATIONS)
    for n, (unknowns, cost) in enumerate(steps, 1):
        problem.follow(unknowns)
        if progress:
            progress(n, ITERATIONS, cost)
    return unknowns


def origin(data: Dataset) -> dict[str, Any]:
    """Return what a law's provenance says of the dataset."""
    declared = {} if data.strain_error is None else {"strain_error": data.strain_error}
    return {
        **declared,
        "dataset": data.title or data.folder.name,
        "source": data.source,
        "doi": data.doi,
        "hash": data.hash,
        "density": data.density,
    }


def versions() -> dict[str, Any]:
    """Return the versions that made a law."""
    return {
        "lipmat": lipmat.__version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
