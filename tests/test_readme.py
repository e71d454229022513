"""The README's Python code runs and does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_python_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    run = names["run"]
    assert run.outcome == "completed"  # type: ignore[attr-defined]
    assert abs(run.summary["energy"]["error"]) < 0.005  # type: ignore[attr-defined]
    assert (tmp_path / "rubber.safetensors").is_file()
    assert (tmp_path / "impact" / "run.png").is_file()
