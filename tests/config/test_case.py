from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipmat.config import BoxSpec, Case, OutputSpec, parse_mesh, read_case
from lipmat.config.toml_writer import write_toml
from lipmat.errors import InputError

CASE = """
title = "A \\"column\\", é"
[mesh]
box = { size = ["1 m", 0.1, "10 cm"], cells = [80, 8, 8] }
[[materials]]
file = "rubber.safetensors"
density = "0.93 g/cm^3"
[time]
end = "20 ms"
[[boundary]]
on = "x-min"
displacement = [0, "free", "2 mm"]
curve = [[0, 0], ["1 ms", 1], ["3 ms", "50 %"]]
[[boundary]]
on = "x-max"
pressure = "2 kPa"
[initial]
velocity_field = ["-30*sin(pi*z/12)*(y-0.5)", "x", "0"]
[gravity]
acceleration = [0, 0, "-9.81 m/s^2"]
[output]
every = "0.2 ms"
movie = true
probes = [[0, 0, "1 m"]]
"""
SMALL = """
[mesh]
file = "part.msh"
[[materials]]
file = "rubber.safetensors"
density = 930
[time]
end = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rubber.safetensors").touch()
    (tmp_path / "part.msh").touch()
    return tmp_path


def _read(folder: Path, text: str) -> Case:
    (folder / "case.toml").write_text(text, encoding="utf-8")
    return read_case(folder / "case.toml")


def test_a_case_in_si(folder: Path) -> None:
    case = _read(folder, CASE)
    assert case.title == 'A "column", é'
    assert case.mesh.box == BoxSpec(size=(1.0, 0.1, 0.1), cells=(80, 8, 8), cell="hexahedron")
    assert case.materials[0].file == folder / "rubber.safetensors"
    assert case.materials[0].density == pytest.approx(930.0)
    assert case.time.model_dump() == {
        "end": 0.02,
        "level": None,
        "viscosity": None,
        "safety": 1.0,
        "step": None,
        "mass_scaling": False,
        "check_every": 20,
        "energy_warning": 0.01,
        "energy_limits": (-0.1, 0.1),
        "verify": False,
        "sharp": True,
    }
    assert case.output.restart == 30.0
    assert case.boundary[0].displacement == (0.0, None, 0.002)
    assert case.boundary[1].pressure == 2000.0
    assert case.gravity is not None
    assert case.gravity.acceleration == (0.0, 0.0, -9.81)
    assert case.gravity.factor(7.0) == 1.0
    assert case.output.probes == ((0.0, 0.0, 1.0),)
    assert case.output_every == 0.0002


def test_defaults(folder: Path) -> None:
    case = _read(folder, SMALL)
    assert case.mesh.file == folder / "part.msh"
    assert (case.title, case.seed, case.boundary, case.gravity) == ("", 0, (), None)
    assert case.initial.velocity == (0.0, 0.0, 0.0)
    assert case.output == OutputSpec(every=None, picture=True, movie=False, probes=())
    assert case.output_every == 0.02


def test_a_curve_is_linear_between_and_constant_outside(folder: Path) -> None:
    held, pressed = _read(folder, CASE).boundary
    times = (-1.0, 0.0, 0.0005, 0.001, 0.002, 0.003, 9.0)
    assert [held.factor(t) for t in times] == pytest.approx([0, 0, 0.5, 1, 0.75, 0.5, 0.5])
    assert [pressed.factor(t) for t in times] == [1.0] * 7


def test_initial_velocity(folder: Path) -> None:
    points = np.array([[0.5, 1.0], [0.5, 0.0], [6.0, 6.0]])
    field = _read(folder, CASE).initial.velocity_at(points)
    np.testing.assert_allclose(field, [[0.0, 15.0], [0.5, 1.0], [0.0, 0.0]], atol=1e-14)
    same = _read(folder, SMALL + "[initial]\nvelocity = [1, 2, '3 km/s']").initial
    np.testing.assert_array_equal(same.velocity_at(points), [[1, 1], [2, 2], [3000, 3000]])
    bad = _read(folder, SMALL + "[initial]\nvelocity_field = ['log(x-0.5)', '0', '0']").initial
    with pytest.raises(InputError, match=r"velocity_field: found \[-inf, 0.0, 0.0\] m/s at \(0.5,"):
        bad.velocity_at(points)


@pytest.mark.parametrize("text", [CASE, SMALL])
def test_as_resolved_it_reads_back_equal(folder: Path, text: str) -> None:
    case = _read(folder, text)
    other = folder / "elsewhere"
    other.mkdir()
    assert _read(other, case.as_toml()) == case


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_SCALAR = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXT,
)
_ITEM = st.one_of(_SCALAR, st.lists(_SCALAR, max_size=3))
_KEY = st.from_regex(r"[a-z_]{1,5}", fullmatch=True)
_TABLE = st.dictionaries(_KEY, st.one_of(_ITEM, st.dictionaries(_KEY, _ITEM, max_size=2)))


@settings(deadline=None)
@given(
    st.dictionaries(
        _KEY, st.one_of(_ITEM, _TABLE, st.lists(_TABLE, min_size=1, max_size=2)), max_size=4
    )
)
def test_written_toml_reads_back(tables: dict[str, object]) -> None:
    assert tomllib.loads(write_toml(tables)) == tables


def test_what_toml_has_no_word_for_is_refused() -> None:
    with pytest.raises(TypeError, match="no TOML for complex"):
        write_toml({"a": 1j})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("end =", "ende =", "[time] unknown key 'ende', did you mean 'end'?"),
        ("[time]", "[times]", "unknown key 'times', did you mean 'time'?"),
        ("size =", "sise =", "[mesh] box: unknown key 'sise', did you mean 'size'?"),
        ('on = "x-max"', 'one = "x-max"', "[[boundary]] 2: unknown key 'one', did you mean 'on'?"),
        ('end = "20 ms"', "", "[time] missing key 'end'"),
        ('[time]\nend = "20 ms"', "", "missing key 'time'"),
        ('"20 ms"', '"20 mm"', "[time] end: found '20 mm', expected a time such as '20 ms'"),
        ('"20 ms"', '"-20 ms"', "[time] end: found '-20 ms', expected a value greater than 0"),
        ('"20 ms"', "nan", "[time] end: found nan, expected a finite number"),
        ('"20 ms"', "true", "[time] end: found True, expected a time"),
        ('"20 ms"', '1\nviscosity = "1 s"', "[time] viscosity: found '1 s', expected a plain numb"),
        ('"20 ms"', "1\nmass_scaling = true", "[time] mass_scaling: found true without a step"),
        ('"20 ms"', "1\nstep = 0", "[time] step: found 0, expected a value greater than 0"),
        ('"20 ms"', "1\nenergy_warning = 0", "[time] energy_warning: found 0, expected a value gr"),
        (
            '"20 ms"',
            "1\nenergy_limits = [0.1, 0.2]",
            "[time] energy_limits: found [0.1, 0.2], expected a negative and a positive number",
        ),
        ('"20 ms"', "1\nenergy_limits = [-0.1]", "energy_limits: found [-0.1], expected 2 entries"),
        ('"20 ms"', "1\nverify = 1", "[time] verify: found 1, expected true or false"),
        ("movie = true", 'restart = "1 m"', "[output] restart: found '1 m', expected a time such"),
        ('"20 ms"', '1\nlevel = "linear"', "[time] level: found 'linear', expected 'linearised'"),
        ('"20 ms"', "1\nsafety = 1.5", "[time] safety: found 1.5, expected at most 1"),
        ('"20 ms"', "1\nsafety = 0", "[time] safety: found 0, expected a value greater than 0"),
        ('"20 ms"', "1\ncheck_every = 0", "check_every: found 0, expected a value greater than 0"),
        ("80, 8, 8", "80, 8", "[mesh] box.cells: found [80, 8], expected 3 entries"),
        ("80, 8, 8", "8, 8, 8, 8", "box.cells: found [8, 8, 8, 8], expected at most 3 entries"),
        ("80, 8, 8", "80, 8, 0", "[mesh] box.cells[2]: found 0, expected a value greater than 0"),
        ("80, 8, 8", "80, 8, 1.0", "[mesh] box.cells[2]: found 1.0, expected an integer"),
        ("80, 8, 8]", '80, 8, 8], cell = "hex"', "[mesh] box.cell: found 'hex', expected 'hexah"),
        ("[mesh]", '[mesh]\nfile = "part.msh"', "[mesh] found both, expected exactly one of file"),
        ("box =", "# box =", "[mesh] found neither, expected exactly one of file, box"),
        ("rubber", "steel", "[[materials]] 1, file: found 'steel.safetensors', expected an exist"),
        ('"rubber.safetensors"', "5", "[[materials]] 1, file: found 5, expected the name of a fi"),
        ("0.93 g", "-0.93 g", "[[materials]] 1, density: found '-0.93 g/cm^3', expected a value"),
        ("[[materials]]", "[materials]", "[materials] expected a list"),
        ("pressure", "wall", "[[boundary]] 2, wall: found '2 kPa', expected a table"),
        ("pressure", "#", "[[boundary]] 2: found none, expected exactly one of displacement, vel"),
        (
            "pressure",
            "traction = [0, 0, 1]\npressure",
            "[[boundary]] 2: found traction and pressure, expected exactly one of",
        ),
        ('"free"', '"fre"', "[[boundary]] 1, displacement[1]: found 'fre', expected a length"),
        (
            '[0, "free", "2 mm"]',
            '["free", "free", "free"]',
            "[[boundary]] 1, displacement: found ['free', 'free', 'free'], expected at least one",
        ),
        ('"2 kPa"', '"2 mm"', "[[boundary]] 2, pressure: found '2 mm', expected a stress"),
        ('"3 ms"', '"1 ms"', "expected increasing times, but 0.001 s follows 0.001 s"),
        ('[0, 0], ["1 ms", 1], ', "", "curve: found [['3 ms', '50 %']], expected at least 2 entr"),
        ('"x", "0"', '"w", "0"', "[initial] velocity_field: component y: found 'w', unknown name"),
        ("[initial]", "[initial]\nvelocity = [1, 0, 0]", "[initial] found velocity and velocity_"),
        ('"-9.81 m/s^2"', '"-9.81 m/s"', "[gravity] acceleration[2]: found '-9.81 m/s', expecte"),
        ("movie = true", "movie = 1", "[output] movie: found 1, expected true or false"),
        ('"1 m"]]', '"1 s"]]', "[output] probes[0][2]: found '1 s', expected a length"),
        ('title = "A', 'seed = -1\ntitle = "A', "seed: found -1, expected a value not less than 0"),
        ("[time]", "[time", "no valid TOML: Expected ']' at the end of a table declaration"),
    ],
)
def test_bad_cases_are_one_line(folder: Path, old: str, new: str, message: str) -> None:
    assert old in CASE
    with pytest.raises(InputError) as caught:
        _read(folder, CASE.replace(old, new, 1))
    assert str(caught.value).startswith(f"{folder / 'case.toml'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_materials_need_regions(folder: Path) -> None:
    second = "[[materials]]\nfile = 'rubber.safetensors'\ndensity = 1\n"
    with pytest.raises(InputError, match="materials: region 'everywhere' has 2 materials"):
        _read(folder, SMALL + second)
    with pytest.raises(InputError, match="materials: one has no region, expected a region in each"):
        _read(folder, SMALL + second + "region = 'core'")
    both = SMALL.replace("930", "930\nregion = 'shell'") + second + "region = 'core'"
    assert [material.region for material in _read(folder, both).materials] == ["shell", "core"]


def test_no_case() -> None:
    with pytest.raises(InputError, match=r"none.toml: cannot be read: No such file or directory"):
        read_case("none.toml")


def test_parse_mesh(folder: Path) -> None:
    assert parse_mesh("box:1,0.1,0.2:8,2,3").box == BoxSpec(size=(1.0, 0.1, 0.2), cells=(8, 2, 3))
    tetrahedra = parse_mesh("box:1,1,1:1,1,1:tetrahedron").box
    assert tetrahedra is not None
    assert tetrahedra.cell == "tetrahedron"
    assert parse_mesh(str(folder / "part.msh")).file == folder / "part.msh"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.msh", "MESH: file: found 'none.msh', expected an existing file"),
        ("", "MESH: file: found '', expected the name of a file"),
        ("box:", "MESH: found 'box:', expected box:LX,LY,LZ:NX,NY,NZ["),
        ("box:1,1,1", "MESH: found 'box:1,1,1', expected box:LX,LY,LZ:NX,NY,NZ["),
        ("box:1,1,1:2,2,x", "MESH: found 'box:1,1,1:2,2,x', expected box:"),
        ("box:1,1,1:2,2,2:a:b", "MESH: found 'box:1,1,1:2,2,2:a:b', expected box:"),
        ("box:1,1:2,2,2", "MESH: [box] size: found ['1', '1'], expected 3 entries"),
        ("box:1,-1,1:2,2,2", "MESH: [box] size[1]: found '-1', expected a value greater than 0"),
        ("box:1,1,1:2,0,2", "MESH: [box] cells[1]: found 0, expected a value greater than 0"),
        ("box:1,1,1:2,2,2:hex", "MESH: [box] cell: found 'hex', expected 'hexahedron' or 'tetrah"),
    ],
)
def test_bad_meshes_are_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_mesh(text)
    assert message in str(caught.value)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_box_is_read_or_refused_in_one_line(text: str) -> None:
    lines = 1
    try:
        parse_mesh(f"box:{text}")
    except InputError as error:
        lines = len(str(error).splitlines())
    assert lines == 1


def test_all_keys_of_time_and_output(folder: Path) -> None:
    text = (
        SMALL
        + """
level = "convex"
viscosity = 0.2
step = "1 us"
mass_scaling = true
energy_warning = "2 %"
energy_limits = [-0.2, "30 %"]
verify = true
[output]
restart = "2 s"
"""
    )
    case = _read(folder, text)
    assert (case.time.level, case.time.viscosity, case.time.step) == ("convex", 0.2, 1e-6)
    assert (case.time.mass_scaling, case.time.verify) == (True, True)
    assert (case.time.energy_warning, case.time.energy_limits) == (0.02, (-0.2, 0.3))
    assert case.output.restart == 2.0
    assert _read(folder, case.as_toml()) == case


def test_identity_of_a_case(folder: Path) -> None:
    """It survives writing, reading and moving; it changes with the motion and with the files."""
    case = _read(folder, CASE)
    first = case.identity()
    assert _read(folder, case.as_toml()).identity() == first
    free = CASE.replace("movie = true", 'restart = "1 s"\npicture = false')
    free = free.replace('"20 ms"', '"20 ms"\nenergy_limits = [-1, 1]').replace("column", "beam")
    assert _read(folder, free).identity() == first
    elsewhere = folder / "moved"
    elsewhere.mkdir()
    (folder / "rubber.safetensors").rename(elsewhere / "rubber.safetensors")
    moved = CASE.replace("rubber.safetensors", "moved/rubber.safetensors")
    assert _read(folder, moved).identity() == first
    (elsewhere / "rubber.safetensors").write_bytes(b"another law")
    assert _read(folder, moved).identity() != first
    (folder / "rubber.safetensors").touch()
    for old, new in (("20 ms", "21 ms"), ("2 kPa", "3 kPa"), ("0.2 ms", "0.3 ms")):
        assert _read(folder, CASE.replace(old, new)).identity() != first
