"""Walls, travelling loads, material axes and formulation in a case file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lipmat.config import Case, read_case
from lipmat.config.axes import parse_axes
from lipmat.config.curves import curve_factor, curve_integral
from lipmat.errors import InputError
from lipmat.fem.wall import Cylinder, Plane

CASE = """
[mesh]
file = "part.msh"
formulation = "full"
[[materials]]
file = "law.safetensors"
density = 930
axes = [["-y", "x", 0], [0, 0, 1]]
[time]
end = 1
[[boundary]]
on = "base"
wall = { plane = { point = [0, 0, "-1 mm"], normal = [0, 0, 2] }, stiffness = "2 GPa/m" }
[[boundary]]
on = "side"
wall = { cylinder = { point = [0, 0, 0], axis = [0, 0, 1], radius = "1 m", inside = true } }
[[boundary]]
on = "top"
wall = { plane = { point = [0, 0, 1], normal = [0, 0, -1] }, velocity = [0, 0, "-2 m/s"] }
curve = [[0, 0], ["1 s", 1], ["3 s", 1]]
[[boundary]]
on = "deck"
traction_field = ["0", "0", "-5e4*exp(-((x-20*t)/0.5)**2)"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "law.safetensors").touch()
    (tmp_path / "part.msh").touch()
    return tmp_path


def read(folder: Path, text: str = CASE) -> Case:
    (folder / "case.toml").write_text(text, encoding="utf-8")
    return read_case(folder / "case.toml")


def test_walls_in_si(folder: Path) -> None:
    base, side, top, _ = (b.wall for b in read(folder).boundary)
    assert base is not None
    assert side is not None
    assert top is not None
    assert base.shape() == Plane((0, 0, -0.001), (0, 0, 2))
    assert (base.stiffness, side.stiffness) == (2e9, None)
    assert side.shape() == Cylinder((0, 0, 0), (0, 0, 1), 1.0, inside=True)
    assert base.translation(None) is None


def test_a_moving_wall_goes_the_integral_of_its_velocity(folder: Path) -> None:
    top = read(folder).boundary[2]
    assert top.wall is not None
    place = top.wall.translation(top.curve)
    assert place is not None
    for time, way in ((0.0, 0.0), (0.5, 0.125), (1.0, 0.5), (2.0, 1.5), (5.0, 4.5)):
        assert place(time) == pytest.approx((0.0, 0.0, -2.0 * way), abs=1e-15)
    moved = CASE.replace('velocity = [0, 0, "-2 m/s"]', 'displacement = [0, 0, "-2 mm"]')
    other = read(folder, moved).boundary[2]
    assert other.wall is not None
    follow = other.wall.translation(other.curve)
    assert follow is not None
    assert follow(0.25) == pytest.approx((0.0, 0.0, -0.0005))


def test_the_integral_of_a_curve() -> None:
    curve = ((-1.0, 2.0), (1.0, 0.0), (2.0, 3.0))
    for time in (-3.0, -0.5, 0.0, 0.7, 1.3, 4.0):
        grid = np.linspace(0.0, time, 200_001)
        expected = np.trapezoid([curve_factor(curve, t) for t in grid], grid)
        assert curve_integral(curve, time) == pytest.approx(expected, abs=1e-8)
    assert curve_integral(None, 3.0) == 3.0


def test_a_travelling_load(folder: Path) -> None:
    field = read(folder).boundary[3].traction_at()
    points = np.array([[0.0, 20.0, 20.5], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    now, later = field(points, 0.0), field(points, 1.0)
    assert now[2] == pytest.approx([-5e4, 0.0, 0.0], abs=1e-12)
    assert later[2] == pytest.approx([0.0, -5e4, -5e4 / np.e], rel=1e-12, abs=1e-12)
    assert np.all(now[:2] == 0)


def test_axes_and_formulation(folder: Path) -> None:
    case = read(folder)
    assert case.mesh.formulation == "full"
    axes = case.materials[0].axes
    assert axes is not None
    assert axes.constant is None
    first, second = axes.directions()
    x, y, z = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert np.all(first(x, y, z) == [-y, x, [0, 0]])
    assert np.all(second(x, y, z) == [[0, 0], [0, 0], [1, 1]])
    numbers = read(folder, CASE.replace('["-y", "x", 0]', "[1, 2.5, 0]")).materials[0].axes
    assert numbers is not None
    assert numbers.constant == ((1.0, 2.5, 0.0), (0.0, 0.0, 1.0))
    named = CASE.replace('[["-y", "x", 0], [0, 0, 1]]', '{ field = "fibre" }')
    field = read(folder, named).materials[0].axes
    assert field is not None
    assert field.field == "fibre"


def test_as_resolved_it_reads_back_equal(folder: Path) -> None:
    named = CASE.replace('[["-y", "x", 0], [0, 0, 1]]', '{ field = "fibre" }')
    for text in (CASE, named):
        case = read(folder, text)
        assert read(folder, case.as_toml()) == case


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("plane = { point = [0, 0, 1]", "plan = { point = [0, 0, 1]", "did you mean 'plane'"),
        (
            "normal = [0, 0, 2]",
            "normal = [0, 0, 0]",
            "normal: found [0.0, 0.0, 0.0], expected",
        ),
        ("2 GPa/m", "2 GPa", "wall.stiffness: found '2 GPa', expected a pressure per depth such"),
        ("2 GPa/m", "-2 GPa/m", "expected a value greater than 0"),
        ("velocity", "displacement = [0, 0, 1], velocity", "expected at most one of them"),
        (', velocity = [0, 0, "-2 m/s"]', "", "found a curve of a wall that stands"),
        (", inside = true", "", "wall.cylinder: missing key 'inside'"),
        ("plane = { point = [0, 0, 1], normal = [0, 0, -1] }, ", "", "exactly one of plane, cylin"),
        ('traction_field = ["0"', 'traction_field = ["u"', "component x: found 'u', unknown name"),
        ("-5e4*exp", "-5e4*exq", "component z: found '-5e4*exq"),
        ("[0, 0, 1]]", "[0, 0]]", "expected 3 entries"),
        ('"-y"', '"-w"', "unknown name 'w'"),
        ('"-y"', "inf", "expected finite numbers"),
        ('axes = [["-y", "x", 0], [0, 0, 1]]', "axes = {}", "exactly one of rows, field"),
        ('"full"', '"one"', "formulation: found 'one', expected 'selective', 'full' or 'reduced'"),
    ],
)
def test_bad_cases_are_one_line(folder: Path, old: str, new: str, message: str) -> None:
    assert old in CASE
    with pytest.raises(InputError) as caught:
        read(folder, CASE.replace(old, new, 1))
    assert str(caught.value).startswith(f"{folder / 'case.toml'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_axes_of_the_command_line() -> None:
    axes = parse_axes("1,0,0; 0,1,x", "--axes")
    assert axes.rows == ((1.0, 0.0, 0.0), (0.0, 1.0, "x"))
    with pytest.raises(InputError, match=r"--axes: found '1,0;0,1,0', .*expected 3 entries"):
        parse_axes("1,0;0,1,0", "--axes")
