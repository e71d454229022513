"""The guide's command for a corrected law gives what the guide says, and a run takes its file."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from lipmat.cli import main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guide" / "fit.md").read_text()
CASE = """
[mesh]
box = { size = [0.1, 0.1, 0.2], cells = [1, 1, 2] }
[[materials]]
file = "carroll.safetensors"
density = "930 kg/m^3"
[time]
end = "1 ms"
[initial]
velocity = [0, 0, "-1 m/s"]
[[boundary]]
on = "z-min"
displacement = [0, 0, 0]
[output]
picture = false
"""


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert not end.value.code
    return capsys.readouterr().out


def test_the_command_of_the_guide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = re.findall(r"^lipmat (fit .*--law carroll --correction.*)$", PAGE, re.MULTILINE)
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    assert "the correction changes the stress by 0.9" in call(capsys, *shlex.split(line))
    content = json.loads(call(capsys, "info", "carroll.safetensors", "--json"))
    entries = content["provenance"]
    said = " | ".join(f"{entries['tests'][name]['r2']:.5f}" for name in ("uniaxial", "equibiaxial"))
    assert f"| … corrected | {said} | {entries['tests']['planar']['r2']:.5f} | + 16 %" in PAGE
    assert entries["correction"]["stiffening"] == pytest.approx(0.16, abs=0.005)
    assert entries["correction"]["share_outside"] == pytest.approx(0.0003, abs=0.00005)
    assert json.loads(call(capsys, "check", "carroll.safetensors", "box:1,1,1:1,1,1", "--json"))
    Path("case.toml").write_text(CASE)
    summary = json.loads(call(capsys, "run", "case.toml", "-o", "run", "--json"))
    assert summary["outcome"] == "completed"
    assert abs(summary["energy"]["error"]) < 0.01
