"""The code of the guide's pages runs: on large runs, and on what noise does to the stress."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import lipmat
from lipmat.cli import main
from lipmat.cli.simulate import run_case
from lipmat.config import read_case
from tests.fem.laws import law
from tests.materials.conditioned_laws import conditioned

CONDITIONS = Path(__file__).parents[1] / "docs" / "guide" / "conditions.md"
FIT = Path(__file__).parents[1] / "docs" / "guide" / "fit.md"
PAGE = Path(__file__).parents[1] / "docs" / "guide" / "large.md"


def test_large_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    lipmat.save(law("rubber"), "rubber.safetensors")
    Path("case.toml").write_text(case.replace("[output]", "[output]\npicture = false"))
    run = run_case(read_case("case.toml"), Path("block"))
    assert run.outcome == "completed"
    assert Path("block/pieces/0-00000.h5").is_file()
    names: dict[str, np.ndarray] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    assert names["displacement"].shape == (5 * 5 * 9, 3)
    found, expected = (
        np.sort(np.abs(u).max(axis=1)) for u in (names["displacement"], run.displacement)
    )
    assert found.tobytes() == expected.tobytes()
    assert 0.01 < found.max() < 0.1


def test_how_far_noise_moves_the_stress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = re.findall(r"```python\n(.*?)```", FIT.read_text(), re.DOTALL)
    (code,) = (c for c in codes if "stress_tolerance" in c)
    monkeypatch.chdir(tmp_path)
    lipmat.save(lipmat.LinearElastic(210e9, 0.3), "steel.safetensors")
    exec(compile(code, FIT.name, "exec"), {})
    assert capsys.readouterr().out == (
        "|ds| at most 1.05e+08 Pa, and 1.05e+08 Pa is possible\n"
        "in a pull with free sides at most 4.2e+07 Pa\n"
    )


def test_laws_that_depend_on_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = CONDITIONS.read_text()
    dataset, case = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("dataset.toml").write_text(dataset)
    Path("pad-1.csv").write_text("stretch [-],nominal_stress [MPa]\n1.1,1\n1.2,2\n1.3,3\n1.4,4\n")
    (test,) = lipmat.read_dataset(".").tests
    assert test.conditions == {"temperature": pytest.approx(296.15), "porosity": 0.12}
    lipmat.save(conditioned(), "pads.safetensors")
    at, _ = (line for line in page.splitlines() if line.startswith("lipmat check"))
    with pytest.raises(SystemExit) as left:
        main(shlex.split(at)[1:])
    assert left.value.code == 0
    assert "at temperature 60 degC, porosity 0.1" in capsys.readouterr().out
    Path("case.toml").write_text(f"{case}\n[output]\npicture = false\n")
    assert run_case(read_case("case.toml"), Path("pad")).outcome == "completed"
    exec(compile(code, CONDITIONS.name, "exec"), {})
    assert capsys.readouterr().out.startswith("('temperature', 'porosity') ")
    assert type(lipmat.load("hot-pads.safetensors")) is lipmat.PolyconvexStretch
