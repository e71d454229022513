"""How well a law meets the tests of a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.memory_prediction import predict_history
from lipmat.experiments.modes import Response, measurement, predict
from lipmat.experiments.small_prediction import predicted_values
from lipmat.experiments.strain_tests import tensor_columns
from lipmat.materials.conditioned import ConditionedStretch
from lipmat.materials.memory import MemoryLaw
from lipmat.materials.network import NetworkLaw
from lipmat.materials.stretch_law import StretchLaw
from lipmat.materials.stretches import principal_forces
from lipmat.units import column_unit

Array = NDArray[np.float64]
FittedLaw = StretchLaw | ConditionedStretch | NetworkLaw | MemoryLaw


@dataclass(frozen=True)
class TestReport:
    """How well a law meets one test.

    Attributes:
        fitted: Whether it was trained on it.
        n: Number of points.
        r2: Coefficient of determination [-].
        rmse: Root mean square error, in the unit of the file.
        unit: That unit.
        relative: Norm of the errors over the norm of the measured stresses [-].
    """

    fitted: bool
    n: int
    r2: float
    rmse: float
    unit: str
    relative: float


def report(law: FittedLaw, data: Dataset, fitted: Iterable[str]) -> dict[str, TestReport]:
    """Return how well a law meets every test of a dataset that it can predict."""
    names = set(fitted)
    tests = [test for test in data.tests if suits(law, test)]
    return {test.name: _report(law, test, test.name in names) for test in tests}


def suits(law: FittedLaw, test: Test) -> bool:
    """Tell whether a law can predict a test.

    Laws in stretches know no tensors of small strain; laws with material axes know nothing else,
    for a lab test does not tell in which of them it was loaded. Laws with memory need the time,
    and in logarithmic strain axes that stay.
    """
    if isinstance(law, MemoryLaw):
        turning = law.kinematics == "log" and test.mode in ("simple_shear", "tensor")
        return "time" in test.columns and not turning
    if isinstance(law, NetworkLaw):
        return law.isotropic or test.mode == "tensor"
    return test.mode != "tensor"


def measured_values(test: Test) -> Array:
    """Return what a test measured, as :func:`predicted` orders it [Pa]."""
    if test.mode == "tensor":
        return tensor_columns(test, "stress").ravel()
    return np.asarray(measurement(test).measured.numpy())


def predicted(law: FittedLaw, test: Test) -> Array:
    """Return what a sealed law predicts for what a test that suits it measured [Pa]."""
    if isinstance(law, ConditionedStretch):
        law = law.at_values(test.conditions)
    if isinstance(law, MemoryLaw):
        found = predict_history(law, test)
        return found.history.ordered(found.values)
    if isinstance(law, NetworkLaw):
        return predicted_values(law, test)
    with torch.no_grad():
        return np.asarray(predict(measurement(test), response(law)).numpy())


def response(law: StretchLaw) -> Response:
    """Return the derivatives of the energies of a law in stretches."""
    return Response(
        forces=lambda s: principal_forces(law.distortional, s),
        bulk=lambda j: law.bulk_modulus * (j - 1.0),
    )


def _report(law: FittedLaw, test: Test, fitted: bool) -> TestReport:
    pascals = column_unit(test.unit, "stress", f"{test.path}")
    measured = measured_values(test) / pascals
    error = predicted(law, test) / pascals - measured
    r2 = 1.0 - float(np.sum(error**2) / np.sum((measured - measured.mean()) ** 2))
    rmse = float(np.sqrt(np.mean(error**2)))
    relative = float(np.linalg.norm(error) / np.linalg.norm(measured))
    n = len(error) // 6 if test.mode == "tensor" else len(error)
    return TestReport(fitted, n, r2, rmse, test.unit, relative)
