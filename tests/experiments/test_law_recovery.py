"""Laws in closed form, recovered from 600 random tensor pairs under their exact C0 as the bound."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import lipmat
from lipmat.materials.network import NetworkLaw
from lipmat.materials.symmetry import Symmetry
from lipmat.spectral.loewner import is_below, largest_ratio
from tests.experiments.targets import TARGETS, dataset, random_strains, tensor_test

TRAINING, UNSEEN = random_strains(600, seed=1), random_strains(4000, seed=2)
CASES: list[tuple[str, str, Symmetry, float]] = [  # with the largest relative error of the stress
    ("softening", "principal-values", "none", 0.005),
    ("stiffening", "principal-values", "none", 0.003),
    ("bimodular", "principal-values", "none", 0.003),
    ("softening", "pq", "none", 0.005),
    ("stiffening", "pq", "none", 0.003),
    ("two-fibres", "ridge", "none", 0.010),
    ("two-fibres", "ridge", "orthotropic", 0.010),
    ("one-axis", "ridge", "transversely-isotropic", 0.010),
    ("three-axes", "ridge", "cubic", 0.010),
]
IDS = ["-".join(case[:3]) for case in CASES]


@cache
def recovered(target: str, law: str, symmetry: Symmetry) -> NetworkLaw:
    stress = TARGETS[target].stress
    data = dataset(tensor_test(TRAINING, stress(TRAINING)))
    fitted = lipmat.fit(data, law=law, bound=TARGETS[target].bound, symmetry=symmetry)
    assert isinstance(fitted, NetworkLaw)
    return fitted


def relative_error(law: NetworkLaw, target: str) -> float:
    exact = TARGETS[target].stress(UNSEEN)
    found = law.stress(torch.from_numpy(UNSEEN)).numpy()
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize(("target", "law", "symmetry", "limit"), CASES, ids=IDS)
def test_the_stress_at_unseen_strains(
    target: str, law: str, symmetry: Symmetry, limit: float
) -> None:
    assert relative_error(recovered(target, law, symmetry), target) <= limit


@pytest.mark.parametrize(("target", "law", "symmetry", "_"), CASES, ids=IDS)
def test_the_bound_is_kept_and_used(target: str, law: str, symmetry: Symmetry, _: float) -> None:
    """Certified over true tangent is 1.000, and the certificate is below the bound for certain."""
    rung = recovered(target, law, symmetry).bound().rungs[-1]
    certified, true = np.array(rung.tangent["network"]), TARGETS[target].bound
    assert is_below(certified, true)
    nearly = 5e-4 if symmetry == "none" else 1e-3
    assert largest_ratio(certified[None], true)[0] == pytest.approx(1.0, abs=nearly)
    assert 0.97 <= rung.sampled["network"] <= 1.0


def test_targets_are_bounded_by_their_c0_and_reach_it() -> None:
    """The exact bounds are no larger than they must be: finite differences come to 97 % of them."""
    rng = np.random.default_rng(3)
    for target in TARGETS.values():
        strain = np.concatenate([1e-3 * UNSEEN[:300], UNSEEN[:300], 100.0 * UNSEEN[:300]])
        direction = rng.normal(size=(len(strain), 6))
        step = 1e-9 * direction
        rate = (target.stress(strain + step) - target.stress(strain - step)) / 2e-9
        ratio = (direction * rate).sum(1) / (direction @ target.bound * direction).sum(1)
        assert ratio.max() <= 1.0 + 1e-5
        assert ratio.min() >= -1e-5
        assert ratio.max() >= 0.97


def test_pq_is_blind_to_the_lode_angle_and_says_so_by_its_error() -> None:
    """A bimodular law depends on the third invariant: the (p, q) network cannot meet it."""
    data = dataset(tensor_test(TRAINING, TARGETS["bimodular"].stress(TRAINING)))
    law = lipmat.fit(data, law="pq")
    report: Any = law.provenance.entries["tests"]["states"]
    assert report["relative"] > 0.02


def test_without_a_bound_the_least_stiff_law_is_found() -> None:
    """The certificate is then a result: at most 5 % above what the material needs."""
    for target in ("softening", "bimodular"):
        data = dataset(tensor_test(TRAINING, TARGETS[target].stress(TRAINING)))
        law = lipmat.fit(data, law="principal-values")
        certified = np.array(law.bound().rungs[-1].tangent["network"])
        assert relative_error(law, target) <= 0.003
        assert largest_ratio(certified[None], TARGETS[target].bound)[0] <= 1.05


def test_a_bound_that_is_too_soft_binds_and_l_data_says_so() -> None:
    soft = 0.5 * TARGETS["softening"].bound
    data = dataset(tensor_test(TRAINING, TARGETS["softening"].stress(TRAINING)))
    law = lipmat.fit(data, law="principal-values", bound=soft)
    assert is_below(np.array(law.bound().rungs[-1].tangent["network"]), soft)
    assert law.provenance.entries["l_data"] == pytest.approx(2.0, rel=0.02)
    assert 0.05 < relative_error(law, "softening") < 0.5
