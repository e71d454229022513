"""Classical laws and their corrections, fitted to Treloar's rubber and to data of a known law."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import lipmat
from lipmat.errors import InputError
from lipmat.experiments.correct import PENALTY, CorrectionProblem
from lipmat.experiments.modes import measurement, predict
from lipmat.experiments.problem import size_of
from lipmat.experiments.report import predicted, report, response
from lipmat.materials.carroll import Carroll
from lipmat.materials.domain import StretchDomain
from lipmat.materials.stretches import forces_and_hessian

if TYPE_CHECKING:
    from lipmat.experiments.dataset import Dataset, Test

NAMES = ("carroll", "extended-tube")
KNOWN = (1.5e5, 20.0, 8e4)
KAPPA = 4e7


@pytest.fixture(scope="module", params=NAMES)
def pair(request: pytest.FixtureRequest, treloar: Dataset) -> tuple[Carroll, Carroll]:
    """Return a classical law alone and corrected."""
    corrected = lipmat.fit(treloar, law=request.param, correction=True, bulk_modulus=KAPPA)
    return without_correction(corrected), corrected


def without_correction(law: Carroll) -> Carroll:
    """Return the classical law that was corrected; its coefficients were fitted first."""
    return type(law)(law.coefficients, law.bulk_modulus, law.domain)


def r2(law: Carroll, data: Dataset) -> dict[str, float]:
    return {name: found.r2 for name, found in report(law, data, []).items()}


def test_the_correction_is_better_on_every_test(
    pair: tuple[Carroll, Carroll], treloar: Dataset
) -> None:
    alone, corrected = (r2(law, treloar) for law in pair)
    assert len(alone) == 3
    assert min(alone.values()) >= 0.997
    for name, value in alone.items():
        assert corrected[name] > value
    assert min(corrected["equibiaxial"], corrected["planar"]) >= 0.9995


def test_the_bound_of_the_sum_is_near_that_of_the_classical_law(
    pair: tuple[Carroll, Carroll],
) -> None:
    alone, corrected = (law.bound() for law in pair)
    assert len(alone.rungs) == len(corrected.rungs) > 5
    for before, after in zip(alone.rungs, corrected.rungs, strict=True):
        assert before.domain == after.domain
        ratio = after.tangent["distortional"] / before.tangent["distortional"]
        assert 0.9 < ratio <= 1.2
        assert before.tangent["volumetric"] == after.tangent["volumetric"]
    assert corrected.value <= 1.2 * alone.value


def test_the_classical_law_rules_beyond_the_tests(pair: tuple[Carroll, Carroll]) -> None:
    """The forces of f are constant there."""
    alone, corrected = pair
    found = corrected.provenance.entries["correction"]
    assert 0.0 < found["share_outside"] < found["share_inside"] < 0.05
    beyond = torch.tensor([[8.0, 9.0, 10.0]], dtype=torch.float64)
    _, hessian = forces_and_hessian(corrected.correction.energy, beyond)
    modulus = alone.rest_moduli()[1]
    assert float(hessian[0].diagonal().abs().max()) <= 1e-10 * modulus
    assert float(hessian[0].abs().max()) >= 1e-4 * modulus  # g has a constant slope of its own


def test_readings_left_out_are_predicted_better_than_by_the_classical_law(
    pair: tuple[Carroll, Carroll], treloar: Dataset
) -> None:
    """By the hat matrix of the linear problem; with a smaller penalty they would be worse."""
    problem = CorrectionProblem(pair[0], [measurement(t) for t in treloar.tests])
    zero = torch.zeros(sum(problem.sizes), dtype=torch.float64)
    error, columns = (torch.cat(parts) for parts in zip(*problem.errors(zero), strict=True))

    def left_out(penalty: float) -> float:
        gram = columns.T @ columns + penalty**2 / len(zero) * torch.eye(len(zero)).double()
        hat = columns @ torch.linalg.solve(gram, columns.T)
        return float(((error - hat @ error) / (1.0 - hat.diagonal())).norm())

    assert left_out(PENALTY) < 0.97 * float(error.norm())
    assert left_out(PENALTY) < 0.97 * left_out(0.2 * PENALTY)


def of_law(law: Carroll, data: Dataset, *changes: dict[str, object]) -> Dataset:
    """Return a dataset of what a law predicts for tests, some of them changed."""
    tests = [replace(t, **c) for t, c in zip(data.tests, changes, strict=False)]
    tests += data.tests[len(tests) :]
    return replace(data, tests=tuple(measured(law, t) for t in tests))


def measured(law: Carroll, test: Test) -> Test:
    stress = next(name for name in test.columns if name in ("nominal_stress", "pressure"))
    return replace(test, columns={**test.columns, stress: predicted(law, test)})


def known() -> Carroll:
    return Carroll(KNOWN, KAPPA, StretchDomain(0.04, 7.7, 0.6, 1.6))


def test_the_coefficients_of_a_known_law_are_found_and_need_no_correction(
    treloar: Dataset,
) -> None:
    data = of_law(known(), treloar)
    law = lipmat.fit(data, law="carroll", correction=True)
    assert law.coefficients.tolist() == pytest.approx(KNOWN, rel=1e-5)
    assert law.provenance.entries["correction"]["share_inside"] < 1e-6
    assert law.provenance.entries["bulk_modulus"] == "assumed 100 x shear modulus"


def test_free_faces_and_pressure_tell_the_bulk_modulus(treloar: Dataset) -> None:
    volume = np.linspace(0.9, 1.05, 12)
    stress = np.linspace(0.1, 1.0, 12)  # to be replaced by what the law predicts
    changes = (
        {"lateral": "free"},
        {"mode": "volumetric", "columns": {"volume_ratio": volume, "pressure": stress}},
    )
    data = of_law(known(), treloar, *changes)
    law = lipmat.fit(data, law="carroll")
    assert law.provenance.entries["bulk_modulus"] == "fitted"
    assert float(law.bulk_modulus) == pytest.approx(KAPPA, rel=1e-4)
    assert law.coefficients.tolist() == pytest.approx(KNOWN, rel=1e-3)


def test_errors_and_their_derivatives_are_those_of_the_corrected_law(treloar: Dataset) -> None:
    """With free faces, too, whose stretches change with the correction."""
    data = of_law(known(), treloar, {"lateral": "free"})
    measurements = [measurement(t) for t in data.tests]
    problem, rng = CorrectionProblem(known(), measurements), np.random.default_rng(0)
    x, way = torch.from_numpy(0.1 * rng.standard_normal((2, sum(problem.sizes))))

    def errors(step: float) -> torch.Tensor:
        law = problem.with_curvature(x + step * way)
        found = [predict(m, response(law)) - m.measured for m in measurements]
        sizes = [size_of(m.measured, len(measurements)) for m in measurements]
        return torch.cat([error / size for error, size in zip(found, sizes, strict=True)])

    values, derivatives = (torch.cat(parts) for parts in zip(*problem.errors(x), strict=True))
    size = float(values.abs().max())
    torch.testing.assert_close(values, errors(0.0), rtol=0, atol=1e-9 * size)
    rate = (errors(1e-4) - errors(-1e-4)) / 2e-4
    torch.testing.assert_close(derivatives @ way, rate, rtol=0, atol=1e-6 * float(rate.abs().max()))


def test_only_classical_laws_are_corrected(treloar: Dataset) -> None:
    with pytest.raises(
        InputError, match=r"correction: found it given for law 'polyconvex-stretch'"
    ):
        lipmat.fit(treloar, correction=True)
