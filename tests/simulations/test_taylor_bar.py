"""Taylor's rod on the coarsest mesh: the reference case, and a flow curve that is continued."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import lipmat
from lipmat.materials.maxwell import Maxwell

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


def test_a_learned_flow_goes_on_as_it_ends() -> None:
    """A logarithmic law of the rate stays one: knots in equal ratios, and the data untouched."""
    rates = np.append(0.0, np.geomspace(1e-2, 1e4, 13))
    stresses = np.append(0.9, 1.1 * rates[1:] ** 0.025)
    rise = np.diff(rates) / np.diff(stresses)
    slopes = np.append(np.diff(rise, prepend=0.0), 0.0)
    law = Maxwell([1.0], stresses[None], slopes[None], [[1.0]], bulk_modulus=1.0)
    found = taylor.continued(law)
    knots, d = (found[name][0].numpy() for name in ("flow_knots", "flow_slopes"))
    assert knots[: len(stresses)] == pytest.approx(stresses)
    assert d[: len(stresses) - 1] == pytest.approx(slopes[:-1])
    assert (d >= 0).all()
    reached = (d * np.maximum(knots[:, None] - knots, 0.0)).sum(1)
    assert reached[-1] >= 1e6
    assert knots[1:] == pytest.approx(1.1 * reached[1:] ** 0.025)
