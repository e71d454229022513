"""Predictions linear in weights: a neo-Hookean solid, unknown shear and bulk modulus."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lipmat.experiments.columns import Mode
from lipmat.experiments.linear_model import linear_model, linearised_model
from lipmat.experiments.modes import Measurement, Response, measurement, predict
from tests.experiments.test_modes import ANY, STRETCH, free_test, make_test

X = torch.tensor([0.4, 2.0], dtype=torch.float64)


def law(x: Tensor) -> Response:
    """W = x0 (sum l^2 / 2 - ln J) + (x1 + 1) (J - 1)^2 / 2: a part of it has no unknown."""
    return Response(forces=lambda s: x[0] * (s - 1.0 / s), bulk=lambda j: (x[1] + 1.0) * (j - 1.0))


def units(states: Tensor) -> list[Response]:
    return [law(x) for x in torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).double()]


def derivative(m: Measurement, k: int) -> Tensor:
    step = torch.zeros(2, dtype=torch.float64)
    step[k] = 1e-5
    return (predict(m, law(X + step)) - predict(m, law(X - step))) / 2e-5


def test_known_stretches() -> None:
    m = measurement(make_test("planar", stretch=STRETCH, nominal_stress=ANY))
    model = linear_model(m, units)
    for x in (X, 2.0 * X.flip(0)):
        torch.testing.assert_close(model.at(x), predict(m, law(x)))


@pytest.mark.parametrize("mode", ["uniaxial", "equibiaxial", "planar", "biaxial"])
def test_free_faces_with_their_implicit_derivative(mode: Mode) -> None:
    m = measurement(free_test(mode))
    model = linearised_model(m, units, law(X), X)
    torch.testing.assert_close(model.at(X), predict(m, law(X)))
    for k in (0, 1):
        torch.testing.assert_close(model.columns[:, k], derivative(m, k), rtol=1e-6, atol=1e-7)


def test_two_stresses_of_one_free_face() -> None:
    columns = {f"stretch_{i}": s for i, s in ((1, STRETCH), (2, STRETCH[::-1]))}
    stresses = {f"nominal_stress_{i}": ANY for i in (1, 2)}
    m = measurement(make_test("biaxial", "free", **columns, **stresses))
    model = linearised_model(m, units, law(X), X)
    assert len(model.at(X)) == 2 * len(STRETCH)
    for k in (0, 1):
        torch.testing.assert_close(model.columns[:, k], derivative(m, k), rtol=1e-6, atol=1e-7)
        assert np.abs(model.columns[:, k].numpy()).max() > 1e-3
