"""Conditions on which a law depends: their names, units and declared ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lipmat.errors import InputError, nearest
from lipmat.units import dimension_of, from_si, parse_quantity, shown

Values = Mapping[str, float]
_EDGE = 1e-9
"""Share of the range by which a value may be outside, for one unit rounds into another."""


@dataclass(frozen=True)
class Channel:
    """One condition that is recorded with every test, such as the temperature.

    Attributes:
        name: Its name.
        unit: In which people give it, e.g. ``"degC"``; ``""`` for a plain number.
        low: Smallest value of the declared range [SI].
        high: Largest value [SI].
    """

    name: str
    unit: str
    low: float
    high: float

    @classmethod
    def declared(cls, name: str, unit: str, limits: tuple[object, object]) -> Channel:
        """Return a channel with limits as written, texts or numbers in its unit.

        Raises:
            ValueError: The unit is unknown, or the range is empty.
        """
        low, high = (_parsed(limit, unit) for limit in limits)
        if not low < high:
            raise ValueError(f"range: found {shown(list(limits))}, expected low < high")
        return cls(name, unit, low, high)

    def value(self, written: object) -> float:
        """Return a value [SI]; a number without a unit is in the channel's unit.

        Raises:
            ValueError: No number, a unit of another dimension, or outside the range.
        """
        value = _parsed(written, self.unit)
        edge = _EDGE * (self.high - self.low)
        if not self.low - edge <= value <= self.high + edge:
            raise ValueError(f"found {shown(written)}, expected a value in {self.range_text()}")
        return min(max(value, self.low), self.high)

    def normalised(self, value: float) -> float:
        """Return a value [SI] as its place in the range, from -1 to 1."""
        return (2.0 * value - (self.low + self.high)) / (self.high - self.low)

    def in_unit(self, value: float) -> float:
        """Return a value [SI] in the channel's unit."""
        return from_si(value, self.unit) if self.unit else value

    def text(self, value: float) -> str:
        """Return a value [SI] for people, e.g. ``60 degC``."""
        return f"{self.in_unit(value):.6g} {self.unit}".rstrip()

    def range_text(self) -> str:
        """Return the declared range for people, e.g. ``-20 … 80 degC``."""
        low, high = self.in_unit(self.low), self.in_unit(self.high)
        return f"{low:.6g} … {high:.6g} {self.unit}".rstrip()

    def as_dict(self) -> dict[str, Any]:
        """Return the channel as JSON values, from which ``Channel(**...)`` makes it again."""
        return asdict(self)


def values_of(
    channels: Iterable[Channel], written: Mapping[str, object], where: str, due: Iterable[str]
) -> dict[str, float]:
    """Return the values of conditions as written [SI].

    Args:
        channels: All that are known.
        written: By name, texts or numbers in the unit of the channel.
        where: Opens the message of an error.
        due: Names that must be there.

    Raises:
        InputError: An unknown condition (the nearest is named), one that is missing, or a value
            that is no quantity of its kind or outside the range.
    """
    known = {channel.name: channel for channel in channels}
    for name in written:
        if name not in known:
            cure = (
                nearest(name, known) if known else "expected none: the dataset has no [conditions]"
            )
            raise InputError(f"{where}: unknown condition {name!r}, {cure}")
    for name in due:
        if name not in written:
            expected = f"expected a value in {known[name].range_text()}"
            raise InputError(f"{where}: missing condition {name!r}, {expected}")
    found = {}
    for name, text in written.items():
        try:
            found[name] = known[name].value(text)
        except ValueError as error:
            raise InputError(f"{where}: condition {name!r}: {error}") from None
    return found


def _parsed(written: object, unit: str) -> float:
    """Return a quantity in SI; numbers, also as texts, are in the unit given."""
    if not unit:
        return parse_quantity(written, "dimensionless")
    text = str(written).strip() if isinstance(written, int | float | str) else ""
    if isinstance(written, bool) or not text:
        raise ValueError(f"found {shown(written)}, expected a number or a text with a unit")
    try:
        float(text)
    except ValueError:
        return parse_quantity(text, dimension_of(unit))
    return parse_quantity(f"{text} {unit}", dimension_of(unit))
