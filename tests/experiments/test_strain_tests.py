"""Lab tests as pairs of strain and stress, against closed forms and against predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.experiments.columns import Mode
from lipmat.experiments.dataset import Lateral
from lipmat.experiments.dataset import Test as LabTest
from lipmat.experiments.small_prediction import predicted_values
from lipmat.experiments.strain_tests import Kinematics, pairs_of
from lipmat.materials.pq import PQ

Array = NDArray[np.float64]
E, NU = 70e9, 0.33
K, G = E / (3 * (1 - 2 * NU)), E / (2 * (1 + NU))
STRAIN = np.array([-0.012, -0.004, 0.0, 0.002, 0.007, 0.015])
SECOND = np.array([0.004, 0.001, -0.003, 0.002, -0.006, 0.01])


def linear() -> PQ:
    """Return Hooke's law as a (p, q) law: one unit along q of constant curvature 1/2."""
    return _law([[1.0, 1.0, 1.0]])


def softening(kinematics: Kinematics = "small") -> PQ:
    """Return a law whose shear modulus falls to a tenth within the strains of the tests."""
    return _law([[0.1, 1.0, 0.1]], kinematics)


def _law(curvature: list[list[float]], kinematics: Kinematics = "small") -> PQ:
    knots = [[-0.01 * (2 * G) ** 0.5, 0.0, 0.01 * (2 * G) ** 0.5]]
    half = 0.5 * np.array(curvature)
    return PQ([[0.0, 1.0]], knots, half, K, [3 * K, 2 * G], kinematics)


def make_test(mode: Mode, lateral: Lateral = "free", **columns: Any) -> LabTest:
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    return LabTest(mode, mode, lateral, arrays, "Pa", Path(f"{mode}.csv"))


ANY = np.arange(len(STRAIN))


@pytest.mark.parametrize(
    ("mode", "modulus"),
    [("uniaxial", E), ("equibiaxial", E / (1 - NU)), ("planar", E / (1 - NU**2))],
)
def test_hookes_law_with_free_faces(mode: Mode, modulus: float) -> None:
    test = make_test(mode, stretch=1.0 + STRAIN, nominal_stress=ANY)
    found = predicted_values(linear(), test)
    np.testing.assert_allclose(found, modulus * STRAIN, rtol=1e-9, atol=1.0)


def test_hookes_law_in_shear_and_in_volume() -> None:
    shear = make_test("simple_shear", shear=STRAIN, shear_stress=ANY)
    np.testing.assert_allclose(predicted_values(linear(), shear), G * STRAIN, rtol=1e-12)
    ratio = (1.0 + STRAIN) ** 3
    volume = make_test("volumetric", volume_ratio=ratio, pressure=ANY)
    np.testing.assert_allclose(
        predicted_values(linear(), volume), -3 * K * STRAIN, rtol=1e-9, atol=1.0
    )


def test_hookes_law_of_an_incompressible_body() -> None:
    """The pressure that frees the lateral faces is subtracted: 3 G and 4 G."""
    for mode, modulus in (("uniaxial", 3 * G), ("planar", 4 * G), ("equibiaxial", 6 * G)):
        test = make_test(mode, "incompressible", stretch=1.0 + STRAIN, nominal_stress=ANY)
        np.testing.assert_allclose(
            predicted_values(linear(), test), modulus * STRAIN, rtol=1e-9, atol=1.0
        )


def _cases() -> list[Any]:
    stretch, lateral = 1.0 + STRAIN, 1.0 - 0.4 * STRAIN
    one = {"stretch": stretch}
    tests = [
        make_test(mode, "free", **one, **{stress: ANY})
        for mode in ("uniaxial", "equibiaxial")
        for stress in ("nominal_stress", "true_stress")
    ]
    for mode in ("uniaxial", "equibiaxial", "planar"):
        tests.append(make_test(mode, "incompressible", **one, true_stress=ANY))
        if mode == "planar":
            tests.append(
                make_test(mode, "measured", **one, lateral_stretch=lateral, nominal_stress=ANY)
            )
    two = {"stretch_1": stretch, "stretch_2": 1.0 + SECOND}
    both = {"nominal_stress_1": ANY, "nominal_stress_2": ANY}
    tests.append(make_test("biaxial", "free", **two, **both))
    tests.append(make_test("biaxial", "incompressible", **two, **both))
    tests.append(make_test("biaxial", "incompressible", **two, nominal_stress_2=ANY))
    tests.append(make_test("simple_shear", shear=STRAIN, shear_stress=ANY))
    tests.append(make_test("volumetric", volume_ratio=stretch**3, pressure=ANY))
    return [pytest.param(t, id=f"{t.mode}-{t.lateral}-{'-'.join(t.columns)}") for t in tests]


@pytest.mark.parametrize("kinematics", ["small", "log"])
@pytest.mark.parametrize("test", _cases())
def test_what_a_law_predicts_becomes_pairs_that_it_meets(test: LabTest, kinematics: Any) -> None:
    """Predict a test with a nonlinear law, read it as measured: the pairs lie on the law."""
    law = softening(kinematics)
    # a measured lateral strain of free faces asks for stress there; only planar tests have one
    values = np.split(
        predicted_values(law, test), sum("nominal_stress_" in n for n in test.columns) or 1
    )
    stresses = [n for n in test.columns if n.endswith("stress") or n[:-1].endswith("stress_")]
    stresses = stresses or ["pressure"]
    columns = dict(test.columns) | dict(zip(stresses, values, strict=True))
    pairs = pairs_of(make_test(test.mode, test.lateral, **columns), kinematics, K)
    strain = np.concatenate([pairs.strain, np.zeros_like(pairs.strain)], 1)
    stress = law.stress(torch.from_numpy(strain)).numpy()[:, :3]
    if test.lateral == "measured":
        pairs = _without_the_third(pairs)
    np.testing.assert_allclose(stress @ pairs.seen, pairs.stress, rtol=1e-6, atol=10.0)


def _without_the_third(pairs: Any) -> Any:
    """The made-up lateral stretch frees no face: leave that stress out."""
    first = np.diag([1.0, 0.0, 0.0])
    return type(pairs)(pairs.test, pairs.strain, pairs.stress @ first, first, False)


def test_a_tensor_test_in_mandel_components() -> None:
    columns = {f"{kind}_{c}": ANY + 1.0 for kind in ("strain", "stress") for c in COMPONENTS}
    pairs = pairs_of(make_test("tensor", **columns), "small", None)
    np.testing.assert_allclose(pairs.strain[:, 3:], 2**0.5 * pairs.strain[:, :3])
    work = sum(columns[f"strain_{c}"] * columns[f"stress_{c}"] * f for c, f in FACTORS)
    np.testing.assert_allclose((pairs.strain * pairs.stress).sum(1), work)


COMPONENTS = ("11", "22", "33", "23", "13", "12")
FACTORS = tuple(zip(COMPONENTS, (1, 1, 1, 2, 2, 2), strict=True))


def test_a_free_lateral_strain_that_nothing_tells() -> None:
    test = make_test("uniaxial", stretch=1.0 + STRAIN, nominal_stress=ANY)
    with pytest.raises(InputError, match=r"uniaxial\.csv: found lateral = 'free', expected some"):
        pairs_of(test, "small", None)


def test_a_free_planar_test_lacks_a_stress() -> None:
    test = make_test("planar", stretch=1.0 + STRAIN, nominal_stress=ANY)
    with pytest.raises(InputError, match="planar' with lateral = 'free' and a stress that is not"):
        pairs_of(test, "small", K)
