"""Certificates, normalisation and refusals of the small-strain networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lipmat.materials import pq as pq_law
from lipmat.materials import principal_values
from lipmat.materials import ridge as ridge_law
from lipmat.materials.describe import describe, isotropic_moduli
from lipmat.materials.domain import StretchDomain
from lipmat.materials.mandel import isotropic_stiffness
from lipmat.materials.network import NetworkLaw
from lipmat.materials.pq import PQ
from lipmat.materials.principal_values import PrincipalValues
from lipmat.materials.ridge import Ridge
from lipmat.materials.symmetry import Symmetry
from lipmat.spectral.loewner import is_below, largest_ratio
from tests.fem.laws import STIFFNESS, pq, principal, ridge

ORDINARY = settings(max_examples=25, deadline=None)
SEED = st.integers(0, 10**6)


def rough(rng: np.random.Generator, units: int, knots: int, lowest: float) -> tuple[Any, Any]:
    """Return knots with 0 at a random place, and curvatures of very different sizes."""
    zero = int(rng.integers(knots))
    places = np.sort(rng.uniform(-1.0, 1.0, (units, knots)) * 10.0 ** rng.uniform(-1, 3))
    places = places - places[:, zero : zero + 1]
    curvature = 10.0 ** rng.uniform(-3, 1, (units, knots))
    flat = rng.random((units, knots)) < 0.3
    curvature = np.where(flat, lowest, curvature)
    curvature[0, 0] = 1.0
    return torch.from_numpy(places), torch.from_numpy(curvature)


def spread(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape) * 10.0 ** rng.uniform(-2, 1, shape))


def random_law(kind: str, seed: int, lowest: float) -> NetworkLaw:
    """Return a law with rough weights; ``lowest`` is the smallest curvature."""
    rng = np.random.default_rng(seed)
    units = int(rng.integers(1, 9))
    knots, curvature = rough(rng, units, int(rng.integers(2, 9)), lowest)
    stiffness = 10.0 ** rng.uniform(4, 9, 2)
    if kind == "principal":
        return PrincipalValues(spread(rng, units, 3), knots, curvature, 0.0, stiffness)
    if kind == "pq":
        return PQ(spread(rng, units, 2), knots, curvature, 0.0, stiffness)
    group_knots, group_curvature = rough(rng, 2, 4, lowest)
    group_knots = group_knots - group_knots[:, :1]
    arrays = spread(rng, units, 6), knots, curvature, spread(rng, 2, 3, 6)
    c0 = isotropic_stiffness(*stiffness)
    return Ridge(*arrays, group_knots, group_curvature, 0.0, c0)


def probes(law: NetworkLaw, rng: np.random.Generator, count: int) -> Tensor:
    """Return Mandel strains (count, 6) whose sizes span the knots of the law."""
    softest = float(np.sqrt(np.trace(law.reference())))
    reach = float(law.knots.abs().max()) / softest
    sizes = reach * 10.0 ** rng.uniform(-2, 3, (count, 1))
    return torch.from_numpy(rng.standard_normal((count, 6)) * sizes)


def tangents(law: NetworkLaw, strain: Tensor) -> np.ndarray:
    """Return ``ds/de`` (n, 6, 6) by automatic differentiation of the tensor law."""
    one = torch.func.jacrev(lambda e: law.network_stress(e.unsqueeze(0)).squeeze(0))
    found: np.ndarray = torch.func.vmap(one)(strain).numpy()
    return 0.5 * (found + found.transpose(0, 2, 1))


@pytest.mark.parametrize("kind", ["principal", "pq", "ridge"])
@ORDINARY
@given(seed=SEED, lowest=st.sampled_from([0.0, -0.4]))
def test_no_state_of_a_random_law_is_outside_its_bounds(
    kind: str, seed: int, lowest: float
) -> None:
    law = random_law(kind, seed, lowest)
    assert law.convex == (float(law.smallest_curvature()) >= 0.0)
    found = tangents(law, probes(law, np.random.default_rng(seed), 50))
    upper, lower = law.reference(), law.lower_reference()
    noise = 1e-9 * float(np.abs(upper).max()) * np.eye(6)  # of the differentiated eigenvectors
    for tangent in found:
        assert np.linalg.eigvalsh(upper + noise - tangent)[0] >= 0.0
        assert np.linalg.eigvalsh(tangent - lower + noise)[0] >= 0.0


@pytest.mark.parametrize("kind", ["principal", "pq", "ridge"])
@ORDINARY
@given(seed=SEED)
def test_the_sampled_ratio_is_never_above_one(kind: str, seed: int) -> None:
    assert random_law(kind, seed, 0.0).largest_sampled_ratio() <= 1.0


@pytest.mark.parametrize("kind", ["principal", "pq", "ridge"])
@ORDINARY
@given(seed=SEED)
def test_a_law_whose_units_are_steepest_at_rest_attains_its_bound(kind: str, seed: int) -> None:
    law = random_law(kind, seed, 0.0)
    arrays = law.arrays()
    steep = torch.ones_like(law.curvature)
    arrays["curvature"] = steep * torch.linspace(0.3, 1.0, len(steep)).double().unsqueeze(1)
    if kind == "ridge":
        arrays["group_curvature"] = torch.ones_like(arrays["group_curvature"])
    law = type(law).restore(arrays, law.settings(), law.provenance)
    assert law.largest_sampled_ratio() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(law.rest_stiffness(), law.reference(), rtol=1e-9, atol=1e-3)


@ORDINARY
@given(seed=SEED)
def test_normalised_directions_give_the_stiffness_of_the_whitening(seed: int) -> None:
    rng = np.random.default_rng(seed)
    knots, curvature = rough(rng, 7, 5, 0.0)
    curvature = curvature + 0.1
    expected = isotropic_stiffness(*STIFFNESS)
    a = principal_values.normalised(torch.from_numpy(rng.standard_normal((7, 3))), curvature)
    b = pq_law.normalised(torch.from_numpy(rng.standard_normal((7, 2))), curvature)
    matrices = torch.from_numpy(rng.standard_normal((2, 2, 6)))
    c, matrices = ridge_law.normalised(
        torch.from_numpy(rng.standard_normal((7, 6))), curvature, matrices, curvature[:2]
    )
    group_knots = (knots - knots[:, :1])[:2]
    for law in (
        PrincipalValues(a, knots, curvature, 0.0, STIFFNESS),
        PQ(b, knots, curvature, 0.0, STIFFNESS),
        Ridge(c, knots, curvature, matrices, group_knots, curvature[:2], 0.0, expected),
    ):
        np.testing.assert_allclose(law.reference(), expected, rtol=1e-9, atol=1e-2)


@ORDINARY
@given(seed=SEED)
def test_sealed_directions_are_proved_to_keep_the_stiffness(seed: int) -> None:
    rng = np.random.default_rng(seed)
    knots, curvature = rough(rng, 7, 5, 0.0)
    c0 = isotropic_stiffness(*STIFFNESS)
    scale = 10.0 ** rng.uniform(-2, 2)
    a = principal_values.sealed(scale * spread(rng, 7, 3), knots, curvature)
    b = pq_law.sealed(scale * spread(rng, 7, 2), knots, curvature)
    group_knots = (knots - knots[:, :1])[:2]
    directions, matrices = ridge_law.sealed(
        (scale * spread(rng, 7, 6), knots, curvature),
        (spread(rng, 2, 2, 6), group_knots, curvature[:2]),
        torch.from_numpy(c0),
    )
    for law in (
        PrincipalValues(a, knots, curvature, 0.0, STIFFNESS),
        PQ(b, knots, curvature, 0.0, STIFFNESS),
        Ridge(directions, knots, curvature, matrices, group_knots, curvature[:2], 0.0, c0),
    ):
        assert largest_ratio(law.reference()[None], c0)[0] <= 1.0
        assert is_below(law.reference(), c0)


def test_sealing_leaves_a_law_alone_that_is_soft_enough() -> None:
    law = principal()
    halved = 0.5 * law.directions
    torch.testing.assert_close(
        principal_values.sealed(halved, law.knots, law.curvature), halved, rtol=1e-15, atol=0
    )


@pytest.mark.parametrize(("law", "module"), [(principal(), principal_values), (pq(), pq_law)])
def test_stress_and_energy_are_differentiable_in_the_weights(law: Any, module: Any) -> None:
    strain = torch.tensor([[0.01, -0.02, 0.005], [0.02, 0.02, 0.02]], dtype=torch.float64)
    weights = [x.clone().requires_grad_() for x in (law.directions, law.curvature, law.stiffness)]

    def stress(directions: Tensor, curvature: Tensor, stiffness: Tensor) -> Tensor:
        found: Tensor = module.stress_of(
            strain, directions, law.knots, curvature, stiffness, law.zero
        )
        return found

    assert torch.autograd.gradcheck(stress, weights, rtol=1e-4, atol=1e-3)
    place = strain.clone().requires_grad_()
    energy = module.energy_of(
        place, law.directions, law.knots, law.curvature, law.stiffness, law.zero
    )
    (slope,) = torch.autograd.grad(energy.sum(), place)
    found = stress(*(w.detach() for w in weights))
    torch.testing.assert_close(slope, found, rtol=1e-12, atol=1e-9)


def test_the_pq_law_is_smooth_on_the_hydrostatic_axis() -> None:
    law = pq()
    for size in (0.0, 1e-12, 1e-6, 0.03):
        strain = size * torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=torch.float64)
        for argument in (strain, strain[:3]):
            gradient = torch.func.grad(law.network)(argument)
            hessian = torch.func.jacrev(torch.func.grad(law.network))(argument)
            assert bool(torch.isfinite(hessian).all())
            assert float((gradient[:3] - gradient[0]).abs().max()) <= 1e-9
            assert (
                float(
                    largest_ratio(
                        hessian.numpy()[None], law.reference()[: len(argument), : len(argument)]
                    )[0]
                )
                <= 1 + 1e-6
            )


def test_softening_keeps_the_upper_bound_and_reports_the_lower_one() -> None:
    for make in (principal, pq, ridge):
        stiff, soft = make(), make(softening=True)
        assert stiff.convex
        assert not soft.convex
        np.testing.assert_allclose(stiff.reference(), soft.reference(), rtol=1e-12)
        assert np.linalg.eigvalsh(stiff.lower_bound())[0] > 0.0
        assert np.linalg.eigvalsh(soft.lower_bound())[0] < 0.0
        assert describe(soft)["convex"] is False


def test_a_description_gives_the_moduli_of_an_isotropic_bound() -> None:
    shown = describe(principal())["bound"]["rungs"][0]["tangent"]
    assert shown["network"]["bulk_modulus"] == pytest.approx(STIFFNESS[0] / 3)
    assert shown["network"]["shear_modulus"] == pytest.approx(STIFFNESS[1] / 2)
    assert shown["volumetric"] == pytest.approx(6e5)
    anisotropic = isotropic_stiffness(3.0, 2.0)
    anisotropic[0, 0] += 0.1
    assert all(np.isnan(isotropic_moduli(anisotropic)))
    assert isotropic_moduli(isotropic_stiffness(0.0, 2.0)) == (0.0, pytest.approx(1.0))


def test_without_a_bulk_modulus_there_is_no_volumetric_part() -> None:
    assert [part.name for part in pq(bulk_modulus=0.0).parts] == ["network"]
    assert [part.name for part in pq(bulk_modulus=1.0).parts] == ["network", "volumetric"]


def test_parts_measure_small_or_logarithmic_strain() -> None:
    measures = [
        [part.measure for part in make(kinematics=kinematics).parts]
        for make in (principal, pq, ridge)
        for kinematics in ("small", "log")
    ]
    assert measures == [
        ["principal_strains", "dilatation"],
        ["principal_log_strains", "log_dilatation"],
        ["strain", "dilatation"],
        ["principal_log_strains", "log_dilatation"],
        ["strain", "dilatation"],
        ["log_strain", "log_dilatation"],
    ]


def changed(law: NetworkLaw, name: str, value: Any) -> NetworkLaw:
    arrays = {**law.arrays(), name: torch.as_tensor(value, dtype=torch.float64)}
    return type(law).restore(arrays, law.settings(), law.provenance)


@pytest.mark.parametrize(
    ("make", "name", "value", "message"),
    [
        (principal, "directions", torch.ones(3, 2), r"directions: found shape \(3, 2\), expected"),
        (principal, "knots", torch.ones(3, 5), "knots: found some that do not increase"),
        (
            principal,
            "knots",
            torch.tensor([[-1.0, 0.0, 1e-9, 1.0, 2.0]]).repeat(3, 1),
            "knots: found some only 5e-10 of the outermost one apart",
        ),
        (principal, "directions", torch.zeros(3, 3), "directions: found only zeros"),
        (principal, "knots", torch.arange(1.0, 6).repeat(3, 1), "knots: found no column that is 0"),
        (principal, "knots", torch.zeros(3, 1), r"found shapes \(3, 1\) and \(3, 5\), expected"),
        (principal, "curvature", torch.full((3, 5), torch.nan), "curvature: found values that are"),
        (principal, "curvature", -torch.ones(3, 5), "curvature: found no positive value"),
        (pq, "curvature", -torch.ones(4, 5), "curvature: found no positive value"),
        (principal, "stiffness", [1.0, 0.0], "found .*, expected positive"),
        (pq, "stiffness", [1.0], "found .*, expected positive"),
        (pq, "bulk_modulus", -1.0, "bulk_modulus: found -1.0, expected one number that is >= 0"),
        (ridge, "stiffness", -torch.eye(6), "stiffness: found the eigenvalue -1 Pa"),
        (ridge, "stiffness", torch.arange(36.0).reshape(6, 6), "expected symmetric"),
        (ridge, "directions", torch.eye(8)[:, :6], "directions: found no orthotropic symmetry"),
        (ridge, "group_matrices", torch.ones(2, 2, 6), "group_matrices: found no orthotropic"),
        (ridge, "group_matrices", torch.ones(2, 6), r"group_matrices: found shape \(2, 6\)"),
        (
            ridge,
            "group_knots",
            torch.arange(-1.0, 3).repeat(2, 1),
            "expected the first one to be 0",
        ),
    ],
)
def test_arrays_that_are_not_admissible(make: Any, name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(make(), name, value)


def test_settings_that_are_not_admissible() -> None:
    law = pq()
    arrays = law.arrays()
    with pytest.raises(ValueError, match="kinematics: found 'large', expected 'small' or 'log'"):
        PQ(**arrays, kinematics="large")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leave the domain out"):
        PQ(**arrays, domain=StretchDomain(0.9, 1.1, 0.9, 1.1))
    other: Symmetry = "triclinic"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="symmetry: found 'triclinic', expected one of"):
        ridge(other)
