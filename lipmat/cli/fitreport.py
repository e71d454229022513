"""What ``lipmat fit`` shows: the summary and the panels of the plot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.modes import measurement
from lipmat.experiments.report import measured_values, predicted, suits
from lipmat.experiments.strain_tests import MANDEL
from lipmat.materials.describe import bound_as_dict
from lipmat.materials.law import Law
from lipmat.plotting import FitPanel
from lipmat.units import column_unit


def fit_summary(law: Law, file: Path, plot: Path) -> dict[str, Any]:
    """Return what the command prints, as JSON values."""
    entries = law.provenance.entries
    small = ("l_data", "convex_data", "weakly_convex", "bound_origin", "step")
    return {
        "law": law.name,
        "seed": entries["seed"],
        "seconds": entries["seconds"],
        "parameters": int(sum(a.numel() for a in law.arrays().values())),
        "bulk_modulus": {
            "value": float(law.arrays()["bulk_modulus"]),
            "origin": entries["bulk_modulus"],
        },
        "tests": entries["tests"],
        "bound": bound_as_dict(law.bound()),
        **{key: entries[key] for key in small if key in entries},
        "file": str(file),
        "plot": str(plot),
    }


def fit_panels(law: Any, data: Dataset) -> list[FitPanel]:
    """Return one panel for each test that the law can predict.

    Measured points and the law's values there, in order; of a tensor test predicted over measured
    components.
    """
    tests = [test for test in data.tests if suits(law, test)]
    return [_parity(law, t) if t.mode == "tensor" else _curve(law, t) for t in tests]


def _curve(law: Any, test: Test) -> FitPanel:
    m, dense = measurement(test), _dense(test)
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
    """Return a test with ten points between each two, for a smooth curve."""
    n = len(next(iter(test.columns.values())))
    fine = np.linspace(0, n - 1, 10 * (n - 1) + 1)
    columns = {k: np.interp(fine, np.arange(n), v) for k, v in test.columns.items()}
    return replace(test, columns=columns)
