from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset, read_dataset

TRELOAR = Path(__file__).parents[2] / "data" / "treloar-1944"
HEADER = "stretch [-],nominal_stress [MPa]"
ROWS = "1.0,0\n1.1,0.1\n1.2,0.2\n1.3,0.3\n"


def _write(folder: Path, csv: str, test: str = "", top: str = "") -> Path:
    test = test or 'name = "pull"\nfile = "pull.csv"\nmode = "uniaxial"'
    (folder / "dataset.toml").write_text(f"{top}\n[[tests]]\n{test}\n", encoding="utf-8")
    (folder / "pull.csv").write_text(csv, encoding="utf-8")
    return folder


def _read_mode(folder: Path, mode: str, csv: str, more: str = "") -> Dataset:
    return read_dataset(_write(folder, csv, f'name="a"\nfile="pull.csv"\nmode="{mode}"\n{more}'))


def _refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_dataset(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_treloar() -> None:
    data = read_dataset(TRELOAR)
    assert [test.name for test in data.tests] == ["uniaxial", "equibiaxial", "planar"]
    assert [len(test.columns["stretch"]) for test in data.tests] == [25, 17, 14]
    assert [float(t.columns["stretch"][-1]) for t in data.tests] == [7.61, 4.44, 4.96]
    assert [float(t.columns["nominal_stress"][-1]) for t in data.tests] == [6.3e6, 2.43e6, 1.79e6]
    sums = [float(t.columns["nominal_stress"].sum()) for t in data.tests]
    assert sums == pytest.approx([55.14e6, 15.43e6, 10.76e6])
    assert {test.unit for test in data.tests} == {"MPa"}
    assert {test.lateral for test in data.tests} == {"incompressible"}
    assert (data.temperature, data.density, data.incompressible) == (293.15, 930.0, True)
    assert data.doi == "10.1039/tf9444000059"
    assert len(data.hash) == 64


def test_select_keeps_order_of_the_names() -> None:
    data = read_dataset(TRELOAR)
    chosen = data.select(["planar", "uniaxial"])
    assert [test.name for test in chosen.tests] == ["planar", "uniaxial"]
    assert chosen.hash == data.hash
    with pytest.raises(InputError, match=r"unknown test 'planr', did you mean 'planar'\?"):
        data.select(["planr"])
    with pytest.raises(InputError, match="found tests none, expected at least one"):
        data.select([])
    with pytest.raises(InputError, match="found tests planar, planar, expected at least one"):
        data.select(["planar", "planar"])


def test_columns_are_si_and_read_only(tmp_path: Path) -> None:
    csv = (
        "# from a laboratory\n\n"
        "time [ms], strain [%], true_stress [kPa], temperature [degC], deviation [kPa]\n"
        "0,0,0,20,1\n10,10,5,21,1\n10,20,6,22,1\n# late\n30,30,7,23,2\n"
    )
    test = read_dataset(_write(tmp_path, csv)).tests[0]
    assert (test.mode, test.lateral, test.unit) == ("uniaxial", "free", "kPa")
    assert set(test.columns) == {"stretch", "time", "true_stress", "temperature", "deviation"}
    np.testing.assert_allclose(test.columns["stretch"], [1.0, 1.1, 1.2, 1.3], rtol=1e-15)
    np.testing.assert_allclose(test.columns["time"], [0.0, 0.01, 0.01, 0.03], rtol=1e-15)
    np.testing.assert_allclose(test.columns["true_stress"], [0, 5e3, 6e3, 7e3], rtol=1e-15)
    np.testing.assert_allclose(test.columns["temperature"], [293.15, 294.15, 295.15, 296.15])
    np.testing.assert_allclose(test.columns["deviation"], [1e3, 1e3, 1e3, 2e3], rtol=1e-15)
    with pytest.raises(ValueError, match="read-only"):
        test.columns["stretch"][0] = 2.0


TENSOR = ",".join(
    [f"strain_{c} [-]" for c in ("11", "22", "33", "23", "13", "12")]
    + [f"stress_{c} [Pa]" for c in ("11", "22", "33", "23", "13", "12")]
)


@pytest.mark.parametrize(
    ("mode", "header", "row"),
    [
        ("equibiaxial", "stretch [-],true_stress [Pa],nominal_stress [Pa]", "1,2,3"),
        ("planar", "strain [-],nominal_stress [Pa]", "0.5,2"),
        ("biaxial", "stretch_1 [-],stretch_2 [-],nominal_stress_2 [Pa]", "1,2,3"),
        (
            "biaxial",
            "stretch_1 [-],stretch_2 [-],nominal_stress_1 [Pa],nominal_stress_2 [Pa]",
            "1,2,3,4",
        ),
        ("simple_shear", "shear [-],shear_stress [Pa]", "-0.1,3"),
        ("volumetric", "volume_ratio [-],pressure [Pa]", "0.9,3"),
        ("tensor", TENSOR, ",".join(["0.1"] * 12)),
    ],
)
def test_modes(tmp_path: Path, mode: str, header: str, row: str) -> None:
    data = _read_mode(tmp_path, mode, f"{header}\n" + f"{row}\n" * 4)
    assert data.tests[0].mode == mode
    assert data.tests[0].unit == "Pa"
    assert all(values.shape == (4,) for values in data.tests[0].columns.values())


def test_lateral_measured_needs_its_column(tmp_path: Path) -> None:
    measured = 'lateral = "measured"'
    csv = f"{HEADER},lateral_stretch [-]\n" + "1,0,1\n" * 4
    assert "lateral_stretch" in _read_mode(tmp_path, "planar", csv, measured).tests[0].columns
    with pytest.raises(InputError, match=r"pull.csv: missing column 'lateral_stretch', which"):
        _read_mode(tmp_path, "planar", f"{HEADER}\n{ROWS}", measured)
    with pytest.raises(InputError, match="mode 'tensor' has no lateral stretch to measure"):
        _read_mode(tmp_path, "tensor", f"{HEADER}\n{ROWS}", measured)


def test_hash_follows_every_byte(tmp_path: Path) -> None:
    first = read_dataset(_write(tmp_path, f"{HEADER}\n{ROWS}")).hash
    assert read_dataset(_write(tmp_path, f"{HEADER}\n{ROWS}")).hash == first
    assert read_dataset(_write(tmp_path, f"{HEADER}\n{ROWS}#")).hash != first
    assert read_dataset(_write(tmp_path, f"{HEADER}\n{ROWS}", top='title = "a"')).hash != first


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("# nothing\n", "pull.csv: found no lines, expected a header"),
        (f"stretch [-]\n{ROWS}", "line 2: found 2 entries, expected 1"),
        ("stretch [-]\n1\n1\n1\n1\n", "missing column 'nominal_stress' or 'true_stress'"),
        ("nominal_stress [Pa]\n1\n1\n1\n1\n", "missing column 'stretch' or 'strain'"),
        (f"stretch,nominal_stress [MPa]\n{ROWS}", "line 1: found header 'stretch', expected a na"),
        (f"stretch [],nominal_stress [MPa]\n{ROWS}", "found header 'stretch []', expected"),
        (f"stretch [-];nominal_stress [MPa]\n{ROWS}", "line 1: found header 'stretch [-];"),
        (f"stretch [-],stretch [-]\n{ROWS}", "line 1: found column 'stretch' twice"),
        (f"stretch [-],nominal_stres [MPa]\n{ROWS}", "unknown column 'nominal_stres', did you me"),
        (f"stretch [-],shear_stress [MPa]\n{ROWS}", "unknown column 'shear_stress', "),
        (
            f"stretch [-],nominal_stress [mm]\n{ROWS}",
            "pull.csv: column 'nominal_stress': found unit 'mm', expected the unit of a stress",
        ),
        (f"stretch [-],nominal_stress [Mpa]\n{ROWS}", "found unit 'Mpa', expected the unit of a"),
        (f"stretch [-],nominal_stress [-]\n{ROWS}", "found unit '-', expected the unit of a str"),
        (f"stretch [mm],nominal_stress [Pa]\n{ROWS}", "column 'stretch': found unit 'mm'"),
        (
            f"{HEADER}\n{ROWS}# x\n0,1\n",
            "line 7, column 'stretch': found 0.0, expected more than 0",
        ),
        (f"{HEADER}\n{ROWS}-0.5,1\n", "line 6, column 'stretch': found -0.5, expected more than 0"),
        (
            "strain [%],true_stress [Pa]\n1,1\n1,1\n1,1\n-120,1\n",
            "line 5, column 'strain': found -120.0, expected more than -1",
        ),
        (f"{HEADER}\n{ROWS}nan,1\n", "line 6, column 'stretch': found 'nan', expected a finite"),
        (f"{HEADER}\n{ROWS}1,-inf\n", "column 'nominal_stress': found '-inf', expected a finite"),
        (f"{HEADER}\n{ROWS}1,abc\n", "line 6, column 'nominal_stress': found 'abc', expected a fi"),
        (f"{HEADER}\n{ROWS}1,\n", "line 6, column 'nominal_stress': found '', expected a finite"),
        (f"{HEADER}\n{ROWS}1,2,3\n", "line 6: found 3 entries, expected 2"),
        (f"{HEADER}\n{ROWS}1,1e305\n", "line 6, column 'nominal_stress': found 1e+305, expected"),
        (f"{HEADER}\n1,0\n2,1\n3,2\n", "pull.csv: found 3 points, expected at least 4"),
        (
            "time [s],stretch [-],true_stress [Pa]\n0,1,0\n2,1,0\n1,1,0\n3,1,0\n",
            "line 4, column 'time': found 1.0, expected a time not before that of the row above",
        ),
        (
            "stretch [-],strain [-],true_stress [Pa]\n" + "1,0,0\n" * 4,
            "found columns 'stretch' and 'strain', expected one",
        ),
        (
            f"{HEADER},temperature [degC]\n" + "1,0,-300\n" * 4,
            "line 2, column 'temperature': found -300.0, expected more than 0",
        ),
    ],
)
def test_bad_csv_is_one_line(tmp_path: Path, csv: str, message: str) -> None:
    said = _refused(_write(tmp_path, csv))
    assert said.startswith(str(tmp_path / "pull.csv"))
    assert message in said


def test_volume_ratio_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2, column 'volume_ratio': found 0.0, expected mor"):
        _read_mode(tmp_path, "volumetric", "volume_ratio [-],pressure [Pa]\n" + "0,1\n" * 4)


ENTRY = 'name = "pull"\nfile = "pull.csv"\nmode = "uniaxial"'


@pytest.mark.parametrize(
    ("top", "test", "message"),
    [
        ("titel = 'a'", ENTRY, "dataset.toml: unknown key 'titel', did you mean 'title'?"),
        ("title = 5", ENTRY, "dataset.toml: title: found 5, expected a text"),
        ("incompressible = 1", ENTRY, "incompressible: found 1, expected true or false"),
        ("density = '-930 kg/m^3'", ENTRY, "density: found '-930 kg/m^3', expected a value great"),
        ("density = '930 kg'", ENTRY, "density: found '930 kg', expected a density such as '930"),
        ("temperature = '-300 degC'", ENTRY, "temperature: found '-300 degC', expected a value g"),
        ("", ENTRY.replace("mode", "mod"), "[[tests]] 1: unknown key 'mod', did you mean 'mode'?"),
        ("", ENTRY.replace("uniaxial", "uni"), "[[tests]] 1, mode: found 'uni', expected 'uniax"),
        ("", f"{ENTRY}\nlateral = 'fre'", "[[tests]] 1, lateral: found 'fre', expected 'incompr"),
        ("", 'file = "pull.csv"\nmode = "planar"', "[[tests]] 1: missing key 'name'"),
        ("", ENTRY.replace("pull.csv", "no.csv"), "no.csv: cannot be read: No such file"),
        ("", f"{ENTRY}\n[[tests]]\n{ENTRY}", "tests: name 'pull' is given twice"),
        ("title = ", ENTRY, "dataset.toml: no valid TOML: Invalid value (at line 1, column 9)"),
    ],
)
def test_bad_toml_is_one_line(tmp_path: Path, top: str, test: str, message: str) -> None:
    assert message in _refused(_write(tmp_path, f"{HEADER}\n{ROWS}", test, top))


def test_no_dataset_and_no_tests(tmp_path: Path) -> None:
    assert _refused(tmp_path).endswith("dataset.toml: cannot be read: No such file or directory")
    (tmp_path / "dataset.toml").write_text("title = 'a'")
    assert _refused(tmp_path).endswith("dataset.toml: missing key 'tests'")
    (tmp_path / "dataset.toml").write_bytes(b"title = '\xff'")
    assert _refused(tmp_path).endswith("dataset.toml: expected UTF-8 text, byte 9 is not")


_CSV = st.lists(
    st.sampled_from(
        [
            HEADER,
            "stretch",
            " [-]",
            "[",
            "MPa",
            ",",
            "\n",
            "1",
            "2.5",
            "-",
            "nan",
            "#",
            "1e999",
            " ",
        ]
    ),
    max_size=20,
).map("".join)


@settings(deadline=None)
@given(st.one_of(_CSV, st.text(st.characters(exclude_categories=["Cs"]), max_size=60)))
def test_any_csv_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, csv: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    lines = 1
    try:
        read_dataset(_write(folder, f"{HEADER}\n{csv}"))
    except InputError as error:
        lines = len(str(error).splitlines())
    assert lines == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(-1e6, 1e6)), min_size=4, max_size=9))
def test_numbers_are_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[float, float]]
) -> None:
    csv = "".join(f"{stretch!r},{stress!r}\n" for stretch, stress in points)
    data = read_dataset(_write(tmp_path_factory.getbasetemp(), f"{HEADER[:-5]}[Pa]\n{csv}"))
    columns = data.tests[0].columns
    assert columns["stretch"].tolist() == [stretch for stretch, _ in points]
    assert columns["nominal_stress"].tolist() == [stress for _, stress in points]
