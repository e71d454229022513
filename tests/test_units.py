from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipmat.errors import InputError
from lipmat.units import DIMENSIONS, column_to_si, column_unit, to_si


@pytest.mark.parametrize(
    ("text", "dimension", "expected"),
    [
        ("2 mm", "length", 0.002),
        ("20ms", "time", 0.02),
        ("0.2 ms", "time", 0.0002),
        ("-1.5e3 kPa", "stress", -1.5e6),
        ("1 N/mm^2", "stress", 1e6),
        ("1 N/mm²", "stress", 1e6),
        ("930 kg/m^3", "density", 930.0),
        ("1 g/cm^3", "density", 1000.0),
        ("36 km/hour", "velocity", 10.0),
        ("9.81 m/s**2", "acceleration", 9.81),
        ("3 kN", "force", 3000.0),
        ("30 %", "dimensionless", 0.3),
        ("60 rpm", "angular_velocity", 6.283185307179586),
        ("30 rad/s", "angular_velocity", 30.0),
        ("20 degC", "temperature", 293.15),
        ("20 °C", "temperature", 293.15),
        ("930", "density", 930.0),
        (930, "density", 930.0),
        (0.5, "stress", 0.5),
    ],
)
def test_a_quantity_becomes_si(text: object, dimension: str, expected: float) -> None:
    assert to_si(text, dimension, "here") == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_example_of_each_message_is_accepted(dimension: str) -> None:
    assert to_si(DIMENSIONS[dimension].example, dimension, "here") > 0.0


@pytest.mark.parametrize(
    ("found", "dimension", "message"),
    [
        ("20 mm", "time", "here: found '20 mm', expected a time such as '20 ms'"),
        ("3 kg", "stress", "here: found '3 kg', expected a stress such as '0.5 MPa'"),
        ("20 bananas", "time", "here: found '20 bananas', expected a time such as '20 ms'"),
        ("nan s", "time", "here: found 'nan s', expected a time such as '20 ms'"),
        ("1e999 s", "time", "here: found '1e999 s', expected a finite number, a time"),
        (float("nan"), "time", "here: found nan, expected a finite number, a time"),
        (float("inf"), "length", "here: found inf, expected a finite number, a length"),
        (10**400, "length", "expected a finite number, a length"),
        (True, "time", "here: found True, expected a time such as '20 ms'"),
        (None, "force", "here: found None, expected a force such as '3 kN'"),
        ("", "force", "here: found '', expected a force such as '3 kN'"),
        ("5 (m", "length", "here: found '5 (m', expected a length such as '2 mm'"),
        ("5 m**s", "length", "here: found '5 m**s', expected a length such as '2 mm'"),
        ("5 m*2", "length", "here: found '5 m*2', expected a length such as '2 mm'"),
        ("5 m^9^9^9^9^9", "length", "expected a length such as '2 mm'"),
        ("5 m, 3 m", "length", "here: found '5 m, 3 m', expected a length such as '2 mm'"),
    ],
)
def test_a_bad_quantity_is_named(found: object, dimension: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        to_si(found, dimension, "here")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_have_factors() -> None:
    assert column_unit("MPa", "stress", "here") == 1e6
    assert column_unit("-", "dimensionless", "here") == 1.0
    assert column_unit("%", "dimensionless", "here") == 0.01


def test_a_column_of_degrees_has_no_factor_but_converts() -> None:
    with pytest.raises(InputError, match="here: found unit 'degC', expected one without an offset"):
        column_unit("degC", "temperature", "here")
    kelvin = column_to_si(np.array([0.0, 20.0]), "degC", "temperature", "here")
    assert kelvin.tolist() == [273.15, 293.15]


@pytest.mark.parametrize("unit", ["mm", "-", "", "Mpa", "9**9**9", "MPa]"])
def test_a_unit_that_is_no_stress_is_named(unit: str) -> None:
    with pytest.raises(InputError, match=r"here: found unit .*, expected the unit of a stress"):
        column_unit(unit, "stress", "here")


_NEAR_MISSES = st.from_regex(r"[0-9] [a-zA-Z0-9*/^() %.-]{1,12}", fullmatch=True)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=30), _NEAR_MISSES), st.sampled_from(sorted(DIMENSIONS)))
def test_any_text_gives_a_finite_number_or_one_line(text: str, dimension: str) -> None:
    value, lines = 0.0, 1
    try:
        value = to_si(text, dimension, "here")
    except InputError as error:
        lines = len(str(error).splitlines())
    assert np.isfinite(value)
    assert lines == 1


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_pass_unchanged_in_si_units(number: float) -> None:
    assert to_si(number, "stress", "here") == number
    assert to_si(f"{number!r} Pa", "stress", "here") == number


def test_neither_torch_nor_dolfinx_nor_pint_is_imported_early() -> None:
    code = (
        "import sys, lipmat.units, lipmat.config, lipmat.experiments.dataset\n"
        "sys.exit(', '.join({'torch', 'dolfinx', 'pint'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
