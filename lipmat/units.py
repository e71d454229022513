"""Units at the edges: quantities in TOML, in CSV headers and on the command line become SI floats.

Inside the package every number is SI. pint does the conversion; it is imported, and its registry
built, at the first unit that is met, because both are slow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from lipmat.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Dimension(NamedTuple):
    """What a quantity measures: its SI unit, its name with an article, and a text that has it."""

    si: str
    article_name: str
    example: str


DIMENSIONS: Mapping[str, Dimension] = MappingProxyType(
    {
        "length": Dimension("m", "a length", "2 mm"),
        "time": Dimension("s", "a time", "20 ms"),
        "stress": Dimension("Pa", "a stress", "0.5 MPa"),
        "foundation": Dimension("Pa/m", "a pressure per depth", "10 GPa/m"),
        "density": Dimension("kg/m^3", "a density", "930 kg/m^3"),
        "velocity": Dimension("m/s", "a velocity", "5 m/s"),
        "acceleration": Dimension("m/s^2", "an acceleration", "9.81 m/s^2"),
        "force": Dimension("N", "a force", "3 kN"),
        "dimensionless": Dimension("dimensionless", "a plain number", "0.5"),
        "angular_velocity": Dimension("rad/s", "an angular velocity", "30 rad/s"),
        "temperature": Dimension("K", "a temperature", "20 degC"),
        "rate": Dimension("1/s", "a rate", "0.1 1/s"),
    }
)

_QUANTITY = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(.*?)\s*")
_UNIT = re.compile(r"[A-Za-zµμ°Ω%(1][A-Za-zµμ°Ω%()0-9_*/^·⋅²³⁻¹ .+-]{0,59}")
_POWER_OF_NUMBER = re.compile(r"[0-9]\s*\)*\s*(\*\*|\^)")


def to_si(text_or_number: object, dimension: str, where: str) -> float:
    """Return a quantity in SI units.

    Args:
        text_or_number: a text such as ``"20 ms"``, or a number, which is taken as SI already (so is
            a text that holds a number alone).
        dimension: a key of `DIMENSIONS`.
        where: what the quantity belongs to, e.g. ``"case.toml: [time] end"``; opens the message.

    Raises:
        InputError: no number, not finite, no known unit, or a unit of another dimension.
    """
    try:
        return parse_quantity(text_or_number, dimension)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def column_unit(unit_text: str, dimension: str, where: str) -> float:
    """Return the factor that takes numbers in the unit of a CSV header to SI.

    Args:
        unit_text: what stands in the brackets, e.g. ``"MPa"``; ``"-"`` is dimensionless.
        dimension: a key of `DIMENSIONS`.
        where: file and column; opens the message.

    Raises:
        InputError: an unknown unit, one of another dimension, or one with an offset (degC), which
            no factor converts: `column_to_si` does.
    """
    zero, one = (_converted(number, unit_text, dimension, where) for number in (0.0, 1.0))
    if zero != 0.0:
        raise InputError(f"{where}: found unit {unit_text!r}, expected one without an offset")
    return float(one)


def column_to_si(values: NDArray[Any], unit_text: str, dimension: str, where: str) -> NDArray[Any]:
    """Return a column in SI units; unlike `column_unit` this includes units with an offset.

    Args:
        values: numbers in the unit of the header, shape (n,).
        unit_text: what stands in the brackets, e.g. ``"degC"``; ``"-"`` is dimensionless.
        dimension: a key of `DIMENSIONS`.
        where: file and column; opens the message.

    Raises:
        InputError: an unknown unit or one of another dimension.
    """
    converted: NDArray[Any] = _converted(values, unit_text, dimension, where)
    return converted


def parse_quantity(text_or_number: object, dimension: str) -> float:
    """Return a quantity in SI units; as `to_si`, for callers that name the place themselves.

    Raises:
        ValueError: what was found and what is expected, without the place.
    """
    value = _number_in_si(text_or_number, dimension)
    if not isfinite(value):
        raise _unexpected(text_or_number, dimension, "a finite number, ")
    return value


def dimension_of(unit_text: str) -> str:
    """Return the dimension of a unit, a key of `DIMENSIONS`.

    Raises:
        ValueError: no unit, or one of a dimension that is not known here.
    """
    for dimension in DIMENSIONS:
        try:
            _convert(1.0, unit_text, dimension)
        except ValueError:
            continue
        return dimension
    kinds = ", ".join(kind.article_name for kind in DIMENSIONS.values())
    raise ValueError(f"found unit {shown(unit_text)}, expected the unit of {kinds}")


def from_si(value: float, unit_text: str) -> float:
    """Return a number in SI in another unit of its dimension."""
    si = DIMENSIONS[dimension_of(unit_text)].si
    return float(_registry().Quantity(value, si).to(unit_text).magnitude)


def shown(value: object) -> str:
    """Return a value as it stands in a message: on one line and not long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _number_in_si(found: object, dimension: str) -> float:
    if isinstance(found, int | float) and not isinstance(found, bool):
        return _as_float(found)
    match = _QUANTITY.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise _unexpected(found, dimension)
    number, unit_text = float(match[1]), match[2]
    if not unit_text:
        return number
    try:
        return float(_convert(number, unit_text, dimension))
    except ValueError:
        raise _unexpected(found, dimension) from None


def _converted(number: Any, unit_text: str, dimension: str, where: str) -> Any:
    try:
        return _convert(number, "dimensionless" if unit_text == "-" else unit_text, dimension)
    except ValueError:
        kind = DIMENSIONS[dimension]
        unit = "-" if dimension == "dimensionless" else kind.si
        raise InputError(
            f"{where}: found unit {unit_text!r}, expected the unit of {kind.article_name} "
            f"such as {unit!r}"
        ) from None


def _convert(number: Any, unit_text: str, dimension: str) -> Any:
    """Convert a number or an array; ValueError for whatever pint cannot make of the unit."""
    if not _UNIT.fullmatch(unit_text) or _POWER_OF_NUMBER.search(unit_text):
        raise ValueError(unit_text)
    registry = _registry()
    try:
        unit = registry.parse_units(unit_text)
        return registry.Quantity(number, unit).to(DIMENSIONS[dimension].si).magnitude
    except Exception as error:  # pint lets errors of the tokenizer and of arithmetic through
        raise ValueError(unit_text) from error


def _unexpected(found: object, dimension: str, quality: str = "") -> ValueError:
    kind = DIMENSIONS[dimension]
    return ValueError(
        f"found {shown(found)}, expected {quality}{kind.article_name} such as {kind.example!r}"
    )


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer of more than 308 digits
        return float("inf")


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()
