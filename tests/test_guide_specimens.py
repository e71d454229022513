"""The dataset, the case and the code of the guide's page on specimens work."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import lipmat
from lipmat.config import read_case
from lipmat.experiments import specimens
from tests.experiments import rubbers

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "specimens.md"


def test_specimens_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, case = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    folder = rubbers.write_dataset(Path("my-rubber"), rubbers.parameters(3, rng), rng)
    (folder / "dataset.toml").write_text(dataset)
    for i, name in enumerate("ABC", 1):
        (folder / f"uniaxial-{i}.csv").rename(folder / f"{name}-uniaxial.csv")
    learn = partial(specimens.learn_population, steps=5)
    monkeypatch.setattr(specimens, "learn_population", learn)
    names: dict[str, list[float]] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    found = [lipmat.load(f"specimen-{i}.safetensors").rest_moduli()[1] for i in (1, 2)]
    assert found == pytest.approx(names["moduli"])
    assert found[0] != found[1]
    assert names["stresses"][0].shape == (1000, 12)  # type: ignore[attr-defined]
    Path("rubbers").mkdir()
    Path("specimen-1.safetensors").rename("rubbers/specimen-1.safetensors")
    text = f"[mesh]\nbox = {{ size = [1, 1, 1], cells = [1, 1, 1] }}\n{case}\n[time]\nend = 1\n"
    Path("case.toml").write_text(text)
    one = read_case("case.toml").of_specimen(1)
    assert one.materials[0].file == tmp_path / "rubbers" / "specimen-1.safetensors"
