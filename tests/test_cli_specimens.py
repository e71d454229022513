"""``lipmat specimens`` and ``lipmat run --specimens``."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipmat.cli import ensemble
from lipmat.cli import specimens as drawing
from lipmat.cli.terminal import Terminal
from lipmat.experiments.specimens import learn_population
from lipmat.fem import assembly
from lipmat.materials.file import load, save
from tests.experiments import rubbers
from tests.fem.laws import polyconvex
from tests.test_cli import CASE, Lipmat, lipmat, refused

__all__ = ["lipmat"]  # a fixture

PROBE = 'probes = [[0.05, 0.05, 0.2]]\nevery = "0.2 ms"'


def test_specimens(
    lipmat: Lipmat,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(drawing, "learn_population", partial(learn_population, steps=10))
    rng = np.random.default_rng(0)
    rubbers.write_dataset(tmp_path / "data", rubbers.parameters(4, rng), rng)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "specimen-9.safetensors").touch()
    code, out, err = lipmat(
        "specimens", tmp_path / "data", "-o", tmp_path / "out", "--number", 2, "--json"
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["law"], found["seed"], len(found["given"])) == ("polyconvex-stretch", 0, 4)
    assert found["files"] == [str(tmp_path / f"out/specimen-{i}.safetensors") for i in (1, 2)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "specimen-1.safetensors",
        "specimen-2.safetensors",
        "specimens.png",
    ]
    law = load(found["files"][1])
    assert law.provenance.entries["virtual_specimen"] == 2
    assert law.rest_moduli()[1] == pytest.approx(found["specimens"][1]["shear_modulus"])
    assert 0.0 < law.bound().value <= found["steepest_bound"] * (1 + 1e-2)
    assert 0.0 <= found["wasserstein_bound"] < 1.0
    assert 0.0 < found["energy_distance"] < 1.0
    drawing.show_specimens(Terminal(), found)
    text = " ".join(capsys.readouterr().out.split())
    assert f"{found['archetypes']} archetypes leave out {found['left_out']:.1%}" in text
    assert "specimens.png" in text


def test_specimens_refuses(lipmat: Lipmat, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = rubbers.write_dataset(tmp_path / "data", rubbers.parameters(2, rng), rng)
    refused(lipmat("specimens", data, "--number", 0), "--number: found 0, expected 1 or more")
    refused(lipmat("specimens", data, "-o", tmp_path / "no" / "o"), "there is no folder")
    refused(lipmat("specimens", data, "-o", tmp_path / "o"), "found 2 specimens", "at least 3")
    assert not (tmp_path / "o").exists()


@pytest.fixture(scope="module")
def laws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("laws")
    for i in (1, 2, 3):
        save(polyconvex(seed=i), folder / f"specimen-{i}.safetensors")
    return folder


@pytest.fixture
def case(laws: Path, tmp_path: Path) -> Path:
    shutil.copytree(laws, tmp_path / "laws")
    file = tmp_path / "case.toml"
    text = CASE.format(file="laws").replace('every = "0.2 ms"', PROBE)
    file.write_text(text.replace("picture = false", "picture = true"))
    return file


def test_an_ensemble_that_was_killed_goes_on(
    lipmat: Lipmat, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate, library, done = ensemble.simulate, assembly.library, []
    forms: list[set[str]] = []

    def killed(one: Any, place: Path, *more: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        forms.append(set())
        done.append(place.name)
        return simulate(one, place, *more)

    def known(name: str, signature: str, *more: Any) -> Any:
        forms[-1].add(signature)
        return library(name, signature, *more)

    monkeypatch.setattr(ensemble, "simulate", killed)
    monkeypatch.setattr(assembly, "library", known)
    out = tmp_path / "out"
    code, _, _ = lipmat("run", case, "--specimens", 3, "-o", out)
    assert (code, done) == (130, ["specimen-1", "specimen-2"])
    assert forms[0] == forms[1] != set()  # the second compiles nothing
    written = (out / "specimen-1" / "history.csv").stat().st_mtime_ns
    done.clear()
    code, printed, _ = lipmat("resume", out, "--json")
    assert (code, done) == (0, ["specimen-3"])
    assert (out / "specimen-1" / "history.csv").stat().st_mtime_ns == written
    summary = json.loads(printed)
    assert summary == json.loads((out / "summary.json").read_text())
    assert (summary["outcome"], summary["completed"]) == ("completed", 3)
    assert [run["folder"] for run in summary["runs"]] == [f"specimen-{i}" for i in (1, 2, 3)]
    assert [Path(p).name for p in summary["pictures"]] == ["energies.png", "probes.png"]
    ends = [
        np.loadtxt(out / f"specimen-{i}" / "history.csv", delimiter=",", skiprows=1)[-1, -1]
        for i in (1, 2, 3)
    ]
    assert len(set(ends)) == 3
    quantiles = summary["quantiles"]["probe_1_z [m]"]
    assert quantiles["50%"] == pytest.approx(np.median(ends))
    assert min(ends) < quantiles["5%"] < quantiles["50%"] < quantiles["95%"] < max(ends)
    assert not (out / "specimen-1" / "run.png").exists()

    code, shown, _ = lipmat("resume", out)
    assert (code, done) == (0, ["specimen-3"])
    assert "3 of 3 specimens completed" in shown
    assert lipmat("plot", out)[0] == 0
    shutil.copy(tmp_path / "laws/specimen-1.safetensors", tmp_path / "laws/specimen-2.safetensors")
    refused(lipmat("resume", out), "specimen 2 has changed since")


def test_a_specimen_that_was_killed_goes_on_from_its_restart_file(
    lipmat: Lipmat, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = case.read_text().replace("picture = true", "picture = false\nrestart = 1e-9")
    case.write_text(text.replace('end = "2 ms"', 'end = "2 ms"\ncheck_every = 1'))
    simulate, resumed = ensemble.simulate, []

    def killed(one: Any, place: Path, progress: Any, resume: bool, begin: Any) -> Any:
        def stop(found: Any) -> None:
            if found.time > 0.5e-3 and not resume:
                raise KeyboardInterrupt

        resumed.append(resume)
        return simulate(one, place, stop, resume, begin)

    whole, out = tmp_path / "whole", tmp_path / "out"
    assert lipmat("run", case, "--specimens", 1, "-o", whole)[0] == 0
    monkeypatch.setattr(ensemble, "simulate", killed)
    assert lipmat("run", case, "--specimens", 1, "-o", out)[0] == 130
    assert not (out / "specimen-1" / "summary.json").exists()
    code, printed, _ = lipmat("resume", out, "--json")
    assert (code, resumed) == (0, [False, True])
    assert json.loads(printed)["pictures"] == []
    name = "specimen-1/history.csv"
    assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_run_refuses(lipmat: Lipmat, case: Path, laws: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(lipmat("run", case, "-o", out), "found a folder of specimens", "--specimens N")
    refused(lipmat("run", case, "-o", out, "--specimens", 0), "--specimens: found 0")
    refused(lipmat("run", case, "-o", out, "--specimens", 4), "there is no specimen-4.safetensors")
    refused(lipmat("run", case, "-o", out, "--specimens", 2, "--profile"), "expected it with one")
    text = case.read_text()
    case.write_text(text.replace('"z-min"', '"bottom"'))
    refused(lipmat("run", case, "-o", out, "--specimens", 2), "named 'bottom'")
    case.write_text(text.replace('file = "laws"', 'file = "laws/specimen-1.safetensors"'))
    refused(lipmat("run", case, "-o", out, "--specimens", 2), "expected a folder of specimens")
    assert not out.exists()
