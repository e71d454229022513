"""What ``lipmat fit`` shows: the summary and the panels of the plot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.fit import predicted
from lipmat.experiments.modes import measurement
from lipmat.materials.describe import bound_as_dict
from lipmat.materials.law import Law
from lipmat.plotting import FitPanel
from lipmat.units import column_unit


def fit_summary(law: Law, file: Path, plot: Path) -> dict[str, Any]:
    """Return what the command prints, as JSON values."""
    entries = law.provenance.entries
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
        "file": str(file),
        "plot": str(plot),
    }


def fit_panels(law: Any, data: Dataset) -> list[FitPanel]:
    """Return one panel for each test: measured points and the law's values there, in order."""
    panels = []
    for test in data.tests:
        m, curve = measurement(test), measurement(_dense(test))
        seen = law.provenance.entries["tests"][test.name]
        scale = column_unit(test.unit, "stress", test.name)
        panels.append(
            FitPanel(
                test.name,
                m.x,
                m.measured.numpy() / scale,
                curve.x,
                predicted(law, curve).numpy() / scale,
                m.x_label.replace("_", " "),
                f"{'pressure' if test.mode == 'volumetric' else 'stress'} [{test.unit}]",
                seen["fitted"],
                seen["r2"],
            )
        )
    return panels


def _dense(test: Test) -> Test:
    """Return a test with ten points between each two, for a smooth curve."""
    n = len(next(iter(test.columns.values())))
    fine = np.linspace(0, n - 1, 10 * (n - 1) + 1)
    columns = {k: np.interp(fine, np.arange(n), v) for k, v in test.columns.items()}
    return replace(test, columns=columns)
