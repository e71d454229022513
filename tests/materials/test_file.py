from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import lipmat
from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset
from lipmat.materials.describe import describe
from lipmat.materials.file import KEY, load, save, write
from lipmat.materials.linear import LinearElastic
from lipmat.materials.polyconvex import PolyconvexStretch

Arrays = dict[str, Tensor]


@pytest.fixture
def law() -> LinearElastic:
    return LinearElastic(70e9, 0.33)


def refused(path: Path) -> str:
    """Return the message of the refusal: one line that starts with the file."""
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def metadata(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        content: dict[str, Any] = json.loads(file.metadata()[KEY])
    return content


def test_the_metadata_say_what_the_law_is(rubber: PolyconvexStretch, tmp_path: Path) -> None:
    path = tmp_path / "rubber.safetensors"
    save(rubber, path)
    found = metadata(path)
    assert len(found.pop("sha256")) == 64
    assert found == json.loads(json.dumps(describe(rubber)))
    assert found["schema"] == 1
    assert found["law"] == "polyconvex-stretch"
    assert found["strain_measures"] == ["principal stretches", "volume ratio"]
    assert found["stress_measures"] == ["first Piola-Kirchhoff stress"]
    assert found["units"]["stress"] == "Pa"
    assert found["settings"]["domain"] == rubber.domain.as_dict()
    assert len(found["bound"]["rungs"]) == len(rubber.bound().rungs)
    assert found["bound"]["rungs"][-1]["domain"] == rubber.domain.as_dict()
    assert found["provenance"]["seed"] == 0
    assert found["provenance"]["training_range"]["stretch_max"] == pytest.approx(7.61)
    assert set(found["provenance"]["tests"]) == {"uniaxial", "equibiaxial", "planar"}
    assert "seconds" not in found["provenance"]


def test_the_same_data_and_seed_give_the_same_bytes(treloar: Dataset, tmp_path: Path) -> None:
    paths = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    for path in paths:
        save(lipmat.fit(treloar, tests=["uniaxial"], seed=3), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_failing_write_leaves_the_old_file(
    law: LinearElastic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "law.safetensors"
    save(law, path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"law\.safetensors: cannot be written, No space left"):
        save(LinearElastic(1e9, 0.2), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["law.safetensors"]


def test_a_folder_that_does_not_exist(law: LinearElastic, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written, No such file or directory"):
        save(law, tmp_path / "nowhere" / "law.safetensors")


def test_no_such_file(tmp_path: Path) -> None:
    assert "cannot be read, No such file" in refused(tmp_path / "none.safetensors")


@pytest.mark.parametrize("kept", [0, 5, 300, -1])
def test_a_truncated_file(law: LinearElastic, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "law.safetensors"
    save(law, path)
    path.write_bytes(path.read_bytes()[:kept])
    assert re.search("truncated or not a material file|cannot be read", refused(path))


def test_a_pickle_is_never_read(law: LinearElastic, tmp_path: Path) -> None:
    path = tmp_path / "law.pt"
    torch.save(law.arrays(), path)
    assert "truncated or not a material file" in refused(path)


def test_safetensors_without_metadata(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    assert "found no metadata 'lipmat', expected a material file" in refused(path)
    save_file({"a": torch.zeros(2)}, path, metadata={KEY: "{"})
    assert "truncated or not a material file" in refused(path)


def test_arrays_of_an_unknown_kind(law: LinearElastic, tmp_path: Path) -> None:
    path = tmp_path / "law.safetensors"
    arrays = {name: a.bfloat16() for name, a in law.arrays().items()}
    save_file(arrays, path, metadata={KEY: json.dumps(describe(law))})
    assert "BFloat16" in refused(path)


def test_every_flipped_byte_is_noticed(law: LinearElastic, tmp_path: Path) -> None:
    path = tmp_path / "law.safetensors"
    save(law, path)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(bytes(flipped))
        with pytest.raises(InputError):
            load(path)


def test_altered_arrays_and_altered_metadata(law: LinearElastic, tmp_path: Path) -> None:
    path = tmp_path / "law.safetensors"
    save(law, path)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "the file was altered" in refused(path)
    path.write_bytes(content.replace(b"Cauchy", b"Kirchh"))
    assert "the file was altered" in refused(path)


def set_law(description: dict[str, Any], arrays: Arrays) -> None:
    description["law"] = "linear-elastc"


def set_schema(description: dict[str, Any], arrays: Arrays) -> None:
    description["schema"] = 2


def drop_settings(description: dict[str, Any], arrays: Arrays) -> None:
    del description["settings"]


def drop_array(description: dict[str, Any], arrays: Arrays) -> None:
    del arrays["bulk_modulus"]


def add_array(description: dict[str, Any], arrays: Arrays) -> None:
    arrays["density"] = torch.ones((), dtype=torch.float64)


def set_float32(description: dict[str, Any], arrays: Arrays) -> None:
    arrays["bulk_modulus"] = arrays["bulk_modulus"].float()


def set_negative(description: dict[str, Any], arrays: Arrays) -> None:
    arrays["shear_modulus"] = -arrays["shear_modulus"]


def lower_bound(description: dict[str, Any], arrays: Arrays) -> None:
    description["bound"]["rungs"][-1]["tangent"]["volumetric"] *= 1 - 3e-3


def lower_stiffness(description: dict[str, Any], arrays: Arrays) -> None:
    description["bound"]["rungs"][-1]["tangent"]["deviatoric"]["stiffness"][3][3] *= 1 - 3e-3


def drop_rung(description: dict[str, Any], arrays: Arrays) -> None:
    description["bound"]["rungs"].pop()


def set_nonsense(description: dict[str, Any], arrays: Arrays) -> None:
    description["bound"] = [1, "two"]
    description["provenance"] = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_law, "unknown law 'linear-elastc', did you mean 'linear-elastic'?"),
        (set_schema, "found schema version 2, expected 1"),
        (drop_settings, "the metadata lack 'settings'"),
        (drop_array, "found arrays shear_modulus, expected bulk_modulus, shear_modulus"),
        (add_array, "found arrays bulk_modulus, density, shear_modulus, expected"),
        (set_float32, "array 'bulk_modulus': found torch.float32, expected torch.float64"),
        (set_negative, "shear_modulus: found -"),
        (lower_bound, "bound rungs.0.tangent.volumetric: found 205264"),
        (lower_stiffness, "bound rungs.0.tangent.deviatoric.stiffness.3.3: found 524736"),
        (drop_rung, "bound rungs.0"),
        (set_nonsense, "'int' object is not iterable"),
    ],
)
def test_a_file_with_a_valid_digest_and_wrong_content(
    law: LinearElastic,
    tmp_path: Path,
    change: Callable[[dict[str, Any], Arrays], None],
    message: str,
) -> None:
    path = tmp_path / "law.safetensors"
    description, arrays = describe(law), law.arrays()
    change(description, arrays)
    write(path, description, arrays)
    assert message in refused(path)


def test_a_bound_of_a_learned_law_that_does_not_recompute(
    rubber: PolyconvexStretch, tmp_path: Path
) -> None:
    path = tmp_path / "rubber.safetensors"
    description, arrays = describe(rubber), rubber.arrays()
    arrays["stretch_curvature"] = arrays["stretch_curvature"] * 1.01
    write(path, description, arrays)
    message = refused(path)
    assert re.search(r"bound rungs\.\d+\.\w+\.distortional: found [\d.]+, but the arrays", message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("stretch_curvature", -1.0, "must not be negative"),
        ("area_tension", float("nan"), "values that are not finite"),
        ("bulk_modulus", 0.0, "one positive number"),
        ("stretch_knots", 0.0, "must start at 0 and increase"),
    ],
)
def test_arrays_that_are_not_admissible(
    rubber: PolyconvexStretch, tmp_path: Path, name: str, value: float, message: str
) -> None:
    path = tmp_path / "rubber.safetensors"
    arrays = rubber.arrays()
    arrays[name] = torch.full_like(arrays[name], value)
    write(path, describe(rubber), arrays)
    assert message in refused(path)
