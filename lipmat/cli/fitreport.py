"""What ``lipmat fit`` shows: the summary and the panels of the plot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.modes import measurement
from lipmat.experiments.report import measured_values, predicted, suits
from lipmat.experiments.strain_band import strain_band
from lipmat.experiments.strain_tests import MANDEL
from lipmat.materials.describe import bound_as_dict
from lipmat.materials.johnson_cook import JohnsonCook
from lipmat.materials.law import Law
from lipmat.materials.maxwell import Maxwell
from lipmat.materials.tolerance import STRAIN_ERROR, stress_tolerance
from lipmat.plotting import FitPanel
from lipmat.units import column_unit

FINE = 200  # points of a test that make a smooth curve by themselves


def fit_summary(law: Law, file: Path, plot: Path) -> dict[str, Any]:
    """Return what the command prints, as JSON values."""
    entries = law.provenance.entries
    small = (
        "substeps",
        "l_data",
        "convex_data",
        "weakly_convex",
        "bound_origin",
        "step",
        "coefficients",
        "correction",
    )
    return {
        "law": law.name,
        "seed": entries["seed"],
        "seconds": entries["seconds"],
        "parameters": int(sum(a.numel() for a in law.arrays().values())),
        "bulk_modulus": {
            "value": law.rest_moduli()[0],
            "origin": entries["bulk_modulus"],
        },
        "tests": entries["tests"],
        "bound": bound_as_dict(law.bound()),
        **{key: entries[key] for key in small if key in entries},
        **memory_of(law),
        "file": str(file),
        "plot": str(plot),
    }


def fit_panels(law: Any, data: Dataset) -> list[FitPanel]:
    """Return one panel for each test that the law can predict.

    Measured points and the law's values there, in order, with a band for the error of the strain
    where one is proved; of a tensor test predicted over measured components.
    """
    tests = [test for test in data.tests if suits(law, test)]
    error = data.strain_error
    return [_parity(law, t) if t.mode == "tensor" else _curve(law, t, error) for t in tests]


def memory_of(law: Law) -> dict[str, Any]:
    """Return what a law remembers, as JSON values, under ``branches``; nothing if it does not.

    The relaxation time is that at rest, None where a branch does not flow at small stress.
    """
    if isinstance(law, JohnsonCook):
        names = ("A [Pa]", "B [Pa]", "n", "C", "reference rate [1/s]")
        found = dict(zip(names, law.coefficients.tolist(), strict=True))
        return {"branches": [{"shear_modulus": float(law.shear_moduli[0]), **found}]}
    if not isinstance(law, Maxwell):
        return {}
    return {"branches": [_branch(law, i) for i in range(law.branches)]}


def tolerance_of(law: Law, strain_error: float | None) -> dict[str, Any]:
    """Return how far a strain error moves the stress, as JSON values, under ``tolerance``.

    Args:
        law: A law with its certified bound.
        strain_error: None: that which its dataset declared, or the default; where nothing can be
            proved for it there is ``no_tolerance``, the reason.

    Raises:
        InputError: Nothing can be proved for the given error.
    """
    if strain_error is not None:
        return {"tolerance": stress_tolerance(law, strain_error).as_dict()}
    try:
        known = law.provenance.entries.get("strain_error", STRAIN_ERROR)
        return {"tolerance": stress_tolerance(law, known).as_dict()}
    except InputError as error:
        return {"tolerance": None, "no_tolerance": str(error)}


def _branch(law: Maxwell, i: int) -> dict[str, Any]:
    shear, strength = float(law.shear_moduli[i]), law.strength[i].tolist()
    slope = float(law.flow_slopes[i, 0])
    dashpot = float(law.flow_knots[i, 0]) == 0.0 and slope > 0.0
    return {
        "shear_modulus": shear,
        "relaxation_time": strength[0] / (2.0 * shear * slope) if dashpot else None,
        "yield_stress": float(law.flow_knots[i, 0]) * strength[0] * 1.5**0.5,
        "strength": {"first": strength[0], "last": strength[-1]},
    }


def _curve(law: Any, test: Test, declared: float | None) -> FitPanel:
    m, dense = measurement(test), _dense(test)
    band = strain_band(law, dense, declared)
    seen = law.provenance.entries["tests"][test.name]
    scale = column_unit(test.unit, "stress", test.name)
    return FitPanel(
        test.name,
        m.x,
        m.measured.numpy() / scale,
        measurement(dense).x,
        predicted(law, dense) / scale,
        m.x_label.replace("_", " "),
        f"{'pressure' if test.mode == 'volumetric' else 'stress'} [{test.unit}]",
        seen["fitted"],
        seen["r2"],
        band=None if band is None else (band.lower / scale, band.upper / scale, band.error),
    )


def _parity(law: Any, test: Test) -> FitPanel:
    """Return a panel of all components of a tensor test, shear stresses as such."""
    seen = law.provenance.entries["tests"][test.name]
    scale = column_unit(test.unit, "stress", test.name)
    measured, found = (
        values.reshape(-1, 6) / MANDEL / scale
        for values in (measured_values(test), predicted(law, test))
    )
    ends = np.array([measured.min(), measured.max()])
    return FitPanel(
        test.name,
        measured.ravel(),
        found.ravel(),
        ends,
        ends,
        f"measured stress components [{test.unit}]",
        f"stress of the law [{test.unit}]",
        seen["fitted"],
        seen["r2"],
        parity=True,
    )


def _dense(test: Test) -> Test:
    """Return a test with ten points between each two, for a smooth curve, if it has few."""
    n = len(next(iter(test.columns.values())))
    if n > FINE:
        return test
    fine = np.linspace(0, n - 1, 10 * (n - 1) + 1)
    columns = {k: np.interp(fine, np.arange(n), v) for k, v in test.columns.items()}
    return replace(test, columns=columns)
