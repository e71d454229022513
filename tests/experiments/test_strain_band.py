"""The band of a strain error holds the law's stress at every strain inside it, and is that wide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipmat.cli.fitreport import fit_panels
from lipmat.experiments.dataset import Dataset, read_dataset
from lipmat.experiments.dataset import Test as LabTest
from lipmat.experiments.report import FittedLaw, predicted
from lipmat.experiments.strain_band import strain_band
from lipmat.materials.law import Provenance
from tests.fem import laws

ERROR = 0.01
CASES = {
    "rubber": (laws.rubber, ("uniaxial", "equibiaxial", "planar"), "incompressible"),
    "rubber, free": (laws.rubber, ("uniaxial", "equibiaxial", "planar"), "free"),
    "log": (lambda: laws.principal("log"), ("uniaxial", "planar"), "incompressible"),
    "log, free": (lambda: laws.pq("log"), ("uniaxial", "equibiaxial"), "free"),
    "small, free": (laws.principal, ("uniaxial", "planar"), "free"),
    "shear": (laws.rubber, ("simple_shear", "volumetric"), "free"),
    "shear, log": (lambda: laws.principal("log"), ("simple_shear", "volumetric"), "free"),
    "shear, small": (laws.pq, ("simple_shear", "volumetric"), "free"),
}
NAMES = {"simple_shear": ("shear", "shear_stress"), "volumetric": ("volume_ratio", "pressure")}


def _test(mode: Any, lateral: Any, stress: str | None = None) -> tuple[LabTest, str]:
    name, other = NAMES.get(mode, ("stretch", "nominal_stress"))
    x = np.linspace(-0.3, 0.3, 13) if name == "shear" else np.linspace(0.85, 1.3, 10)
    columns = {name: x, stress or other: np.linspace(-1.0, 1.0, len(x))}
    return LabTest("test", mode, lateral, columns, "kPa", Path("test.csv")), name


@pytest.mark.parametrize("case", CASES)
def test_the_band_holds_all_strains_within_the_error(case: str) -> None:
    make, modes, lateral = CASES[case]
    law: FittedLaw = make()
    for mode in modes:
        test, name = _test(mode, lateral)
        band = strain_band(law, test, ERROR)
        assert band is not None
        assert band.error == "± 0.01"
        values = np.array(
            [
                predicted(law, replace(test, columns={**test.columns, name: x}))
                for x in test.columns[name] + ERROR * np.linspace(-1.0, 1.0, 9)[:, None]
            ]
        )
        slack = 1e-9 * np.abs(values).max()
        assert (band.lower <= values.min(0) + slack).all()
        assert (values.max(0) - slack <= band.upper).all()
        widths, found = band.upper - band.lower, np.ptp(values, axis=0)
        assert widths.sum() <= 1.1 * found.sum()


def test_by_default_a_class_1_extensometer() -> None:
    test, _ = _test("uniaxial", "incompressible")
    law = laws.rubber()
    band, wide = strain_band(law, test), strain_band(law, test, 0.003)
    assert band is not None
    assert wide is not None
    assert band.error == "± max(0.0001, 1 %)"
    last = [b.upper[-1] - b.lower[-1] for b in (band, wide)]
    assert last[0] == pytest.approx(last[1], rel=1e-9)  # 1 % of 0.3


@pytest.mark.parametrize(
    ("law", "mode", "lateral", "stress"),
    [
        (laws.rubber, "uniaxial", "measured", None),
        (laws.rubber, "uniaxial", "free", "true_stress"),
        (laws.principal, "uniaxial", "incompressible", None),
        (lambda: laws.principal(softening=True), "uniaxial", "free", None),
        (laws.maxwell, "uniaxial", "free", None),
    ],
)
def test_where_none_is_proved(law: Any, mode: str, lateral: str, stress: str | None) -> None:
    assert strain_band(law(), _test(mode, lateral, stress)[0]) is None


def test_a_dataset_declares_its_error(tmp_path: Path) -> None:
    data = _written(tmp_path, "strain_error = 2e-4")
    law = laws.polyconvex()
    law.provenance = Provenance({"tests": {"pull": {"fitted": True, "r2": 1.0}}})
    (panel,) = fit_panels(law, data)
    assert panel.band is not None
    lower, upper, words = panel.band
    assert words == "± 0.0002"
    assert (lower < panel.y_curve).all()
    assert (panel.y_curve < upper).all()
    with pytest.raises(ValueError, match=r"strain_error: found .* from 1e-9 to 0.5"):
        _written(tmp_path, "strain_error = -1")


def _written(folder: Path, line: str) -> Dataset:
    tests = '[[tests]]\nname = "pull"\nfile = "pull.csv"\nmode = "uniaxial"\n'
    (folder / "dataset.toml").write_text(f"{line}\nincompressible = true\n{tests}")
    rows = "".join(f"{1 + 0.1 * k},{0.02 * k}\n" for k in range(6))
    (folder / "pull.csv").write_text(f"stretch [-],nominal_stress [MPa]\n{rows}")
    return read_dataset(folder)
