"""Tests as histories, and what laws with memory predict for them, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lipmat.errors import InputError
from lipmat.experiments.histories import batch_of, history_of
from lipmat.experiments.memory_prediction import predict_history
from lipmat.materials.maxwell import Maxwell
from tests.experiments.test_strain_tests import make_test
from tests.fem.laws import polyconvex

G, K = 8e9, 17e9
STEEP = 1e6  # slope of a flow that yields, far above the rates of the tests [1/s]


def yielding(strains: list[float], moduli: list[float]) -> Maxwell:
    """Return branches that yield at elastic strains along a uniaxial test without dashpots."""
    strength = [[2.0 * g * e * 1.5**0.5] for g, e in zip(moduli, strains, strict=True)]
    n = len(moduli)
    return Maxwell(moduli, [[1.0]] * n, [[STEEP]] * n, strength, bulk_modulus=K)


def test_rows_are_reached_in_equal_substeps_from_rest() -> None:
    test = make_test(
        "uniaxial", "incompressible", stretch=[1.02, 1.02, 1.05], nominal_stress=[1, 2, 3],
        time=[1.0, 1.0, 4.0],
    )  # fmt: skip
    history = history_of(test, "small")
    assert history.steps.tolist() == [1.0, 0.0, 3.0]
    assert history.rates() == pytest.approx(1.5**0.5 * np.array([0.02, 0.0, 0.01]))
    batch = batch_of([history], 2)
    assert batch.deviator[:, 0, 0].tolist() == pytest.approx([0.01, 0.02, 0.02, 0.02, 0.035, 0.05])
    assert batch.step[:, 0].tolist() == pytest.approx([0.5, 0.5, 0, 0, 1.5, 1.5])


def test_a_linear_branch_relaxes_and_creeps_along_a_ramp() -> None:
    """Hold after a jump: exp(-t/T); ramp at a constant rate: T (1 - exp(-t/T)); three times G."""
    law = Maxwell.linear([G], [0.5], bulk_modulus=K)
    time = np.linspace(0.0, 2.0, 21)
    hold = make_test("uniaxial", "incompressible", stretch=np.full(21, 1.01), nominal_stress=time,
                     time=time)  # fmt: skip
    expected = 3 * G * 0.01 * np.exp(-time / 0.5)
    assert np.abs(predict_history(law, hold).values - expected).max() <= 1e-3 * expected[0]
    ramp = make_test("simple_shear", shear=0.01 * time, shear_stress=time, time=time)
    expected = G * 0.01 * 0.5 * (1.0 - np.exp(-time / 0.5))
    assert np.abs(predict_history(law, ramp).values - expected).max() <= 1e-3 * expected[-1]


def test_a_loop_of_perfect_plasticity() -> None:
    path = 0.01 * np.concatenate([np.linspace(0, 1, 21), np.linspace(1, -1, 41)[1:]])
    time = np.arange(len(path), dtype=np.float64)
    test = make_test("uniaxial", "incompressible", stretch=1 + path, nominal_stress=path, time=time)
    found = predict_history(yielding([0.004], [G]), test).values[0]
    up, down = np.minimum(path, 0.004), np.maximum(path - 0.01 + 0.004, -0.004)
    expected = 3 * G * np.where(time <= 20, up, down)
    assert np.abs(found - expected).max() <= 1e-3 * expected.max()


def test_loops_of_an_overlay_are_twice_its_first_curve() -> None:
    """Masing's rule: after a reversal the curve is the first one, scaled by two."""
    law = yielding([0.002, 0.005, 0.009], [G, 0.5 * G, 0.7 * G])
    up = 0.02 * np.linspace(0, 1, 41)
    path = np.concatenate([up, 0.02 - 2 * up[1:]])
    test = make_test("uniaxial", "incompressible", stretch=1 + path, nominal_stress=path,
                     time=np.arange(81.0))  # fmt: skip
    found = predict_history(law, test).values[0]
    assert np.abs(found[40] - found[40:] - 2 * found[:41]).max() <= 1e-3 * found.max()


@pytest.mark.parametrize("mode", ["uniaxial", "equibiaxial", "planar"])
@pytest.mark.parametrize("kinematics", ["small", "log"])
def test_free_faces_have_no_traction(mode: str, kinematics: str) -> None:
    """Before it yields the lateral strain is Hooke's, whatever the kinematics."""
    strain = np.linspace(0.0, 1e-3, 6)
    stretch = np.exp(strain) if kinematics == "log" else 1 + strain
    test = make_test(mode, "free", stretch=stretch, nominal_stress=strain, time=strain)  # type: ignore[arg-type]
    law = Maxwell([G], [[1.0]], [[STEEP]], [[1e9]], bulk_modulus=K, kinematics=kinematics)  # type: ignore[arg-type]
    lateral = predict_history(law, test).history.strain[-1, 2] / 1e-3
    nu = (3 * K - 2 * G) / (6 * K + 2 * G)
    expected = {"uniaxial": -nu, "equibiaxial": -2 * nu / (1 - nu), "planar": -nu / (1 - nu)}
    assert lateral == pytest.approx(expected[mode], rel=1e-4)


def test_at_slow_rates_the_equilibrium_law_is_left() -> None:
    stretch = np.linspace(1.0, 2.0, 11)
    rest = polyconvex()
    law = Maxwell.linear([1e5], [1e-6], equilibrium=rest, kinematics="log")
    test = make_test("uniaxial", "incompressible", stretch=stretch, nominal_stress=stretch,
                     time=100 * stretch)  # fmt: skip
    from lipmat.experiments.report import predicted

    assert predicted(law, test) == pytest.approx(predicted(rest, test), rel=1e-6, abs=1.0)


def test_histories_that_are_none_are_refused() -> None:
    columns: dict[str, Any] = {"stretch": [1, 1.1, 1.2, 1.3], "nominal_stress": [0, 1, 2, 3]}
    with pytest.raises(InputError, match="missing column 'time'"):
        history_of(make_test("uniaxial", **columns), "small")
    with pytest.raises(InputError, match="expected time that passes"):
        history_of(make_test("uniaxial", **columns, time=[0, 0, 0, 0]), "small")
    shear = make_test("simple_shear", shear=[0, 1], shear_stress=[0, 1], time=[0, 1])
    with pytest.raises(InputError, match="axes of stretch turn in mode 'simple_shear'"):
        history_of(shear, "log")
