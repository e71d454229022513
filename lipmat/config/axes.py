"""Material axes in a case file: two directions, or the name of cell data in the mesh file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from lipmat.config.expression import compile_expression
from lipmat.errors import InputError
from lipmat.schema import Name, Table, first_error

Floats = NDArray[np.float64]


def _valid(entry: float | str) -> float | str:
    if isinstance(entry, str):
        compile_expression(entry)
    elif not np.isfinite(entry):
        raise ValueError("expected finite numbers")
    return entry


_Entry = Annotated[StrictInt | StrictFloat | StrictStr, AfterValidator(_valid)]
_Row = tuple[_Entry, _Entry, _Entry]


class AxesSpec(Table):
    """Material axes; ``axes = [[1, 0, 0], [0, 1, 0]]`` is short for ``axes = { rows = … }``.

    Attributes:
        rows: first and second axis, of any length; entries are numbers, or expressions of x, y, z
            [m] that are evaluated at the centre of each cell.
        field: cell data of the mesh file with the first axis, or the first two, of each cell.
    """

    rows: tuple[_Row, _Row] | None = None
    field: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _rows_alone(cls, data: object) -> object:
        return {"rows": data} if isinstance(data, list | tuple) else data

    @model_validator(mode="after")
    def _exactly_one(self) -> AxesSpec:
        if (self.rows is None) == (self.field is None):
            found = "neither" if self.rows is None else "both"
            raise ValueError(f"found {found}, expected exactly one of rows, field")
        return self

    @property
    def constant(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """The two directions if they are numbers alone."""
        if self.rows is None or any(isinstance(entry, str) for row in self.rows for entry in row):
            return None
        first, second = (tuple(float(entry) for entry in row) for row in self.rows)
        return first, second

    def directions(self) -> list[Callable[..., Floats]]:
        """Return two functions of x, y, z (n,) [m] to directions (3, n)."""
        return [partial(_direction, row) for row in self.rows or ()]


def parse_axes(text: str, where: str) -> AxesSpec:
    """Read material axes as they are given on the command line, e.g. ``1,0,0;0,1,0``.

    Raises:
        InputError: Not two directions of three numbers or expressions each.
    """
    rows = [[_number(entry) for entry in row.split(",")] for row in text.split(";")]
    try:
        return AxesSpec.model_validate(rows)
    except ValidationError as error:
        raise InputError(f"{where}: found {text!r}, {first_error(error, rows)}") from None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _direction(row: _Row, x: Floats, y: Floats, z: Floats) -> Floats:
    values = [
        compile_expression(e)(x, y, z) if isinstance(e, str) else np.full(len(x), float(e))
        for e in row
    ]
    return np.stack(values)
