"""Fit a small-strain law: check the data, whiten, train under the certificate, seal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.experiments.convexity import DataCheck, check_data, refuse
from lipmat.experiments.curvature_program import Rules
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.normal_equations import Samples
from lipmat.experiments.small_laws import Form, PQForm, PrincipalForm, RidgeForm
from lipmat.experiments.strain_tests import Kinematics, Pairs, pairs_of
from lipmat.experiments.training import Progress, train
from lipmat.experiments.volume import ASSUMED_RATIO, LEARNED, Volume, volume_of
from lipmat.experiments.whitening import (
    anisotropic_bound,
    anisotropic_fit,
    in_principal_values,
    isotropic_bound,
    isotropic_fit,
    root,
    without_volume,
)
from lipmat.materials.domain import StretchDomain
from lipmat.materials.law import Provenance
from lipmat.materials.network import NetworkLaw
from lipmat.materials.pq import PQ
from lipmat.materials.principal_values import PrincipalValues
from lipmat.materials.ridge import Ridge
from lipmat.materials.symmetry import Symmetry

Array = NDArray[np.float64]
SMALL_LAWS = (PrincipalValues.name, PQ.name, Ridge.name)
DOMAIN = (0.8, 1.25)  # stretches and volume ratios of a log law's domain, if data reach no farther
LEAST = 1e-9  # eigenvalue of a C0 without volumetric part, relative to the largest
BEYOND = 1.5  # how far the domain reaches beyond the logarithmic strains of the data


@dataclass(frozen=True, eq=False)
class Options:
    """How to fit a small-strain law.

    Attributes:
        law: One of :data:`SMALL_LAWS`.
        seed: Of the directions to start from.
        bulk_modulus: Of a linear volume change apart from the network [Pa]; None: from the data.
        symmetry: Of the material, for ``ridge``.
        convex: Whether the law must be convex; else it may soften.
        kinematics: ``small`` or ``log``.
        bound: C0 to be kept, shape (6, 6) [Pa]; None: it is a result.
    """

    law: str
    seed: int = 0
    bulk_modulus: float | None = None
    symmetry: Symmetry = "none"
    convex: bool = True
    kinematics: Kinematics = "small"
    bound: Array | None = None


def fit_small(
    data: Dataset, tests: Sequence[Test], options: Options, progress: Progress | None
) -> NetworkLaw:
    """Return the fitted law; its provenance holds what was found on the way.

    Raises:
        InputError: A test or an option does not suit the law, or no convex law fits the data.
    """
    problem = _Problem(data, tests, options)
    check = problem.check
    if options.convex and not check.convex:
        isotropic = options.law != Ridge.name
        raise refuse(check, data.folder, isotropic and all(t.mode == "tensor" for t in tests))
    network, span = problem.form.start(options.seed)
    rules = Rules(options.bound is not None, options.convex)
    trained = train(problem.samples(), network, torch.from_numpy(span), rules, progress)
    law = problem.form.law(trained, problem.bulk(None), problem.settings())
    if problem.volume.separate and problem.volume.bulk_modulus is None:
        bulk = problem.bulk(law.rest_moduli()[1])
        law = problem.form.law(trained, bulk, problem.settings())
    law.provenance = Provenance(problem.findings(check, law))
    return law


class _Problem:
    """The data of a fit in the law's own variables."""

    def __init__(self, data: Dataset, tests: Sequence[Test], options: Options) -> None:
        self.options = options
        self.volume = _volume(data, tests, options)
        bulk = self.volume.bulk_modulus
        if options.law == Ridge.name:
            _check_tensors(tests)
        self.pairs = [pairs_of(test, options.kinematics, bulk) for test in tests]
        if options.law == Ridge.name:
            self.blocks = self.pairs
        else:
            principal = [in_principal_values(p) for p in self.pairs]
            blocks = [without_volume(p, self.volume) for p in principal]
            self.blocks = [b for b in blocks if not _tells_nothing(b, self.volume)]
        _check_stress(self.blocks, self.pairs)
        stiffness = self._stiffness()
        self.check = check_data(self.blocks, self._form(stiffness).root, options.seed)
        if options.bound is None:
            stiffness = stiffness * max(1.0, self.check.l_data)
        self.form = self._form(stiffness)

    def _stiffness(self) -> Array:
        """Return the bound, or the stiffness of the best linear law."""
        o = self.options
        if o.law == Ridge.name:
            fitted = anisotropic_fit(self.blocks, o.symmetry)
            return fitted if o.bound is None else anisotropic_bound(o.bound, o.symmetry)
        fitted = isotropic_fit(self.blocks, self.volume)
        return fitted if o.bound is None else isotropic_bound(o.bound)

    def _form(self, stiffness: Array) -> Form:
        o, sealed = self.options, self.options.bound is not None
        if o.law == Ridge.name:
            return RidgeForm(stiffness, o.symmetry, sealed)
        form = PrincipalForm if o.law == PrincipalValues.name else PQForm
        return form(stiffness, self.volume.separate, sealed)

    def l_data(self, law: NetworkLaw) -> float:
        """Return the least certificate that the data allow, over that of the law or the bound."""
        c = law.reference() if self.options.bound is None else self.options.bound
        if self.form.root.shape == (3, 3):
            c = c[:3, :3]
        values, vectors = np.linalg.eigh(c)
        floored = (vectors * np.maximum(values, LEAST * values[-1])) @ vectors.T
        return check_data(self.blocks, root(floored), self.options.seed).l_data

    def samples(self) -> Samples:
        """Return the training data, every test of the same weight."""
        x, seen, measured = [], [], []
        for b in self.blocks:
            weight = 1.0 / (np.linalg.norm(b.stress) * np.sqrt(len(self.blocks)))
            variable = self.form.variable(b.strain)
            x.append(variable.x)
            seen.append(weight * (b.seen @ variable.lift))
            measured.append(weight * b.stress)
        return Samples(*(torch.from_numpy(np.concatenate(a)) for a in (x, seen, measured)))

    def bulk(self, shear_modulus: float | None) -> float:
        """Return the modulus of the volumetric part, 0 without one, within the bound [Pa]."""
        if not self.volume.separate:
            return 0.0
        bulk = self.volume.bulk_modulus or ASSUMED_RATIO * (shear_modulus or 0.0)
        return min(bulk, _largest_bulk(self.options))

    def settings(self) -> dict[str, Any]:
        """Return the kinematics and the domain of a log law, around the strains of the data."""
        settings: dict[str, Any] = {"kinematics": self.options.kinematics}
        if self.options.kinematics == "log":
            principal = [in_principal_values(p).strain for p in self.pairs]
            low, high, less, more = (
                float(np.exp(BEYOND * f(values)))
                for values in (np.concatenate(principal), np.concatenate(principal).sum(1))
                for f in (np.min, np.max)
            )
            lowest, highest = DOMAIN
            settings["domain"] = StretchDomain(
                min(low, lowest), max(high, highest), min(less, lowest), max(more, highest)
            )
        return settings

    def findings(self, check: DataCheck, law: NetworkLaw) -> dict[str, Any]:
        """Return what is known about data and training, for the provenance."""
        strain = np.concatenate([in_principal_values(p).strain for p in self.pairs])
        return {
            "training_range": {
                "strain_min": float(strain.min()),
                "strain_max": float(strain.max()),
            },
            "bulk_modulus": self.volume.origin,
            "l_data": self.l_data(law),
            "convex_data": {k: v for k, v in asdict(check).items() if k != "l_data"},
            "weakly_convex": not self.options.convex,
            "bound_origin": "requested" if self.options.bound is not None else "least stiff",
        }


def _volume(data: Dataset, tests: Sequence[Test], options: Options) -> Volume:
    if options.law != Ridge.name:
        volume = volume_of(data, tests, options.bulk_modulus, options.kinematics)
        most = _largest_bulk(options)
        if volume.bulk_modulus is None or volume.bulk_modulus <= most:
            return volume
        return Volume(most, True, f"{volume.origin}, lowered to the bound")
    if options.bulk_modulus is not None:
        raise InputError(
            f"bulk modulus: found {options.bulk_modulus:g} Pa for law {options.law!r}, expected "
            "none: shape and volume of an anisotropic material are coupled, it learns both"
        )
    return LEARNED


def _largest_bulk(options: Options) -> float:
    """Return the largest bulk modulus below the bound of an isotropic law [Pa]."""
    if options.bound is None:
        return float("inf")
    return float(isotropic_bound(options.bound)[0]) / 3.0 * (1.0 - 1e-14)


def _check_tensors(tests: Sequence[Test]) -> None:
    for test in tests:
        if test.mode != "tensor":
            raise InputError(
                f"{test.path}: found mode {test.mode!r} for law {Ridge.name!r}, expected mode "
                "'tensor': a lab test does not tell in which material axes it was loaded"
            )


def _tells_nothing(block: Pairs, volume: Volume) -> bool:
    """Tell whether a separate volumetric part is all that a test says something about."""
    return volume.separate and block.test.mode == "volumetric"


def _check_stress(blocks: Sequence[Pairs], pairs: Sequence[Pairs]) -> None:
    if not blocks:
        raise InputError(f"{pairs[0].test.path}: no test changes the shape of the material")
    for b in blocks:
        if not np.abs(b.stress).max() > 0:
            raise InputError(
                f"{b.test.path}: found no stress at any point, expected one that varies"
            )
