"""Laws with memory fitted to histories: laws are recovered, unseen rates are met."""

from __future__ import annotations

import runpy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import lipmat
from lipmat.errors import InputError
from lipmat.experiments.columns import COMPONENTS
from lipmat.experiments.dataset import Dataset
from lipmat.experiments.dataset import Test as LabTest
from lipmat.experiments.memory_prediction import predict_history
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.memory import MemoryLaw
from lipmat.materials.springs import Spring
from tests.experiments.test_strain_tests import make_test

COPPER = Path(lipmat.__file__).parents[1] / "data" / "ofhc-copper-johnson-cook"
SEEN = ["rate-0.001", "rate-0.1", "rate-10", "rate-1000"]
UNSEEN = [0.003, 0.05, 3.0, 70.0, 700.0]  # [1/s]; no figure of the fit was chosen with them
FAST = 1e5  # [1/s], a hundred times the fastest that was seen


def dataset(*tests: LabTest, **about: Any) -> Dataset:
    """Return tests as a dataset, their names made different."""
    named = tuple(replace(t, name=f"{t.mode}-{i}") for i, t in enumerate(tests))
    settings: dict[str, Any] = dict.fromkeys(("title", "source", "doi", "licence", "hash"), "")
    settings |= dict.fromkeys(("temperature", "density", "young", "poisson"))
    return Dataset(**(settings | about), incompressible=True, tests=named, folder=Path("here"))


def measured(law: MemoryLaw, test: LabTest) -> LabTest:
    """Return a test whose stress is what a law predicts."""
    name = "shear_stress" if test.mode == "simple_shear" else "nominal_stress"
    return replace(test, columns={**test.columns, name: predict_history(law, test).values[0]})


def test_a_linear_maxwell_body_is_recovered() -> None:
    """From a relaxation and a slow cycle: stress of both and of an unseen rate."""
    law = Maxwell.linear([2e6, 1e6], [0.3, 6.0], bulk_modulus=1e9)
    time = np.concatenate([[0.0], np.geomspace(0.02, 20.0, 20)])
    hold = make_test("simple_shear", shear=np.full(21, 0.02), shear_stress=time, time=time)
    path = 0.03 * np.concatenate([np.linspace(0, 1, 11), np.linspace(1, 0, 11)[1:]])
    slow, fast = (
        make_test("uniaxial", "incompressible", stretch=1 + path, nominal_stress=path, time=t)
        for t in (np.linspace(0, 10, 21), np.linspace(0, 1, 21))
    )
    data = dataset(*(measured(law, t) for t in (hold, slow, fast)))
    found = lipmat.fit(data, law="maxwell", tests=["simple_shear-0", "uniaxial-1"], branches=2)
    assert isinstance(found, Maxwell)
    for name, report in found.provenance.entries["tests"].items():
        assert report["relative"] <= 3e-3, name
    assert not found.provenance.entries["tests"]["uniaxial-2"]["fitted"]
    assert float(found.shear_moduli.sum()) == pytest.approx(3e6, rel=0.01)


def test_an_overlay_is_recovered_from_a_loop() -> None:
    strength = [[2 * g * e] for g, e in ((8e9, 0.002), (4e9, 0.006))]
    law = Maxwell([8e9, 4e9], [[1.0]] * 2, [[1e4]] * 2, strength, bulk_modulus=20e9)
    ends = [0.0, 0.01, -0.01, 0.006, 0.0]
    path = np.concatenate([np.linspace(a, b, 20) for a, b in pairwise(ends)])
    test = make_test("uniaxial", "incompressible", stretch=1 + path, nominal_stress=path,
                     time=np.arange(80.0))  # fmt: skip
    found = lipmat.fit(dataset(measured(law, test)), law="maxwell", branches=2)
    assert found.provenance.entries["tests"]["uniaxial-0"]["relative"] <= 5e-3


def test_springs_that_stiffen_are_told_from_others() -> None:
    """Rubber drawn to twice its length: springs of the right kind meet a cycle that is not seen."""
    young, poisson = 6e5 * 1.49, 0.49
    law = Maxwell.linear([2e5, 1e5], [0.5, 8.0], bulk_modulus=young / 0.06, kinematics="log",
                         spring="neo-hookean")  # fmt: skip
    path = np.concatenate([np.linspace(0, 1, 16), np.linspace(1, 0.3, 12)[1:]])
    tests = [
        make_test("uniaxial", "incompressible", stretch=1 + top * path, nominal_stress=path,
                  time=time * np.linspace(0, 1, len(path)))
        for top, time in ((1.0, 20.0), (1.0, 1.0), (0.6, 4.0))
    ]  # fmt: skip
    data = dataset(*(measured(law, test) for test in tests), young=young, poisson=poisson)
    errors = {}
    for spring in get_args(Spring):
        found = lipmat.fit(data, "maxwell", ["uniaxial-0", "uniaxial-1"], kinematics="log",
                           branches=2, spring=spring)  # fmt: skip
        assert found.settings().get("spring", "hencky") == spring
        errors[spring] = found.provenance.entries["tests"]["uniaxial-2"]["relative"]
    assert errors["neo-hookean"] <= 0.01
    assert errors["hencky"] >= 2 * errors["neo-hookean"]


@pytest.fixture(scope="module")
def copper() -> Dataset:
    return lipmat.read_dataset(COPPER)


def test_copper_at_unseen_rates(copper: Dataset) -> None:
    """Largest error of the Kirchhoff stress from a plastic strain of 1e-4 to 2.5: at most 1 %.

    A hundred times beyond the fastest rate, where the foot of Taylor's rod flows, at most 3 %.
    """
    data = copper.select(SEEN)
    law = lipmat.fit(data, law="maxwell", kinematics="log", branches=1, hardening=True)
    make = runpy.run_path(str(COPPER / "make.py"))
    strain = make["STRAINS"]
    for rate in [*UNSEEN, FAST]:
        with np.errstate(over="ignore"):
            truth = -make["stress"](rate)
        columns = {"time": strain / rate, "stretch": np.exp(-strain), "true_stress": truth}
        found = predict_history(law, replace(data.tests[0], columns=columns))
        stress = found.values[0] * np.exp(found.history.strain.sum(1))  # Cauchy to Kirchhoff
        plastic = strain - np.abs(truth) / make["YOUNG"] > 1e-4
        error = np.abs(stress - truth)[plastic] / np.abs(truth)[plastic]
        assert error.max() <= (0.03 if rate == FAST else 0.01), rate


def test_johnson_cooks_coefficients_are_recovered(copper: Dataset) -> None:
    """From the first rows of two rates, to a strain of 3 %."""
    few = [
        replace(t, columns={k: v[:26] for k, v in t.columns.items()})
        for t in copper.select(["rate-0.1", "rate-1000"]).tests
    ]
    law = lipmat.fit(replace(copper, tests=tuple(few)), law="johnson-cook", kinematics="log")
    expected = [90e6, 292e6, 0.31, 0.025, 1.0]
    assert law.arrays()["coefficients"].tolist() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"law": "maxwell", "branches": 0}, "branches: found 0"),
        ({"law": "pq", "branches": 2}, "branches: found it given for law 'pq'"),
        ({"law": "johnson-cook", "hardening": True}, "hardening: found it given"),
        ({"law": "maxwell", "weakly_convex": True}, "weakly_convex: found it given"),
        ({"law": "pq", "spring": "neo-hookean"}, "spring: found it given for law 'pq'"),
        ({"law": "maxwell", "spring": "neo-hookean"}, "spring: found 'neo-hookean' with"),
        ({"law": "maxwell", "spring": "neohookean"}, "neo-hookean"),
        ({"law": "maxwel"}, "maxwell"),
        ({"law": "johnson-cook"}, "elastic constants"),
        ({"law": "maxwell"}, "missing column 'time'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    test = make_test("uniaxial", "incompressible", stretch=[1, 1.1, 1.2, 1.3],
                     nominal_stress=[0, 1, 2, 3])  # fmt: skip
    with pytest.raises(InputError, match=words):
        lipmat.fit(dataset(test), **options)


def test_a_free_face_needs_a_bulk_modulus() -> None:
    test = make_test("uniaxial", "free", stretch=[1, 1.1, 1.2, 1.3], nominal_stress=[0, 1, 2, 3],
                     time=[0, 1, 2, 3])  # fmt: skip
    with pytest.raises(InputError, match="bulk modulus"):
        lipmat.fit(dataset(test), law="maxwell")
    with pytest.raises(InputError, match="lateral = 'free'"):
        lipmat.fit(dataset(test), law="maxwell", kinematics="log", bulk_modulus=1e9)


@pytest.mark.parametrize("mode", ["simple_shear", "tensor"])
@pytest.mark.parametrize("law", ["maxwell", "johnson-cook"])
def test_turning_axes_are_refused_in_logarithmic_strain(mode: str, law: str) -> None:
    columns: dict[str, Any] = {"shear": [0, 1], "shear_stress": [0, 1]}
    if mode == "tensor":
        columns = {f"{q}_{c}": [0, 1] for q in ("strain", "stress") for c in COMPONENTS}
    data = dataset(make_test(mode, **columns, time=[0, 1]), young=1e9, poisson=0.3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"axes of stretch turn in mode '{mode}'"):
        lipmat.fit(data, law=law, kinematics="log")


def test_deviations_weigh_the_readings() -> None:
    """Of a contradiction between two rows only the certain one is met."""
    time = np.linspace(0.0, 1.0, 21)
    truth = 0.01 * np.minimum(time, 0.3) * 1e9
    wrong = np.where(time > 0.5, 2.0, 1.0) * truth
    test = make_test("simple_shear", shear=0.01 * time, shear_stress=wrong, time=time,
                     deviation=np.where(time > 0.5, 1e9, 1e4))  # fmt: skip
    law = lipmat.fit(dataset(test), law="maxwell", branches=1)
    found = predict_history(law, test).values[0]  # type: ignore[arg-type]
    assert np.abs(found - truth).max() <= 0.02 * truth.max()
    zero = replace(test, columns={**test.columns, "deviation": 0.0 * time})
    with pytest.raises(InputError, match=r"'deviation': found 0 Pa in row 1"):
        lipmat.fit(dataset(zero), law="maxwell", branches=1)
