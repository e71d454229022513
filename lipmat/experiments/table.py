"""CSV files of a laboratory: one header line with units in brackets, then rows of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError
from lipmat.schema import read_text
from lipmat.units import shown

_HEADER = re.compile(r"\s*([^\[\],]*?)\s*(?:\[\s*([^\[\]]*?)\s*\])?\s*")


@dataclass(frozen=True, eq=False)
class RawTable:
    """A CSV file as written, before units are converted.

    Attributes:
        path: the file.
        units: what stands in the brackets, by name of the column, in the order of the file.
        values: the numbers as written, shape (rows, columns).
        lines: line number in the file of each row, counted from 1.
    """

    path: Path
    units: dict[str, str]
    values: NDArray[np.float64]
    lines: tuple[int, ...]

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a column as written, shape (rows,)."""
        values: NDArray[np.float64] = self.values[:, list(self.units).index(name)]
        return values

    def where(self, row: int, name: str) -> str:
        """Name an entry, to open a message."""
        return f"{self.path}: line {self.lines[row]}, column {name!r}"


def read_raw_table(path: Path) -> RawTable:
    """Read a CSV file; empty lines and lines that start with # are skipped.

    Raises:
        InputError: no such file, a header without units, a column named twice, a row with more or
            fewer entries than the header, or an entry that is no finite number.
    """
    numbered = [
        (number, line.split(","))
        for number, line in enumerate(read_text(path).splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not numbered:
        raise InputError(f"{path}: found no lines, expected a header such as 'stretch [-]'")
    units = _read_header(numbered[0][1], f"{path}: line {numbered[0][0]}")
    rows = [_read_row(cells, list(units), f"{path}: line {line}") for line, cells in numbered[1:]]
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(units))
    return RawTable(path, units, values, tuple(line for line, _ in numbered[1:]))


def _read_header(cells: list[str], where: str) -> dict[str, str]:
    units: dict[str, str] = {}
    for cell in cells:
        match = _HEADER.fullmatch(cell)
        if match is None or not match[1] or not match[2]:
            raise InputError(
                f"{where}: found header {shown(cell.strip())}, expected a name and its unit in "
                "brackets such as 'nominal_stress [MPa]' or 'stretch [-]'"
            )
        if match[1] in units:
            raise InputError(f"{where}: found column {match[1]!r} twice, expected it once")
        units[match[1]] = match[2]
    return units


def _read_row(cells: list[str], names: list[str], where: str) -> list[float]:
    if len(cells) != len(names):
        raise InputError(f"{where}: found {len(cells)} entries, expected {len(names)}")
    return [
        _read_number(cell.strip(), f"{where}, column {name!r}")
        for cell, name in zip(cells, names, strict=True)
    ]


def _read_number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise InputError(f"{where}: found {shown(text)}, expected a finite number")
    return number
