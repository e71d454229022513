"""Loading modes against the closed forms of a neo-Hookean solid.

W = mu/2 sum l_i^2 + h(J),   h'(J) = kappa (J - 1) - mu / J
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lipmat.errors import InputError
from lipmat.experiments import dataset
from lipmat.experiments.columns import Mode
from lipmat.experiments.dataset import Lateral
from lipmat.experiments.modes import Response, measurement, predict, solve_lateral, with_lateral

MU, KAPPA = 0.4e6, 3.0e6
STRETCH = np.array([0.6, 0.8, 1.0, 1.3, 2.0, 3.5])


def h_rate(j: Any, mu: Any = MU) -> Any:
    return KAPPA * (j - 1.0) - mu / j


def neo_hookean(mu: Any = MU) -> Response:
    return Response(forces=lambda s: mu * s, bulk=lambda j: h_rate(j, mu))


def make_test(mode: Mode, lateral: Lateral = "incompressible", **columns: Any) -> dataset.Test:
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    return dataset.Test(mode, mode, lateral, arrays, "Pa", Path(f"{mode}.csv"))


def predicted(test: dataset.Test) -> Any:
    return predict(measurement(test), neo_hookean()).numpy()


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9 * MU)


ANY = np.arange(len(STRETCH))  # measured stresses do not enter a prediction


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("uniaxial", MU * (STRETCH - STRETCH**-2)),
        ("equibiaxial", MU * (STRETCH - STRETCH**-5)),
        ("planar", MU * (STRETCH - STRETCH**-3)),
    ],
)
def test_incompressible_modes(mode: Mode, expected: Any) -> None:
    close(predicted(make_test(mode, stretch=STRETCH, nominal_stress=ANY)), expected)
    close(predicted(make_test(mode, stretch=STRETCH, true_stress=ANY)), expected * STRETCH)
    both = make_test(mode, stretch=STRETCH, nominal_stress=ANY, true_stress=2 * ANY)
    close(predicted(both), expected)
    assert measurement(both).measured.tolist() == ANY.tolist()


def test_biaxial_stresses_are_put_end_to_end() -> None:
    a, b = STRETCH, STRETCH[::-1]
    expected = [MU * (a - a**-3 * b**-2), MU * (b - b**-3 * a**-2)]
    columns = {"stretch_1": a, "stretch_2": b}
    both = make_test("biaxial", **columns, nominal_stress_1=ANY, nominal_stress_2=2 * ANY)
    close(predicted(both), np.concatenate(expected))
    assert measurement(both).measured.tolist() == [*ANY, *(2 * ANY)]
    assert len(measurement(both).x) == 2 * len(STRETCH)
    close(predicted(make_test("biaxial", **columns, nominal_stress_2=ANY)), expected[1])


def test_simple_shear() -> None:
    shear = np.array([-0.7, -0.1, 0.0, 1e-8, 0.3, 2.0])
    close(predicted(make_test("simple_shear", shear=shear, shear_stress=ANY)), MU * shear)


def test_volumetric() -> None:
    j = np.array([0.8, 0.95, 1.0, 1.05, 1.1, 1.3])
    found = predicted(make_test("volumetric", volume_ratio=j, pressure=ANY))
    close(found, -(MU * j ** (-1 / 3) + h_rate(j)))


@pytest.mark.parametrize("mode", ["uniaxial", "equibiaxial", "planar"])
def test_measured_lateral_stretch(mode: Mode) -> None:
    lateral = STRETCH**-0.3
    j = (
        STRETCH
        * {"uniaxial": lateral**2, "equibiaxial": STRETCH * lateral, "planar": lateral}[mode]
    )
    nominal = MU * STRETCH + h_rate(j) * j / STRETCH
    columns = {"stretch": STRETCH, "lateral_stretch": lateral}
    close(predicted(make_test(mode, "measured", **columns, nominal_stress=ANY)), nominal)
    true = make_test(mode, "measured", **columns, true_stress=ANY)
    close(predicted(true), nominal * STRETCH / j)


def test_measured_lateral_stretch_of_a_biaxial_test() -> None:
    a, b, c = STRETCH, STRETCH[::-1] ** 0.5, STRETCH**-0.2
    columns = {"stretch_1": a, "stretch_2": b, "lateral_stretch": c}
    j = a * b * c
    found = predicted(make_test("biaxial", "measured", **columns, nominal_stress_1=ANY))
    close(found, MU * a + h_rate(j) * j / a)


FREE = {"uniaxial": (1, 2), "equibiaxial": (2,), "planar": (2,), "biaxial": (2,)}


def free_test(mode: Mode) -> dataset.Test:
    if mode == "biaxial":
        columns = {"stretch_1": STRETCH, "stretch_2": STRETCH[::-1], "nominal_stress_1": ANY}
        return make_test(mode, "free", **columns)
    return make_test(mode, "free", stretch=STRETCH, nominal_stress=ANY)


@pytest.mark.parametrize("mode", FREE)
def test_free_faces_have_no_traction(mode: Mode) -> None:
    start = measurement(free_test(mode)).stretches
    solved = with_lateral(mode, start, solve_lateral(mode, start, neo_hookean()))
    free = list(FREE[mode])
    held = [i for i in range(3) if i not in free]
    assert torch.equal(solved[:, held], start[:, held])
    tractions = MU * solved + (h_rate(solved.prod(1)) * solved.prod(1))[:, None] / solved
    assert float(tractions[:, free].abs().max()) <= 1e-12 * KAPPA
    assert float((solved.prod(1) - 1).abs().max()) > 1e-3
    close(predicted(free_test(mode)), tractions[:, 0].numpy())


def test_free_faces_of_a_nearly_incompressible_solid() -> None:
    """The uniaxial stress tends to that of the incompressible one."""
    kappa = 1e6 * MU
    stiff = Response(forces=lambda s: MU * s, bulk=lambda j: kappa * (j - 1) - MU / j)
    found = predict(measurement(free_test("uniaxial")), stiff).numpy()
    np.testing.assert_allclose(found, MU * (STRETCH - STRETCH**-2), rtol=1e-5, atol=1e-5 * MU)


def test_a_tensor_test_is_refused() -> None:
    with pytest.raises(InputError, match=r"tensor\.csv: mode 'tensor' cannot be fitted"):
        measurement(make_test("tensor"))


def test_a_stress_that_does_not_vary_is_refused() -> None:
    with pytest.raises(InputError, match=r"planar\.csv: found a stress of 0 Pa at every point"):
        measurement(make_test("planar", stretch=STRETCH, nominal_stress=0 * STRETCH))
