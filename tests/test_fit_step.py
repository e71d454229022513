"""`lipmat fit --step`: the stiffest law for a step, and what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import lipmat
from lipmat.cli import main

STEEL = Path(__file__).parents[1] / "data" / "s355-reference"
MESH = "box:0.2,0.1,0.1:4,2,2"


def fit(capsys: pytest.CaptureFixture[str], file: Path, *options: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as end:
        main(["fit", str(STEEL), "--law", "pq", "-o", str(file), "--json", *options])
    out = capsys.readouterr()
    assert end.value.code == 0, out.err
    summary: dict[str, Any] = json.loads(out.out)
    return summary


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["fit", str(STEEL), *options])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


def test_a_longer_step_softens_the_law_and_says_what_that_costs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "soft.safetensors"
    summary = fit(capsys, file, "--step", "8 us", "--mesh", MESH)
    step = summary["step"]
    assert step["binds"]
    assert step["requested"] == 8e-6
    assert step["without_bound"] < 8e-6 <= step["certified"] <= 8e-6 * 1.01
    assert step["scale"] == pytest.approx((step["without_bound"] / 8e-6) ** 2, rel=0.01)
    assert step["tests_without_bound"]["tension"]["r2"] >= 0.999
    assert summary["tests"]["tension"]["r2"] < 0.99
    assert summary["l_data"] > 1.0
    body = lipmat.Body.box((0.2, 0.1, 0.1), (4, 2, 2), "hexahedron", lipmat.load(file), 7850.0)
    assert lipmat.critical_step(body).value == pytest.approx(step["certified"], rel=1e-9)
    assert file.with_suffix(".png").stat().st_size > 10_000


def test_a_step_that_binds_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    summary = fit(capsys, tmp_path / "a.safetensors", "--step", "1 us", "--mesh", MESH)
    assert not summary["step"]["binds"]
    assert summary["step"]["certified"] == summary["step"]["without_bound"] > 1e-6
    assert summary["tests"]["tension"]["r2"] >= 0.999


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--step", "-2 us", "--mesh", MESH], "--step: found '-2 us', expected a positive time"),
        (["--step", "0 s", "--mesh", MESH], "--step: found '0 s', expected a positive time"),
        (["--step", "2 us"], "--step: found it without --mesh"),
        (["--mesh", MESH], "without --step, expected both"),
        (
            ["--law", "pq", "--step", "1 s", "--mesh", MESH],
            "C0 would have to be .*expected at most",
        ),
        (["--law", "pq", "--kinematics", "log", "--step", "2 us", "--mesh", MESH], "law in small"),
    ],
)
def test_steps_that_cannot_be(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    import re

    assert re.search(message, refused(capsys, *options))
