"""The bridge, coarse and short: the normalised law crosses, the ordinary one goes to pieces."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

import lipmat

HOME = Path(lipmat.__file__).parents[1] / "simulations" / "bridge"
sys.path.insert(0, str(HOME))
import bridge
import unnormalised
from mesh import write_mesh

SHORT = 0.12  # by which the load comes earlier, after a shorter ramp of its own weight [s]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("bridge")
    write_mesh(folder / "bridge.msh", bridge.SMALL)
    law = lipmat.fit(lipmat.read_dataset(bridge.STEEL), law="pq")
    lipmat.save(law, folder / "steel.safetensors")
    text = (HOME / "case.toml").read_text()
    text = text.replace("(t - 0.45)", f"(t - {SHORT})")
    text = re.sub(r'"(\d+) ms", ', lambda m: f'"{0.25 * int(m[1])} ms", ', text)  # of the ramp
    (folder / "case.toml").write_text(text)
    yield bridge.read_case(folder / "case.toml")
    shutil.rmtree(folder)


def test_the_normalised_law_crosses(case: object) -> None:
    law = lipmat.load(case.materials[0].file)  # type: ignore[attr-defined]
    record = bridge.cross(case, law, "convex", 1.0, SHORT + 0.1, None)  # type: ignore[arg-type]
    assert record.outcome == "completed"
    assert abs(record.summary["energy"]["error"]) <= 1e-3
    assert record.history["stretch_max [-]"].max() > 1.0005


def test_the_ordinary_network_goes_to_pieces_at_the_step_of_its_data_only(case: object) -> None:
    law, r2 = unnormalised.fit(bridge.STEEL)
    assert r2 >= 0.999
    assert law.sampled > 2.0
    wrecked = bridge.cross(case, law, "linearised", 0.9, SHORT + 0.1, None)  # type: ignore[arg-type]
    assert wrecked.outcome in ("energy_error", "nonfinite", "inverted_cell")
    stands = bridge.cross(case, law, "linearised", 0.36, SHORT + 0.1, None)  # type: ignore[arg-type]
    assert stands.outcome == "completed"
