"""Laws with fixed arrays, for tests that need a learned law but no fit."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from lipmat.materials import pq as pq_law
from lipmat.materials import principal_values, symmetry
from lipmat.materials import ridge as ridge_law
from lipmat.materials.adopted import Adopted
from lipmat.materials.adopted_domain import AdoptedDomain
from lipmat.materials.adoption import Request, adopt
from lipmat.materials.carroll import Carroll
from lipmat.materials.domain import StretchDomain
from lipmat.materials.extended_tube import ExtendedTube
from lipmat.materials.johnson_cook import JohnsonCook
from lipmat.materials.law import Law, Measure
from lipmat.materials.linear import LinearElastic
from lipmat.materials.mandel import isotropic_stiffness
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.network import Kinematics
from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.pq import PQ
from lipmat.materials.principal_values import PrincipalValues
from lipmat.materials.ridge import Ridge
from tests.networks import Invariants, Scaled, dense

LAWS = ("rubber", "linear")
STIFFNESS = (2.5e6, 0.77e6)
"""3K and 2G of the learned small-strain laws [Pa]."""


def polyconvex(knots: int = 8, bulk_modulus: float = 2e6, seed: int = 0) -> PolyconvexStretch:
    """Return a rubber-like law: shear modulus 0.15 MPa, rough slopes, knots inside 0.3…3."""
    rng = np.random.default_rng(seed)
    return PolyconvexStretch(
        stretch_knots=torch.linspace(0.0, 3.0, knots, dtype=torch.float64),
        stretch_tension=torch.tensor(3e4, dtype=torch.float64),
        stretch_curvature=torch.from_numpy(1e5 + 2e5 * rng.random(knots)),
        area_knots=torch.linspace(0.0, 6.0, knots, dtype=torch.float64),
        area_tension=torch.tensor(1e4, dtype=torch.float64),
        area_curvature=torch.from_numpy(1e3 + 2e3 * rng.random(knots)),
        bulk_modulus=torch.tensor(bulk_modulus, dtype=torch.float64),
        domain=StretchDomain(0.5, 2.0, 0.7, 1.4),
    )


def carroll(corrected: bool = False, bulk_modulus: float = 2e6) -> Carroll:
    """Return Carroll's law with all three terms at work, shear modulus 0.3 MPa."""
    splines = _correction() if corrected else {}
    domain = StretchDomain(0.5, 2.0, 0.7, 1.4)
    return Carroll([1e5, 2e2, 9e4], bulk_modulus, domain, **splines)


def extended_tube(corrected: bool = False, bulk_modulus: float = 2e6) -> ExtendedTube:
    """Return an extended tube law whose limit of I1 is inside the domain, the pole near it."""
    splines = _correction() if corrected else {}
    domain = StretchDomain(0.5, 2.0, 0.7, 1.4)
    return ExtendedTube([2e5, 1.5e5, 0.3, 0.3, 9.0], bulk_modulus, domain, **splines)


def _correction() -> dict[str, Tensor]:
    """Return a correction of both signs that is linear outside of about 0.6…1.7."""
    knots = torch.tensor([-0.4, -0.25, -0.1, 0.0, 0.1, 0.25, 0.4, 0.55, 0.7]).double()
    curvature = torch.tensor([0.0, 6e4, -5e4, 3e4, 2e4, -6e4, 5e4, 1e4, 0.0]).double()
    area_curvature = torch.tensor([0.0, -2e4, 2e4, -1e4, 3e4, 2e4, -3e4, 2e4, 0.0]).double()
    return {
        "stretch_knots": knots,
        "stretch_curvature": curvature,
        "area_knots": 2.0 * knots,
        "area_curvature": area_curvature,
    }


def principal(
    kinematics: Kinematics = "small", softening: bool = False, bulk_modulus: float = 2e5
) -> PrincipalValues:
    """Return an isotropic law of three units that yields by half within 2 % of strain."""
    rng = np.random.default_rng(1)
    directions = torch.from_numpy(rng.standard_normal((3, 3)))
    knots, curvature = _splines(rng, 3, softening)
    directions = principal_values.normalised(directions, curvature)
    return PrincipalValues(directions, knots, curvature, bulk_modulus, STIFFNESS, kinematics)


def pq(kinematics: Kinematics = "small", softening: bool = False, bulk_modulus: float = 2e5) -> PQ:
    """Return an isotropic law of four units in p and q."""
    rng = np.random.default_rng(2)
    directions = torch.from_numpy(rng.standard_normal((4, 2)))
    knots, curvature = _splines(rng, 4, softening)
    directions = pq_law.normalised(directions, curvature)
    return PQ(directions, knots, curvature, bulk_modulus, STIFFNESS, kinematics)


def ridge(
    group: symmetry.Symmetry = "orthotropic",
    kinematics: Kinematics = "small",
    softening: bool = False,
    bulk_modulus: float = 2e5,
) -> Ridge:
    """Return an anisotropic law of two orbits of ridges and two group ridges."""
    rng = np.random.default_rng(3)
    images = symmetry.orbit(group, torch.from_numpy(rng.standard_normal((2, 6))))
    knots, curvature = (
        x.repeat_interleave(images.shape[1], 0) for x in _splines(rng, 2, softening)
    )
    forms = torch.from_numpy(rng.standard_normal((2, 6, 6)))
    matrices = _roots(symmetry.average(group, forms.transpose(1, 2) @ forms))
    group_knots = torch.linspace(0.0, 60.0, 4, dtype=torch.float64).repeat(2, 1)
    group_curvature = torch.tensor([[1.0, 0.7, 0.4, 0.2], [1.0, 0.9, 0.5, 0.3]]).double()
    directions, matrices = ridge_law.normalised(
        images.flatten(0, 1), curvature, matrices, group_curvature
    )
    return Ridge(
        directions,
        knots,
        curvature,
        matrices,
        group_knots,
        group_curvature,
        bulk_modulus,
        isotropic_stiffness(*STIFFNESS),
        group,
        kinematics,
    )


def _splines(rng: np.random.Generator, units: int, softening: bool) -> tuple[Tensor, Tensor]:
    """Return knots and curvature (units, 5), largest at 0; at last negative if softening."""
    knots = np.array([-40.0, -12.0, 0.0, 9.0, 30.0]) * (0.8 + 0.4 * rng.random((units, 1)))
    curvature = np.array([0.3, 0.6, 1.0, 0.5, -0.1 if softening else 0.2])
    return torch.from_numpy(knots), torch.from_numpy(curvature).repeat(units, 1)


def _roots(forms: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(forms)
    return (vectors * values.clamp_min(0.0).sqrt().unsqueeze(-2)) @ vectors.transpose(-1, -2)


@cache
def rubber() -> PolyconvexStretch:
    """Return the law that most tests share, so that its bound is computed once."""
    return polyconvex()


@cache
def steel_like() -> LinearElastic:
    """Return a linear law."""
    return LinearElastic(1e6, 0.3)


def law(name: str) -> Law:
    """Return ``rubber`` or ``linear``."""
    return rubber() if name == "rubber" else steel_like()


def maxwell(kinematics: Kinematics = "small") -> Maxwell:
    """Return a viscoelastic law: a learned equilibrium law and three branches, two nonlinear."""
    return Maxwell(
        [2e5, 1e5, 3e5],
        [[0.0, 1e-3, 0.02], [0.0, 0.5, 1.0], [0.0, 0.01, 0.02]],
        [[0.5, 3.0, 20.0], [2.0, 2.0, 5.0], [100.0, 0.0, 50.0]],
        [[2e5], [1e3], [3e5]],
        equilibrium=principal(kinematics),
        kinematics=kinematics,
        **({} if kinematics == "small" else {"elastic_limit": 1.3}),
    )


def stiffening(kinematics: Kinematics = "log") -> Maxwell:
    """Return a viscoelastic law of large strain, whose three branches stiffen with the stretch."""
    law = maxwell(kinematics)
    arrays = {name: getattr(law, name) for name in law.array_names}
    return Maxwell(
        **arrays,
        equilibrium=law.equilibrium,
        kinematics=kinematics,
        elastic_limit=2.0,
        spring="neo-hookean",
    )


def viscoplastic(kinematics: Kinematics = "small") -> Maxwell:
    """Return a metal-like law: two branches that yield, harden, and resist faster flow more."""
    return Maxwell(
        [3e5, 2e5],
        [[0.9, 1.0, 1.1], [1.0, 1.2, 1.5]],
        [[1e-2, 10.0, 1e4], [1.0, 1e2, 1e9]],
        [[600.0, 1500.0, 1800.0], [2000.0, 1800.0, 2500.0]],
        [0.0, 0.02, 0.3],
        bulk_modulus=1e6,
        kinematics=kinematics,
    )


def copper(kinematics: Kinematics = "small") -> JohnsonCook:
    """Return oxygen-free copper after Johnson and Cook."""
    young, poisson = 124e9, 0.34
    shear, bulk = young / (2 * (1 + poisson)), young / (3 * (1 - 2 * poisson))
    return JohnsonCook([shear], bulk, [90e6, 292e6, 0.31, 0.025, 1.0], kinematics=kinematics)


@cache
def adopted(measure: Measure = "stretches", reach: float = 0.1) -> Adopted:
    """Return the law of a small network about rest, a stiffness of some MPa."""
    rest = 1.0 if measure == "stretches" else 0.0
    domain = AdoptedDomain(measure, rest - reach, rest + reach)
    several = Scaled(dense(6), 10.0) if domain.size == 6 else Invariants(dense(3), 5.0, rest)
    return adopt(several, Request(domain, unit=1e6), seconds=600.0, tolerance=0.005).law
