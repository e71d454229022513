"""Taylor's rod on the coarsest mesh: the reference case."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import lipmat

HOME = Path(lipmat.__file__).parents[1] / "simulations" / "taylor-bar"
sys.path.insert(0, str(HOME))
import taylor
from rod import Rod


def test_the_reference_rod_ends_as_long_and_as_wide_as_published(tmp_path: Path) -> None:
    shutil.copy(HOME / "case.toml", tmp_path)
    case = taylor.prepare(tmp_path, Rod(across=2, along=14))
    (material,) = case.materials
    shot = taylor.shoot(case, lipmat.load(material.file), material.density)
    assert shot.record.outcome == "completed"
    assert 21.4e-3 * 0.985 <= shot.length <= 21.5e-3 * 1.015
    assert 7.0e-3 * 0.97 <= shot.radius <= 7.2e-3 * 1.03
    energy, start = shot.record.summary["energy"], shot.record.history["kinetic_energy [J]"][0]
    assert abs(energy["error"]) <= 1e-3
    assert energy["dissipated"] == pytest.approx(start, rel=0.01)
