"""``lipmat info`` says how far a strain error moves the stress."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lipmat.materials.file import save
from lipmat.materials.law import Provenance
from tests.fem.laws import maxwell, polyconvex, steel_like
from tests.test_cli import Lipmat, lipmat, refused

__all__ = ["lipmat"]  # a fixture


def test_a_law_of_small_strain(lipmat: Lipmat, tmp_path: Path) -> None:
    save(steel_like(), tmp_path / "steel.safetensors")
    code, out, _ = lipmat("info", tmp_path / "steel.safetensors", "--json")
    found = json.loads(out)["tolerance"]
    assert (code, found["strain_error"], found["unit"]) == (0, 1e-4, "Pa")
    (reach,) = found["reaches"]
    assert reach["domain"] is None
    assert 0.99999 * reach["certified"] <= reach["found"] <= reach["certified"]
    assert found["pull"]["1"] == pytest.approx(1e6 * 1e-4, rel=1e-9)  # Young's modulus
    _, out, _ = lipmat("info", tmp_path / "steel.safetensors")
    assert "error of 0.0001 of the small strain" in " ".join(out.split())
    assert "attack finds" in out
    assert "pull, sides free, along: 1 100 Pa" in " ".join(out.split())


def test_the_error_is_that_of_the_dataset_or_the_given_one(lipmat: Lipmat, tmp_path: Path) -> None:
    law, file = polyconvex(), tmp_path / "rubber.safetensors"
    law.provenance = Provenance({"strain_error": 2e-4})
    save(law, file)
    known = json.loads(lipmat("info", file, "--json")[1])["tolerance"]
    given = json.loads(lipmat("info", file, "--strain-error", "4e-4", "--json")[1])["tolerance"]
    assert (known["strain_error"], given["strain_error"]) == (2e-4, 4e-4)
    for a, b in zip(known["reaches"], given["reaches"], strict=True):
        assert b["certified"] == pytest.approx(2.0 * a["certified"], rel=1e-12)
        assert sum(b["parts"].values()) == pytest.approx(b["certified"])
        assert b["found"] <= b["certified"]
    refused(lipmat("info", file, "--strain-error", "0"), "strain error: found 0", "1e-09")
    refused(lipmat("info", file, "--strain-error", "0.4"), "leaves nothing of the certified domain")


def test_a_law_with_memory(lipmat: Lipmat, tmp_path: Path) -> None:
    save(maxwell(), tmp_path / "damper.safetensors")
    code, out, _ = lipmat("info", tmp_path / "damper.safetensors")
    assert code == 0
    assert "all readings of a straight history wrong" in " ".join(out.split())


def test_where_nothing_is_proved_the_reason_is_said(
    lipmat: Lipmat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    law, file = steel_like(), tmp_path / "steel.safetensors"
    save(law, file)
    monkeypatch.setattr("lipmat.materials.linear.LinearElastic.convex", False)
    code, out, _ = lipmat("info", file)
    assert code == 0
    assert "states no lower bound of its tangent" in " ".join(out.split())
    refused(lipmat("info", file, "--strain-error", "1e-4"), "states no lower bound")


def test_a_file_that_is_none_is_refused_at_once(lipmat: Lipmat, tmp_path: Path) -> None:
    for command in (("info",), ("check", "box:1,1,1:1,1,1")):
        code, _, err = lipmat(command[0], tmp_path / "nothing", *command[1:])
        assert (code, "No such file or directory" in err) == (2, True)
        code, _, err = lipmat(command[0], tmp_path, *command[1:])
        assert (code, "found a folder, expected a material file" in err) == (2, True)
