"""The command line: what it prints, which exit code, and that bad input leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lipmat.cli import main
from lipmat.experiments.dataset import Dataset
from lipmat.materials.file import save
from lipmat.materials.polyconvex import PolyconvexStretch
from tests.fem.laws import rubber
from tests.fem.runs import assert_same

ROOT = Path(__file__).parents[1]
TRELOAR = ROOT / "data" / "treloar-1944"
Lipmat = Callable[..., tuple[int, str, str]]
CASE = """
title = "test"
[mesh]
box = {{ size = [0.1, 0.1, 0.2], cells = [2, 2, 4] }}
[[materials]]
file = "{file}"
density = "930 kg/m^3"
[time]
end = "2 ms"
[[boundary]]
on = "z-min"
displacement = [0, 0, 0]
[initial]
velocity = [0, 0, "-2 m/s"]
[output]
every = "0.2 ms"
picture = false
"""


@pytest.fixture
def lipmat(capsys: pytest.CaptureFixture[str]) -> Lipmat:
    """Run a command; return exit code, standard output and standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("law") / "rubber.safetensors"
    save(rubber(), file)
    return file


def refused(result: tuple[int, str, str], *words: str) -> None:
    code, _, err = result
    assert code == 2
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_help_names_every_command_and_is_quick_to_import() -> None:
    heavy = "{'torch', 'dolfinx', 'pyvista', 'numpy'}"
    script = f"import sys, lipmat.cli; print(sorted({heavy} & sys.modules.keys()))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["demo", "fit", "info", "check", "run", "resume", "plot"])
def test_help_shows_an_example(lipmat: Lipmat, command: str) -> None:
    code, out, _ = lipmat(command, "-h")
    assert code == 0
    assert f"Example:  lipmat {command}" in out


def test_fit_prints_the_promised_keys(lipmat: Lipmat, tmp_path: Path) -> None:
    file = tmp_path / "rubber.safetensors"
    options = ("-o", file, "--tests", "uniaxial,equibiaxial", "--bulk-modulus", "40 MPa", "--json")
    code, out, _ = lipmat("fit", TRELOAR, *options)
    result = json.loads(out)
    assert code == 0
    assert {"law", "seed", "seconds", "parameters", "tests", "bound", "file"} <= result.keys()
    assert result["tests"]["planar"]["fitted"] is False
    assert result["tests"]["planar"]["r2"] >= 0.999
    assert result["tests"]["uniaxial"]["unit"] == "MPa"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rubber.png", "rubber.safetensors"]
    assert lipmat("info", file)[0] == 0
    code, out, _ = lipmat("check", file, "box:0.1,0.1,0.2:1,1,2", "--json")
    assert (code, json.loads(out)["density"]) == (0, 930.0)  # that of the dataset
    assert json.loads(lipmat("info", file, "--json")[1])["law"] == "polyconvex-stretch"


def test_check_prints_the_promised_keys(lipmat: Lipmat, material: Path) -> None:
    mesh = "box:0.1,0.1,0.2:2,2,4"
    code, out, _ = lipmat("check", material, mesh, "--density", "930 kg/m^3", "--json")
    result = json.loads(out)
    assert code == 0
    keys = {"step", "level", "viscosity", "omega_max", "omega_rule", "failure_probability"}
    assert keys | {"limiting_cell", "estimates"} <= result.keys()
    assert result["step"] == pytest.approx(2 / result["omega_max"], rel=1e-12)
    assert result["estimates"]["element"] <= result["step"] * 1.0005
    steps = [rung["step"] for rung in result["ladder"]]
    assert np.all(np.diff(steps) < 0)
    assert lipmat("check", material, mesh, "--density", "930 kg/m^3")[0] == 0


def test_run_leaves_its_records(lipmat: Lipmat, material: Path, tmp_path: Path) -> None:
    case = tmp_path / "case.toml"
    case.write_text(CASE.format(file=material))
    code, out, _ = lipmat("run", case, "-o", tmp_path / "out", "--json")
    summary = json.loads(out)
    assert code == 0
    assert summary["outcome"] == "completed"
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text())
    names = {"summary.json", "history.csv", "fields.vtkhdf", "case.toml"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    assert lipmat("run", tmp_path / "out" / "case.toml", "-o", tmp_path / "again")[0] == 0
    assert lipmat("plot", tmp_path / "out", "--no-movie")[0] == 0
    assert (tmp_path / "out" / "run.png").stat().st_size > 10_000


def test_a_bad_outcome_exits_with_one(lipmat: Lipmat, material: Path, tmp_path: Path) -> None:
    case = tmp_path / "case.toml"
    case.write_text(CASE.format(file=material).replace("-2 m/s", "-300 m/s"))
    code, out, _ = lipmat("run", case, "-o", tmp_path / "out", "--json")
    assert code == 1
    assert json.loads(out)["outcome"] in ("inverted_cell", "left_domain")


LIMITED = 'end = "2 ms"\nenergy_limits = [-1e-9, 1e-9]'


def test_resume_ends_as_the_run_in_one_go(lipmat: Lipmat, material: Path, tmp_path: Path) -> None:
    """Stopped by the energy guard; its limits may be widened, the rest of the case may not."""
    case = tmp_path / "case.toml"
    case.write_text(CASE.format(file=material))
    assert lipmat("run", case, "-o", tmp_path / "whole")[0] == 0
    case.write_text(CASE.format(file=material).replace('end = "2 ms"', LIMITED))
    out = tmp_path / "out"
    code, said, _ = lipmat("run", case, "-o", out)
    words = " ".join(said.split())
    assert code == 1
    assert "energy_error: energy" in words
    assert "limit" in words
    assert "advice: check loads" in words
    assert "to go on from the last good state: lipmat resume" in words
    left = (out / "case.toml").read_text()
    for old, new, word in (
        ("end = 0.002", "end = 0.003", "end 0.003"),
        ("density = 930.0", "density = 931.0", "materials"),
        ("cells = [2, 2, 4]", "cells = [2, 2, 5]", "mesh"),
        ("velocity = [0.0, 0.0, -2.0]", "velocity = [0.0, 0.0, -3.0]", "case"),
    ):
        assert old in left
        (out / "case.toml").write_text(left.replace(old, new))
        refused(lipmat("resume", out), "restart.npz", f"found {word}", "expected")
    (out / "case.toml").write_text(left.replace("[-1e-09, 1e-09]", "[-0.1, 0.1]"))
    code, said, _ = lipmat("resume", out, "--json")
    assert (code, json.loads(said)["outcome"]) == (0, "completed")
    assert_same(out, tmp_path / "whole")


def test_what_cannot_be_resumed(lipmat: Lipmat, material: Path, tmp_path: Path) -> None:
    for command in ("resume", "plot"):
        refused(lipmat(command, tmp_path / "none"), "none", "there is no such folder")
    (tmp_path / "empty").mkdir()
    refused(lipmat("resume", tmp_path / "empty"), "empty", "there is no case.toml")
    case = tmp_path / "case.toml"
    short = 'end = "0.2 ms"\nenergy_warning = 1e-9'
    case.write_text(CASE.format(file=material).replace('end = "2 ms"', short))
    refused(lipmat("resume", tmp_path), "there is no restart.npz", "lipmat run")
    code, said, _ = lipmat("run", case, "-o", tmp_path / "out")
    assert code == 0
    assert " ".join(said.split()).count("look before you trust") == 2  # when it happens, at the end
    refused(lipmat("resume", tmp_path / "out"), "the run is complete, there is nothing to resume")


def dataset(folder: Path, table: str, mode: str = "uniaxial") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "pull.csv").write_text(table)
    text = f'incompressible = true\n[[tests]]\nname = "pull"\nfile = "pull.csv"\nmode = "{mode}"\n'
    (folder / "dataset.toml").write_text(text)
    return folder


GOOD = [(1.0, 0.0), (1.5, 0.4), (2.0, 0.6), (3.0, 0.9)]


def table(rows: list[tuple[float, ...]], header: str = "stretch [-],nominal_stress [MPa]") -> str:
    return "\n".join([header, *(",".join(map(str, r)) for r in rows)]) + "\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (table(GOOD, "stretch [-],force [N]"), ["pull.csv", "force"]),
        (table(GOOD, "stretch [-],nominal_stress [mm]"), ["pull.csv", "mm", "stress"]),
        (table([*GOOD, (0.0, 1.0)]), ["pull.csv", "line 6", "0.0"]),
        (table([*GOOD, (3.5, float("nan"))]), ["pull.csv", "line 6", "nan"]),
        (table(GOOD[:3]), ["pull.csv", "3", "4"]),
        (
            table(
                [(i, *g) for i, g in zip((0, 1, 0.5, 2), GOOD, strict=True)],
                "time [s],stretch [-],nominal_stress [MPa]",
            ),
            ["pull.csv", "line 4", "time"],
        ),
    ],
    ids=["column", "unit", "stretch", "nan", "points", "time"],
)
def test_bad_data(lipmat: Lipmat, tmp_path: Path, content: str, words: list[str]) -> None:
    file = tmp_path / "law.safetensors"
    refused(lipmat("fit", dataset(tmp_path / "data", content), "-o", file), *words)
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_unknown_names(lipmat: Lipmat, tmp_path: Path, material: Path) -> None:
    refused(lipmat("fit", TRELOAR, "--law", "polyconvex-strech"), "polyconvex-stretch")
    refused(lipmat("fit", TRELOAR, "--tests", "planer"), "planar")
    refused(lipmat("fit", TRELOAR, "--bulk-modulus", "3 kg"), "--bulk-modulus", "3 kg")
    refused(lipmat("fit", TRELOAR, "--seed", "-1"), "seed", "-1")
    refused(lipmat("fitt"), "fit")
    case = tmp_path / "case.toml"
    case.write_text(CASE.format(file=material).replace("every", "evry"))
    refused(lipmat("run", case), "case.toml", "evry", "every")
    for old, new, words in (
        ('"z-min"', '"bottom"', ["bottom", "z-min"]),
        ('density = "930', 'region = "core"\ndensity = "930', ["core"]),
        ("930 kg", "-930 kg", ["density", "-930"]),
    ):
        case.write_text(CASE.format(file=material).replace(old, new))
        refused(lipmat("run", case, "-o", tmp_path / "out"), *words)
    assert not (tmp_path / "out").exists()
    density = ("--density", "-1 kg/m^3")
    refused(lipmat("check", material, "box:1,1,1:1,1,1", *density), "density", "-1")
    level = ("--density", "930", "--level", "convx")
    refused(lipmat("check", material, "box:1,1,1:1,1,1", *level), "level", "convex")


def test_bad_meshes(lipmat: Lipmat, tmp_path: Path, material: Path) -> None:
    import meshio

    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0], [1, 1, 1]])
    for cells, word in (
        ([[0, 1, 2, 3], [0, 2, 1, 3]], "inverted"),
        ([[0, 1, 2, 3], [0, 1, 2, 1]], ""),
    ):
        mesh = tmp_path / "bad.vtu"
        meshio.Mesh(points, [("tetra", np.array(cells))]).write(mesh)
        refused(lipmat("check", material, mesh, "--density", "930"), "bad.vtu", "cell 1", word)


def test_spoiled_material_files(lipmat: Lipmat, tmp_path: Path, material: Path) -> None:
    content = material.read_bytes()
    file = tmp_path / "spoiled.safetensors"
    for spoiled in (content[: len(content) // 2], content[:-8] + bytes(8)):
        file.write_bytes(spoiled)
        refused(lipmat("info", file), "spoiled.safetensors")
    refused(lipmat("info", tmp_path / "none.safetensors"), "none.safetensors")


def test_python_names_are_those_of_the_commands() -> None:
    import lipmat

    assert {
        "read_dataset",
        "fit",
        "save",
        "load",
        "Body",
        "critical_step",
        "march",
        "resume",
    } <= set(dir(lipmat))
    assert isinstance(lipmat.read_dataset(TRELOAR), Dataset)
    assert lipmat.PolyconvexStretch is PolyconvexStretch
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        lipmat.fitt  # noqa: B018


def test_demo(lipmat: Lipmat, tmp_path: Path) -> None:
    code, out, _ = lipmat("demo", "-o", tmp_path / "demo")
    assert code == 0
    names = {p.name for p in (tmp_path / "demo").iterdir()}
    pictures = {"fit.png", "run.png", "energy.png", "movie.mp4"}
    records = {"summary.json", "history.csv", "fields.vtkhdf", "treloar.safetensors"}
    assert names == pictures | records
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["outcome"] == "completed"
    assert abs(summary["energy"]["error"]) < 0.005
    assert "certified step" in out


def test_the_rubber_column_runs(lipmat: Lipmat, material: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rubber-column"
    shutil.copytree(ROOT / "simulations" / "rubber-column", folder)
    shutil.copy(material, folder / "rubber.safetensors")
    case = (folder / "case.toml").read_text()
    case = case.replace("[8, 8, 48]", "[2, 2, 12]").replace("movie = true", "movie = false")
    (folder / "case.toml").write_text(case.replace('"0.7 s"', '"0.1 s"'))
    code, out, _ = lipmat("run", folder / "case.toml", "-o", tmp_path / "out", "--json")
    assert code == 0
    assert abs(json.loads(out)["energy"]["error"]) < 0.01  # on 2 x 2 x 12 cells
