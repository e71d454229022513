"""The normative curve of structural steel S355, and what is fitted to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import lipmat
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.fit import default_law
from lipmat.experiments.report import measured_values, predicted
from lipmat.experiments.strain_tests import pairs_of
from lipmat.materials.network import NetworkLaw

FOLDER = Path(__file__).parents[2] / "data" / "s355-reference"
E, NU, YIELD, ULTIMATE = 210e9, 0.3, 355e6, 490e6
BULK, SHEAR = E / (3 * (1 - 2 * NU)), E / (2 * (1 + NU))


@pytest.fixture(scope="module")
def steel() -> Dataset:
    return lipmat.read_dataset(FOLDER)


@pytest.fixture(scope="module")
def law(steel: Dataset) -> NetworkLaw:
    fitted = lipmat.fit(steel, law="pq")
    assert isinstance(fitted, NetworkLaw)
    return fitted


def standard(strain: np.ndarray) -> np.ndarray:
    """Return the stress of the formula, written anew [Pa]."""
    hard, ultimate = 0.1 * YIELD / ULTIMATE - 0.055, 0.6 * (1 - YIELD / ULTIMATE)
    xi = np.maximum(strain - hard, 0.0) / (ultimate - hard)
    growth = 0.4 * xi + 2 * xi / (1 + 400 * xi**5) ** 0.2
    return np.minimum(E * strain, YIELD) + (ULTIMATE - YIELD) * growth


def test_the_data_are_the_formula(steel: Dataset) -> None:
    test = steel.tests[0]
    strain = test.columns["stretch"] - 1.0
    np.testing.assert_allclose(test.columns["nominal_stress"], standard(strain), atol=2e3)
    assert strain[-1] == pytest.approx(0.05)
    near_yield = np.abs(strain / (YIELD / E) - 1.0) < 0.05
    assert near_yield.sum() >= 7
    assert "normative" in steel.title
    assert "monotonic" in steel.title
    assert steel.bulk_modulus == pytest.approx(BULK)


def test_the_curve_is_met(law: NetworkLaw, steel: Dataset) -> None:
    test = steel.tests[0]
    found, measured = predicted(law, test), measured_values(test)
    beyond = test.columns["stretch"] - 1.0 >= YIELD / E * (1 - 1e-6)
    assert law.provenance.entries["tests"]["tension"]["r2"] >= 0.999
    assert np.abs(found[beyond] / measured[beyond] - 1.0).max() <= 0.015


def test_the_bound_is_that_of_the_elastic_steel(law: NetworkLaw) -> None:
    """Least stiff: no stiffer than Hooke's law of the same constants, to 1 %."""
    tangent = law.bound().rungs[-1].tangent
    assert tangent["volumetric"] == pytest.approx(3 * BULK, rel=1e-9)
    network = np.array(tangent["network"])
    assert 2 * SHEAR * 0.99 <= network[5, 5] <= 2 * SHEAR * 1.01
    assert law.provenance.entries["bulk_modulus"] == "young and poisson of the dataset"
    assert 0.97 <= law.provenance.entries["l_data"] <= 1.03
    assert law.convex


def test_lateral_strains_come_from_the_measured_stress(steel: Dataset) -> None:
    """tr e = s / (3 K): Poisson's ratio in the elastic range, nearly 1/2 on the plateau."""
    pairs = pairs_of(steel.tests[0], "small", BULK)
    np.testing.assert_allclose(pairs.strain.sum(1), pairs.stress.sum(1) / (3 * BULK), atol=1e-15)
    elastic, last = pairs.strain[5], pairs.strain[-1]
    assert -elastic[1] / elastic[0] == pytest.approx(NU, rel=1e-3)
    assert 0.49 < -last[1] / last[0] < 0.5


def test_elastic_constants_ask_for_pq(steel: Dataset) -> None:
    assert default_law(steel) == "pq"


def test_tension_and_compression_are_alike(law: NetworkLaw) -> None:
    """The (p, q) law has no other choice: q is blind to the sign."""
    strain = torch.zeros(3, 6, dtype=torch.float64)
    strain[:, 0] = torch.tensor([0.001, 0.01, 0.04])
    strain[:, 1:3] = -0.5 * strain[:, :1]
    torch.testing.assert_close(law.stress(strain), -law.stress(-strain), rtol=1e-12, atol=1e-3)


def test_the_same_seed_gives_the_same_file(law: NetworkLaw, steel: Dataset, tmp_path: Path) -> None:
    lipmat.save(law, tmp_path / "a.safetensors")
    lipmat.save(lipmat.fit(steel, law="pq"), tmp_path / "b.safetensors")
    first, second = ((tmp_path / f"{x}.safetensors").read_bytes() for x in "ab")
    assert first == second


def test_logarithmic_strain_meets_the_curve_too(steel: Dataset) -> None:
    law = lipmat.fit(steel, law="pq", kinematics="log")
    assert law.provenance.entries["tests"]["tension"]["r2"] >= 0.999
    assert law.settings()["kinematics"] == "log"
    assert law.settings()["domain"]["stretch_max"] >= 1.05
