"""``lipmat check`` and the walls, loads, axes and steps of a case, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as imageio
import pytest

from lipmat.materials.file import save
from tests.fem.laws import ridge, steel_like
from tests.test_cli import CASE, Lipmat, lipmat, material, refused

__all__ = ["lipmat", "material"]  # fixtures
MESH = "box:0.1,0.1,0.2:2,2,4:tetrahedron"
DENSITY = ("--density", "930 kg/m^3")


@pytest.fixture(scope="session")
def steel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("law") / "steel.safetensors"
    save(steel_like(), file)
    return file


@pytest.fixture(scope="session")
def fibres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("law") / "fibres.safetensors"
    save(ridge("orthotropic"), file)
    return file


def check(lipmat: Lipmat, *arguments: str | Path) -> dict:
    code, out, err = lipmat("check", *arguments, *DENSITY, "--json")
    assert code == 0, err
    return json.loads(out)


def test_all_three_certificates(lipmat: Lipmat, steel: Path, material: Path) -> None:
    found = check(lipmat, steel, MESH)
    levels = found["levels"]
    assert (found["level"], found["viscosity"]) == ("convex", 0.245)
    assert found["step"] == pytest.approx(levels["convex"]["step"], rel=1e-12)
    products = {name: level["step"] * found["omega_max"] for name, level in levels.items()}
    assert products == pytest.approx({"linearised": 2.0, "convex": 1.6118, "energy": 1.0}, rel=1e-4)
    assert check(lipmat, steel, MESH, "--level", "energy")["step"] == levels["energy"]["step"]
    rubber = check(lipmat, material, MESH)["levels"]
    assert rubber["linearised"]["step"] > 0
    assert rubber["convex"]["step"] is None
    assert "large deformation" in rubber["convex"]["reason"]
    refused(lipmat("check", material, MESH, *DENSITY, "--level", "convex"), "large deformation")


def test_estimates_and_the_worst_cells(lipmat: Lipmat, steel: Path) -> None:
    found = check(lipmat, steel, MESH)
    true = 2 / found["omega_lower"]
    assert {"edge_length", "element", "collatz_wielandt"} == found["estimates"].keys()
    assert found["estimates"]["element"] <= true
    assert found["estimates"]["collatz_wielandt"] <= true
    assert found["estimates"]["edge_length"] > true
    cell = found["limiting_cell"]
    assert cell["size"] == pytest.approx(0.05)
    assert 0 < cell["limit"] <= found["step"] * 1.001
    assert [row["share"] for row in found["mending"]] == [0.001, 0.01, 0.05]
    assert all(row["factor"] >= 1 - 1e-12 for row in found["mending"])


def test_full_integration_is_another_certificate(lipmat: Lipmat, steel: Path) -> None:
    mesh = "box:0.1,0.1,0.2:2,2,4"
    selective, full = (check(lipmat, steel, mesh, "--cells", c) for c in ("selective", "full"))
    assert (selective["formulation"], full["formulation"]) == ("selective", "full")
    assert full["step"] < 0.995 * selective["step"]
    refused(lipmat("check", steel, mesh, *DENSITY, "--cells", "ful"), "--cells", "'full'")


def test_a_requested_step(lipmat: Lipmat, steel: Path) -> None:
    step = check(lipmat, steel, MESH)["step"]
    longer = ("--step", f"{2e6 * step} us")
    refused(lipmat("check", steel, MESH, *DENSITY, *longer), "certified", "mass_scaling")
    found = check(lipmat, steel, MESH, *longer, "--mass-scaling")["requested"]
    assert found["step"] == pytest.approx(2 * step, rel=1e-12)
    assert found["added_mass"]["total"]["mass"] == pytest.approx(930 * 0.002, rel=1e-9)
    assert 1.0 < found["added_mass"]["total"]["share"] < 8.0
    assert check(lipmat, steel, MESH, "--step", f"{step / 2} s")["requested"]["added_mass"] is None
    refused(lipmat("check", steel, MESH, *DENSITY, "--mass-scaling"), "--mass-scaling", "--step")
    refused(lipmat("check", steel, MESH, *DENSITY, "--step", "2 m"), "--step", "a time")


def test_the_picture_of_the_cells(lipmat: Lipmat, steel: Path, tmp_path: Path) -> None:
    picture = tmp_path / "cells.png"
    code, out, _ = lipmat("check", steel, MESH, *DENSITY, "-o", picture)
    assert code == 0
    words = " ".join(out.split())
    for said in ("certified step", "what it proves", "collatz wielandt", "as good as the next"):
        assert said in words
    image = imageio.imread(picture)
    assert image.shape[0] > 700
    assert image.shape[1] > 2000
    colours = image[..., :3].astype(int).max(axis=2) - image[..., :3].astype(int).min(axis=2) > 30
    thirds = [part.mean() for part in (colours[:, :650], colours[:, 750:1300], colours[:, 1500:])]
    assert min(thirds) > 0.002  # the mesh, its worst cells, the histogram
    missing = tmp_path / "none" / "cells.png"
    refused(lipmat("check", steel, MESH, *DENSITY, "-o", missing), "there is no folder")


def test_axes(lipmat: Lipmat, fibres: Path, steel: Path) -> None:
    refused(lipmat("check", fibres, MESH, *DENSITY), "axes of 'ridge': missing")
    axes = ("--axes", "1,0,0;0,1,0")
    refused(lipmat("check", steel, MESH, *DENSITY, *axes), "the law is isotropic")
    refused(lipmat("check", fibres, MESH, *DENSITY, "--axes", "1,0,0;2,0,0"), "parallel")
    assert check(lipmat, fibres, MESH, *axes)["level"] == "convex"


WALL = """
[[boundary]]
on = "z-min"
wall = { plane = { point = [0, 0, "-1 mm"], normal = [0, 0, 1] } }
[[boundary]]
on = "z-max"
traction_field = ["0", "0", "-100*exp(-((x-20*t)/0.5)**2)"]
"""
HELD = '[[boundary]]\non = "z-min"\ndisplacement = [0, 0, 0]\n'


def test_a_case_with_a_wall_a_travelling_load_and_added_mass(
    lipmat: Lipmat, steel: Path, tmp_path: Path
) -> None:
    case, text = tmp_path / "case.toml", CASE.format(file=steel)
    assert HELD in text
    step = 'end = "27 ms"\nstep = "1 ms"'
    text = text.replace(HELD, WALL).replace('end = "2 ms"', step)
    case.write_text(text)
    refused(lipmat("run", case, "-o", tmp_path / "out"), "certified", "mass_scaling = true")
    case.write_text(text.replace(step, f"{step}\nmass_scaling = true"))
    code, out, _ = lipmat("run", case, "-o", tmp_path / "out", "--json")
    summary = json.loads(out)
    assert (code, summary["outcome"]) == (0, "completed")
    assert summary["step"] <= 1e-3 * (1 + 1e-9)
    assert summary["steps"] == 27
    assert summary["added_mass"]["total"]["added"] > 0
    assert abs(summary["energy"]["error"]) < 0.02


def test_a_wall_inside_the_body_leaves_no_folder(
    lipmat: Lipmat, steel: Path, tmp_path: Path
) -> None:
    case = tmp_path / "case.toml"
    case.write_text(CASE.format(file=steel).replace(HELD, WALL.replace("-1 mm", "1 mm")))
    refused(lipmat("run", case, "-o", tmp_path / "out"), "0.001 m inside it", "turn its normal")
    assert not (tmp_path / "out").exists()
