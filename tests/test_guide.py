"""The case and the code of the guide's page on large runs work together."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import lipmat
from lipmat.cli.simulate import run_case
from lipmat.config import read_case
from tests.fem.laws import law

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
