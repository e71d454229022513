"""``lipmat adopt``: a network's file in, a material file out that all other commands take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.test_cli import CASE, Lipmat, lipmat, refused

__all__ = ["lipmat"]  # fixture
NETWORK = """
import torch
from torch import nn


class Potential(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.first = nn.Linear(2, width)
        self.last = nn.Linear(width, 1)

    def forward(self, strain):
        x = 20.0 * strain
        features = torch.stack([x.sum(1), (x * x).sum(1)], dim=1)
        return self.last(nn.functional.softplus(self.first(features)))


def nothing():
    return 1
"""
SMALL = ("--input", "principal-strains", "--domain", "0.02", "--unit", "MPa")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a network, its weights in two formats, and a pickled network."""
    path = tmp_path_factory.mktemp("network")
    (path / "network.py").write_text(NETWORK)
    names: dict[str, type[torch.nn.Module]] = {"__name__": "network"}  # type: ignore[dict-item]
    exec(compile(NETWORK, "network.py", "exec"), names)
    torch.manual_seed(0)
    network = names["Potential"]()
    with torch.no_grad():
        network.last.weight.abs_()
        network.first.weight[:, 1].abs_()
    save_file(network.state_dict(), path / "weights.safetensors")
    torch.save({"state_dict": network.state_dict()}, path / "weights.pt")
    torch.save({"epoch": print}, path / "pickled.pt")
    return path


def arguments(folder: Path, *more: str, weights: str = "weights.safetensors") -> tuple[str, ...]:
    given = [f"{folder / 'network.py'}:Potential", "--weights", str(folder / weights)]
    return ("adopt", *given, *(more or SMALL))


def test_it_makes_a_material_that_info_check_and_run_take(
    lipmat: Lipmat, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "law.safetensors"
    code, out, err = lipmat(*arguments(folder), "-o", file, "--density", "930 kg/m^3", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["convex"]
    assert found["levels"] == ["linearised", "energy"]
    assert 1.0 <= found["certified_over_sampled"] <= 1.03
    assert {f["name"]: f["verdict"] for f in found["findings"]} == {
        "isotropy": "tested",
        "rest": "corrected",
        "convexity": "proved",
    }
    code, out, _ = lipmat("info", file, "--json")
    assert code == 0
    assert json.loads(out)["bound"] == found["bound"]
    assert "network.py:Potential" in out
    code, out, _ = lipmat("info", file)
    assert "adopted" in out
    code, out, _ = lipmat("check", file, "box:0.1,0.1,0.1:1,1,1", "--json")
    assert code == 0
    assert json.loads(out)["level"] == "energy"
    for speed, ending in (("0.2", "completed"), ("60", "left the certified domain")):
        case = tmp_path / "case.toml"
        case.write_text(CASE.format(file=file).replace("-2 m/s", f"-{speed} m/s"))
        code, out, _ = lipmat("run", case, "-o", tmp_path / f"run{speed}")
        assert ending in " ".join(out.split())
        assert code == int(speed == "60")


def test_a_torch_state_dict_gives_the_same_law(
    lipmat: Lipmat, folder: Path, tmp_path: Path
) -> None:
    results = []
    for weights in ("weights.safetensors", "weights.pt"):
        more = (*SMALL, "-o", str(tmp_path / f"{weights}.safetensors"), "--json")
        code, out, err = lipmat(*arguments(folder, *more, weights=weights))
        assert code == 0, err
        results.append(json.loads(out)["bound"])
    assert results[0] == results[1]


def test_the_table_for_people(lipmat: Lipmat, folder: Path, tmp_path: Path) -> None:
    code, out, _ = lipmat(*arguments(folder), "-o", tmp_path / "law.safetensors")
    assert code == 0
    for words in ("convexity", "residual stress", "certified", "linearised, energy"):
        assert words in " ".join(out.split())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), ("--domain", "missing")),
        (("--domain", "wide"), ("--domain", "'wide'", "smallest and the largest")),
        (("--domain", "0.1,0.2"), ("--domain", "expected a range around 0")),
        (("--domain", "0.02", "--input", "principal"), ("did you mean 'principal-strains'?",)),
        (("--domain", "0.02", "--output", "force"), ("--output", "'force'")),
        (("--domain", "0.02", "--components", "tensor"), ("--components", "'tensor'")),
        (("--domain", "0.02", "--unit", "m"), ("--unit",)),
        (("--domain", "0.02", "--arguments", "{"), ("--arguments", "no valid JSON")),
        (("--domain", "0.02", "--arguments", '{"widt": 3}'), ("TypeError", "widt")),
        (
            ("--domain", "0.02", "--arguments", '{"width": 3}'),
            ("expected (", "do --arguments fit"),
        ),
        (("--domain", "0.02", "--seconds", "0"), ("--seconds", "greater than 0")),
    ],
)
def test_bad_words_are_refused(
    lipmat: Lipmat, folder: Path, more: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(lipmat(*arguments(folder, *more, "--json")), *words)


def test_bad_files_are_refused(lipmat: Lipmat, folder: Path, tmp_path: Path) -> None:
    file = folder / "network.py"
    given = ("--weights", folder / "weights.pt", *SMALL)
    refused(lipmat("adopt", file, *given), "expected FILE:CLASS")
    refused(lipmat("adopt", f"{tmp_path / 'no.py'}:A", *given), "no such file")
    refused(lipmat("adopt", f"{file}:Potentia", *given), "did you mean 'Potential'?")
    refused(lipmat("adopt", f"{file}:nothing", *given), "expected a torch nn.Module")
    refused(lipmat("adopt", f"{file}:Potential", *SMALL), "--weights: missing")
    broken = tmp_path / "broken.py"
    broken.write_text("import nowhere_to_be_found")
    refused(lipmat("adopt", f"{broken}:A", *given), "ModuleNotFoundError")
    refused(lipmat(*arguments(folder, weights="pickled.pt")), "is never loaded")
    refused(lipmat(*arguments(folder, weights="network.py")), "or a state dict that")
    same = arguments(folder)
    refused(lipmat(*same, "-o", folder / "weights.safetensors"), "is the file of the weights")
