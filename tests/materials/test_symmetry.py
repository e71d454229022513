from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from lipmat.materials.mandel import to_tensor, to_vector
from lipmat.materials.ridge import Ridge
from lipmat.materials.symmetry import (
    Symmetry,
    average,
    has_symmetry,
    operators,
    orbit,
    strain_operator,
)
from tests.fem.laws import pq, principal, ridge
from tests.materials.states import strains, turned

GROUPS = get_args(Symmetry)
ORDER = {"orthotropic": 4, "transversely-isotropic": 5, "cubic": 24, "none": 1}


def rotation(seed: int = 0) -> np.ndarray:
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]
    return np.asarray(q * np.linalg.det(q))


def about_fibre(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def random(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(5).standard_normal(shape))


def test_an_operator_turns_vectors_as_the_rotation_turns_tensors() -> None:
    q, strain = rotation(), random(7, 6)
    turned_tensor = torch.from_numpy(q) @ to_tensor(strain) @ torch.from_numpy(q.T)
    found = strain @ torch.from_numpy(strain_operator(q)).T
    torch.testing.assert_close(found, to_vector(turned_tensor), rtol=0, atol=1e-14)


@pytest.mark.parametrize("symmetry", GROUPS)
def test_the_operators_are_a_group_of_orthogonal_matrices(symmetry: Symmetry) -> None:
    group = operators(symmetry)
    assert len(group) == ORDER[symmetry]
    one = torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(
        group @ group.transpose(1, 2), one.expand_as(group), atol=1e-14, rtol=0
    )
    products = (group[:, None] @ group[None]).reshape(-1, 36)
    nearest = torch.cdist(products, group.reshape(-1, 36))
    assert float(nearest.amin(1).max()) < 1e-12
    assert float((torch.cdist(*2 * (group.reshape(-1, 36),)) + 9 * torch.eye(len(group))).min()) > 1


@pytest.mark.parametrize("symmetry", GROUPS)
def test_orbits_have_the_symmetry_and_lose_it_with_one_member(symmetry: Symmetry) -> None:
    images = orbit(symmetry, random(3, 6))
    labels = torch.arange(3.0).repeat_interleave(images.shape[1]).unsqueeze(1)
    vectors = images.flatten(0, 1)
    assert has_symmetry(symmetry, vectors, labels)
    if symmetry == "none":
        return
    if symmetry == "transversely-isotropic":
        vectors[0, 1] += 1e-3
        assert not has_symmetry(symmetry, vectors, labels)
        return
    assert not has_symmetry(symmetry, vectors[1:], labels[1:])
    labels[0] = 7.0
    assert not has_symmetry(symmetry, vectors, labels)


def test_means_over_groups_have_the_constants_of_elasticity() -> None:
    """Orthotropic 9, transversely isotropic 5, cubic 3 (Nye, Physical Properties of Crystals)."""
    basis = torch.eye(36, dtype=torch.float64).reshape(36, 6, 6)
    basis = basis + basis.transpose(1, 2)
    counts = {s: int(torch.linalg.matrix_rank(average(s, basis).reshape(36, 36))) for s in GROUPS}
    assert counts == {"orthotropic": 9, "transversely-isotropic": 5, "cubic": 3, "none": 21}


def test_five_turns_stand_for_all() -> None:
    forms = average("transversely-isotropic", random(4, 6, 6))
    for angle in (0.3, 1.0, 2.5):
        g = torch.from_numpy(strain_operator(about_fibre(angle)))
        torch.testing.assert_close(g @ forms @ g.T, forms, rtol=0, atol=1e-13)


def stress_follows(law: Ridge, q: np.ndarray) -> float:
    """Return the relative difference of turning the strain and turning the stress."""
    g = torch.from_numpy(strain_operator(q))
    strain = strains(50, np.random.default_rng(0))
    stress = law.stress(strain)
    difference = law.stress(strain @ g.T) - stress @ g.T
    return float(difference.abs().max() / stress.abs().max())


@pytest.mark.parametrize("symmetry", GROUPS)
def test_the_stress_of_a_ridge_law_follows_its_group_and_no_other_turn(symmetry: Symmetry) -> None:
    law = ridge(symmetry)
    for g in operators(symmetry):
        strain = strains(50, np.random.default_rng(0))
        stress = law.stress(strain)
        difference = law.stress(strain @ g.T) - stress @ g.T
        assert float(difference.abs().max() / stress.abs().max()) < 1e-12
    assert stress_follows(law, rotation()) > 0.01


def test_transverse_isotropy_holds_for_every_angle() -> None:
    law = ridge("transversely-isotropic")
    flip = np.diag([-1.0, 1.0, -1.0])
    for angle in (0.1, 0.7, 2.0):
        assert stress_follows(law, about_fibre(angle)) < 1e-12
        assert stress_follows(law, about_fibre(angle) @ flip) < 1e-12


def test_isotropic_laws_follow_every_turn() -> None:
    for law in (principal(), pq()):
        strain = strains(50, np.random.default_rng(0))
        stress = law.stress(strain)
        for seed in range(5):
            g = torch.from_numpy(strain_operator(rotation(seed)))
            difference = law.stress(strain @ g.T) - stress @ g.T
            assert float(difference.abs().max() / stress.abs().max()) < 1e-12


def test_stress_and_strain_of_an_isotropic_law_have_the_same_axes() -> None:
    tensors = turned(np.array([[0.01, -0.02, 0.03], [0.5, 0.1, -0.2]]), np.random.default_rng(3))
    for law in (principal(), pq()):
        stress = to_tensor(law.stress(to_vector(tensors)))
        commutator = stress @ tensors - tensors @ stress
        assert float(commutator.abs().max()) <= 1e-13 * float((stress @ tensors).abs().max())
