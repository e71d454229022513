"""The damped mount on a coarse mesh: dissipated energy, work, loop and the material's own loss."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import lipmat
from tests.fem.laws import polyconvex

HOME = Path(lipmat.__file__).parents[1] / "simulations" / "damped-mount"
sys.path.insert(0, str(HOME))
import mount
from mount_mesh import Mount

TINY = Mount(through=2, inside=2, across=2, along=8)
FREQUENCY = 80.0


def test_a_cycle_dissipates_what_the_material_loses(tmp_path: Path) -> None:
    shutil.copy(HOME / "case.toml", tmp_path)
    law = mount.damped(polyconvex())
    case = mount.prepare(tmp_path, TINY, law)
    record = mount.shake(case, TINY, FREQUENCY)
    assert record.outcome == "completed"
    assert abs(record.summary["energy"]["error"]) <= 1e-6
    cycle = mount.last_cycle(record, case, TINY, FREQUENCY)
    assert 0.005 <= cycle.amplitude <= 0.05
    assert cycle.dissipated == pytest.approx(mount.loss(law, TINY, cycle), rel=0.03)
    assert cycle.work == pytest.approx(cycle.dissipated, rel=0.01)
    assert cycle.loop == pytest.approx(cycle.dissipated, rel=0.01)
