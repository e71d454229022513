"""The columns of a test by loading mode: which there are, which are due, what they may hold."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from lipmat.errors import InputError, nearest
from lipmat.experiments.table import RawTable
from lipmat.units import column_to_si

type Columns = Mapping[str, NDArray[np.float64]]
Mode = Literal[
    "uniaxial", "equibiaxial", "planar", "biaxial", "simple_shear", "volumetric", "tensor"
]
MODES: tuple[Mode, ...] = get_args(Mode)
COMPONENTS = ("11", "22", "33", "23", "13", "12")
FEWEST_POINTS = 4


class Column(NamedTuple):
    """A column: its dimension (`lipmat.units.DIMENSIONS`) and the limit its values lie above."""

    dimension: str
    above: float | None = None


COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "stretch": Column("dimensionless", 0.0),
        "strain": Column("dimensionless", -1.0),
        "lateral_stretch": Column("dimensionless", 0.0),
        "nominal_stress": Column("stress"),
        "true_stress": Column("stress"),
        "stretch_1": Column("dimensionless", 0.0),
        "stretch_2": Column("dimensionless", 0.0),
        "nominal_stress_1": Column("stress"),
        "nominal_stress_2": Column("stress"),
        "shear": Column("dimensionless"),
        "shear_stress": Column("stress"),
        "volume_ratio": Column("dimensionless", 0.0),
        "pressure": Column("stress"),
        **{f"strain_{component}": Column("dimensionless") for component in COMPONENTS},
        **{f"stress_{component}": Column("stress") for component in COMPONENTS},
        "time": Column("time"),
        "temperature": Column("temperature", 0.0),
        "deviation": Column("stress", 0.0),
    }
)
OPTIONAL = ("time", "temperature", "deviation")


class Layout(NamedTuple):
    """The columns of a mode.

    Attributes:
        groups: for each due quantity the columns that can give it.
        fewest, most: how many columns of each group there are.
        lateral: whether a measured ``lateral_stretch`` has a meaning.
    """

    groups: tuple[tuple[str, ...], ...]
    fewest: tuple[int, ...]
    most: tuple[int, ...]
    lateral: bool = False

    def known(self) -> tuple[str, ...]:
        """Return all columns that a test of this mode may have."""
        due = tuple(name for group in self.groups for name in group)
        return due + (("lateral_stretch",) if self.lateral else ()) + OPTIONAL


def _all_of(*names: str) -> Layout:
    return Layout(tuple((name,) for name in names), (1,) * len(names), (1,) * len(names))


_ONE_STRETCH = Layout(
    (("stretch", "strain"), ("nominal_stress", "true_stress")), (1, 1), (1, 2), lateral=True
)
LAYOUTS: Mapping[Mode, Layout] = MappingProxyType(
    {
        "uniaxial": _ONE_STRETCH,
        "equibiaxial": _ONE_STRETCH,
        "planar": _ONE_STRETCH,
        "biaxial": Layout(
            (("stretch_1",), ("stretch_2",), ("nominal_stress_1", "nominal_stress_2")),
            (1, 1, 1),
            (1, 1, 2),
            lateral=True,
        ),
        "simple_shear": _all_of("shear", "shear_stress"),
        "volumetric": _all_of("volume_ratio", "pressure"),
        "tensor": _all_of(
            *(f"strain_{component}" for component in COMPONENTS),
            *(f"stress_{component}" for component in COMPONENTS),
        ),
    }
)


def columns_in_si(table: RawTable, mode: Mode, measured: bool) -> Columns:
    """Return the columns of a test in SI, read-only; ``strain`` becomes ``stretch``.

    Args:
        table: the file as written.
        mode: the loading mode, which says what columns are due.
        measured: whether the lateral stretch is measured, so that its column is due as well.

    Raises:
        InputError: a column is unknown, missing or one too many; its unit is none of its
            dimension; too few points; a value out of bounds; time that decreases.
    """
    _check_names(table, LAYOUTS[mode], measured)
    if len(table.lines) < FEWEST_POINTS:
        raise InputError(
            f"{table.path}: found {len(table.lines)} points, expected at least {FEWEST_POINTS}"
        )
    columns = {name: _in_si(table, name) for name in table.units}
    if "strain" in columns:
        columns = {"stretch": 1.0 + columns.pop("strain"), **columns}
    for values in columns.values():
        values.flags.writeable = False
    return MappingProxyType(columns)


def stress_unit(table: RawTable) -> str:
    """Return the unit in which the file gives its (first) stress, e.g. ``"MPa"``."""
    stresses = (
        unit
        for name, unit in table.units.items()
        if COLUMNS[name].dimension == "stress" and name not in OPTIONAL
    )
    return next(stresses)


def _check_names(table: RawTable, layout: Layout, measured: bool) -> None:
    known = layout.known()
    for name in table.units:
        if name not in known:
            raise InputError(f"{table.path}: unknown column {name!r}, {nearest(name, known)}")
    for group, fewest, most in zip(layout.groups, layout.fewest, layout.most, strict=True):
        found = [name for name in group if name in table.units]
        if len(found) < fewest:
            raise InputError(f"{table.path}: missing column {' or '.join(map(repr, group))}")
        if len(found) > most:
            raise InputError(
                f"{table.path}: found columns {' and '.join(map(repr, found))}, expected one"
            )
    if measured and "lateral_stretch" not in table.units:
        raise InputError(
            f"{table.path}: missing column 'lateral_stretch', which lateral = 'measured' needs"
        )


def _in_si(table: RawTable, name: str) -> NDArray[np.float64]:
    column = COLUMNS[name]
    where = f"{table.path}: column {name!r}"
    raw = table.column(name)
    with np.errstate(over="ignore"):  # an overflow is reported below, with its line
        converted = column_to_si(raw, table.units[name], column.dimension, where)
    values: NDArray[np.float64] = np.array(converted, dtype=np.float64)
    bad = np.zeros(len(values), dtype=bool)
    expected = "a finite number"
    if column.above is not None:
        bad, expected = values <= column.above, f"more than {column.above:g}"
    if name == "time":
        bad[1:], expected = np.diff(values) < 0.0, "a time not before that of the row above"
    bad |= ~np.isfinite(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{table.where(row, name)}: found {float(raw[row])!r}, expected {expected}"
        )
    return values
