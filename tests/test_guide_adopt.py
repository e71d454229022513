"""The guide's page on networks trained elsewhere: its files, commands and code work together."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from lipmat.cli import main
from lipmat.materials.adopted import Adopted
from lipmat.materials.file import load

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "adopt.md"


def test_a_network_trained_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network, train, code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("network.py").write_text(network)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "network", raising=False)
    exec(compile(train, "train.py", "exec"), {})
    for command in commands.splitlines():
        _, *words = shlex.split(command)
        with pytest.raises(SystemExit) as end:
            main(words)
        assert not end.value.code
        out = " ".join(capsys.readouterr().out.split())
        said = "convexity proved" if words[0] == "adopt" else "certified step"
        assert said in out
    law = load("foam.safetensors")
    assert isinstance(law, Adopted)
    assert law.convex
    assert law.bound().rungs[0].sampled["network"] >= 1.0 / 1.05
    bulk, shear = law.rest_moduli()
    assert bulk == pytest.approx(500e6, rel=0.25)
    assert shear == pytest.approx(200e6, rel=0.25)

    names: dict[str, Any] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    del sys.modules["network"]
    assert set(names["verdicts"]) == {"isotropy", "rest", "convexity"}
    assert names["verdicts"]["isotropy"] == "tested"
    assert names["largest"] > 0.0
