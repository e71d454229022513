"""Fits of small-strain laws: options, volume changes, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lipmat
from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.dataset import Test as LabTest
from lipmat.experiments.fit import default_law
from lipmat.materials.mandel import isotropic_stiffness
from lipmat.materials.network import NetworkLaw
from tests.experiments.targets import TARGETS, dataset, random_strains, tensor_test

E, NU = 3e9, 0.35
K, G = E / (3 * (1 - 2 * NU)), E / (2 * (1 + NU))
STRAIN = np.linspace(-0.02, 0.02, 9)
TENSORS = random_strains(60, seed=8)


def lab(mode: Any, lateral: Any, **columns: Any) -> LabTest:
    arrays = {name: np.asarray(v, dtype=np.float64) for name, v in columns.items()}
    return LabTest(mode, mode, lateral, arrays, "MPa", Path(f"{mode}.csv"))


def tension(lateral: str = "free", **more: Any) -> LabTest:
    return lab("uniaxial", lateral, stretch=1 + STRAIN, nominal_stress=E * STRAIN, **more)


def volumetric() -> LabTest:
    return lab("volumetric", "free", volume_ratio=(1 + STRAIN) ** 3, pressure=-3 * K * STRAIN)


def shear() -> LabTest:
    return lab("simple_shear", "free", shear=STRAIN, shear_stress=G * STRAIN)


def tensors() -> Dataset:
    return dataset(tensor_test(TENSORS, TENSORS @ isotropic_stiffness(3 * K, 2 * G)))


def test_tensors_ask_for_principal_values_and_lab_tests_for_stretches(treloar: Dataset) -> None:
    assert default_law(tensors()) == "principal-values"
    assert default_law(treloar) == "polyconvex-stretch"
    assert lipmat.fit(tensors()).name == "principal-values"


@pytest.mark.parametrize("law", ["principal-values", "pq", "ridge"])
def test_hookes_law_is_recovered_with_its_bound(law: str) -> None:
    fitted = lipmat.fit(tensors(), law=law)
    assert isinstance(fitted, NetworkLaw)
    assert fitted.provenance.entries["tests"]["states"]["relative"] <= 1e-3
    found = np.array(fitted.bound().rungs[-1].tangent["network"])
    exact = isotropic_stiffness(3 * K, 2 * G)
    np.testing.assert_allclose(found, exact, atol=0.01 * exact.max())
    assert fitted.provenance.entries["l_data"] == pytest.approx(1.0, abs=0.01)
    assert fitted.rest_moduli() == pytest.approx((K, G), rel=0.01)


@pytest.mark.parametrize("law", ["principal-values", "pq"])
def test_the_bulk_modulus_of_a_volumetric_test(law: str) -> None:
    """Fitted to it, it tells the free lateral strain of tension; shear is then predicted."""
    data = dataset(tension(), volumetric(), shear())
    fitted = lipmat.fit(data, law=law, tests=["uniaxial", "volumetric"])
    entries = fitted.provenance.entries
    assert entries["bulk_modulus"] == "fitted"
    assert float(fitted.arrays()["bulk_modulus"]) == pytest.approx(K, rel=1e-9)
    assert min(t["r2"] for t in entries["tests"].values()) >= 0.9999


def test_a_measured_lateral_strain_tells_all() -> None:
    fitted = lipmat.fit(dataset(tension("measured", lateral_stretch=1 - NU * STRAIN)), law="pq")
    assert fitted.provenance.entries["bulk_modulus"] == "the network learns the volume change"
    assert fitted.rest_moduli() == pytest.approx((K, G), rel=0.02)


def test_incompressible_tests_assume_a_bulk_modulus() -> None:
    data = dataset(
        lab("uniaxial", "incompressible", stretch=1 + STRAIN, nominal_stress=3 * G * STRAIN)
    )
    fitted = lipmat.fit(data, law="principal-values")
    assert fitted.provenance.entries["bulk_modulus"] == "assumed 100 x shear modulus"
    assert fitted.rest_moduli() == pytest.approx((100 * G, G), rel=0.01)


def test_a_bound_lowers_the_bulk_modulus_too() -> None:
    half = 0.5 * isotropic_stiffness(3 * K, 2 * G)
    fitted = lipmat.fit(dataset(tension()), law="pq", bulk_modulus=K, bound=half)
    assert float(fitted.arrays()["bulk_modulus"]) == pytest.approx(0.5 * K, rel=1e-9)
    assert "lowered to the bound" in fitted.provenance.entries["bulk_modulus"]


def test_seeds_differ_but_agree_on_the_stress() -> None:
    data = dataset(tensor_test(TENSORS, TARGETS["softening"].stress(TENSORS)))
    laws = [lipmat.fit(data, seed=seed) for seed in (0, 1)]
    assert not np.array_equal(*(law.arrays()["directions"].numpy() for law in laws))
    for law in laws:
        assert law.provenance.entries["tests"]["states"]["relative"] <= 2e-3


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"law": "principal-value"}, "unknown law 'principal-value', did you mean 'principal-values'"),
    (
        {"law": "pq", "symmetry": "cubic"},
        "symmetry: found 'cubic' for law 'pq', which is isotropic",
    ),
    ({"law": "ridge", "symmetry": "cubical"}, "symmetry: found 'cubical', expected one of"),
    ({"law": "ridge", "bulk_modulus": 1e9}, "bulk modulus: found 1e\\+09 Pa for law 'ridge'"),
    ({"law": "pq", "kinematics": "large"}, "kinematics: found 'large', did you mean 'log'"),
    ({"law": "pq", "bound": np.eye(3)}, r"bound: found shape \(3, 3\), expected 6 x 6"),
    ({"law": "pq", "bound": np.diag([1.0, 2, 2, 1, 1, 1])}, "expected a positive isotropic one"),
    ({"law": "pq", "bound": -np.eye(6)}, "expected a positive isotropic one"),
    ({"law": "ridge", "bound": -np.eye(6)}, "differs by .* from a symmetric positive definite one"),
    ({"law": "polyconvex-stretch", "weakly_convex": True}, "weakly_convex: found it given for law"),
    ({"law": "polyconvex-stretch"}, "mode 'tensor' cannot be fitted by a law in stretches"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_options_that_do_not_suit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        lipmat.fit(tensors(), **options)
    assert "\n" not in str(error.value)


def test_a_lab_test_does_not_tell_material_axes() -> None:
    with pytest.raises(InputError, match=r"uniaxial\.csv: found mode 'uniaxial' for law 'ridge'"):
        lipmat.fit(dataset(tension()), law="ridge")


def test_volumetric_tests_alone_tell_nothing_of_the_shape() -> None:
    with pytest.raises(InputError, match="no test changes the shape of the material"):
        lipmat.fit(dataset(volumetric()), law="pq")


def test_a_stress_of_nothing() -> None:
    with pytest.raises(InputError, match="found no stress at any point"):
        lipmat.fit(dataset(tensor_test(TENSORS, 0.0 * TENSORS)), law="pq")


def test_elastic_constants_come_in_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "strain [-],nominal_stress [MPa]\n0,0\n1e-3,1\n2e-3,2\n3e-3,3\n"
    )
    test = '[[tests]]\nname = "a"\nfile = "a.csv"\nmode = "uniaxial"\n'
    for keys, message in (
        ('young = "1 GPa"\n', "found young without poisson, expected both or neither"),
        ('young = "-1 GPa"\npoisson = 0.3\n', "young: found '-1 GPa', expected a value greater"),
        ('young = "1 GPa"\npoisson = 0.5\n', "poisson: found 0.5, expected a value between -1 and"),
    ):
        (tmp_path / "dataset.toml").write_text(keys + test)
        with pytest.raises(InputError, match=message):
            lipmat.read_dataset(tmp_path)
