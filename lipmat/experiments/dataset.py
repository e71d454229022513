"""A dataset: a folder with ``dataset.toml`` and the CSV files of its tests beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    field_validator,
    model_validator,
)

from lipmat.errors import InputError, nearest
from lipmat.experiments.columns import LAYOUTS, Columns, Mode, columns_in_si, stress_unit
from lipmat.experiments.table import read_raw_table
from lipmat.materials.channels import Channel, values_of
from lipmat.schema import Density, Name, Number, Stress, Table, Temperature, read_bytes, read_table

Lateral = Literal["incompressible", "free", "measured"]


@dataclass(frozen=True, eq=False)
class Test:
    """One test of a laboratory.

    Attributes:
        name: unique in the dataset; ``specimen/name`` where specimens are told apart.
        mode: how the specimen is loaded.
        lateral: how the strain across the loading follows.
        columns: read-only arrays of shape (n,) in SI, by name; an engineering strain is there as
            ``stretch`` [-].
        unit: unit of the stress as written in the file, e.g. ``"MPa"``, for reports.
        path: the CSV file.
        lines: line number in the file of each point, counted from 1; empty if there is no file.
        specimen: which one was tested, empty where they are not told apart.
        conditions: under which it was tested [SI], by name of the dataset's channels.
    """

    name: str
    mode: Mode
    lateral: Lateral
    columns: Columns
    unit: str
    path: Path
    lines: tuple[int, ...] = ()
    specimen: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Dataset:
    """The tests of one material and where they come from.

    Attributes:
        title: what was tested.
        source: who published it.
        doi: of the source.
        licence: of the data.
        temperature: at which it was tested [K].
        density: of the unloaded material [kg/m^3].
        incompressible: whether the tests took the material to be so.
        young: Young's modulus at small strain, if known apart from the tests [Pa].
        poisson: Poisson's ratio that belongs to it [-].
        tests: in the order of ``dataset.toml``.
        folder: where it was read.
        hash: SHA-256, in hexadecimal, of ``dataset.toml`` and the CSV files, of all tests.
        channels: conditions that are recorded with every test.
        strain_error: largest error of the strains as they were read, if declared [-].
    """

    title: str
    source: str
    doi: str
    licence: str
    temperature: float | None
    density: float | None
    incompressible: bool
    young: float | None
    poisson: float | None
    tests: tuple[Test, ...]
    folder: Path
    hash: str
    strain_error: float | None = None
    channels: tuple[Channel, ...] = ()

    @property
    def bulk_modulus(self) -> float | None:
        """K = E / (3 (1 - 2 nu)) of the elastic constants, None without them [Pa]."""
        if self.young is None or self.poisson is None:
            return None
        return self.young / (3.0 * (1.0 - 2.0 * self.poisson))

    @property
    def specimens(self) -> tuple[str, ...]:
        """Names of the specimens, in the order of ``dataset.toml``; none if not told apart."""
        return tuple(dict.fromkeys(test.specimen for test in self.tests if test.specimen))

    def of_specimen(self, specimen: str) -> Dataset:
        """Return the tests of one specimen, by their names without it."""
        tests = (
            replace(test, name=test.name.removeprefix(f"{specimen}/"))
            for test in self.tests
            if test.specimen == specimen
        )
        return replace(self, tests=tuple(tests))

    def select(self, names: Iterable[str]) -> Dataset:
        """Return the dataset with the named tests only, in the order of the names.

        The hash stays that of the whole folder.

        Raises:
            InputError: no name, a name given twice, or no such test (the nearest is named).
        """
        by_name = {test.name: test for test in self.tests}
        chosen = tuple(names)
        for name in chosen:
            if name not in by_name:
                raise InputError(f"{self.folder}: unknown test {name!r}, {nearest(name, by_name)}")
        if not chosen or len(set(chosen)) < len(chosen):
            raise InputError(
                f"{self.folder}: found tests {', '.join(chosen) or 'none'}, "
                "expected at least one and each once"
            )
        return replace(self, tests=tuple(by_name[name] for name in chosen))


def _positive(value: float) -> float:
    if value <= 0.0:
        raise ValueError("expected a value greater than 0")
    return value


def _poisson_ratio(value: float) -> float:
    if not -1.0 < value < 0.5:
        raise ValueError("expected a value between -1 and 0.5")
    return value


def _strain_error(value: float) -> float:
    if not 1e-9 <= value <= 0.5:
        raise ValueError("expected a value from 1e-9 to 0.5")
    return value


PositiveStress = Annotated[Stress, AfterValidator(_positive)]
PoissonRatio = Annotated[Number, AfterValidator(_poisson_ratio)]
StrainError = Annotated[Number, AfterValidator(_strain_error)]
Written = StrictInt | StrictFloat | str


class _ChannelEntry(Table):
    unit: Name | None = None
    range: tuple[Written, Written]


class _TestEntry(Table):
    name: Name
    file: Name
    mode: Mode
    lateral: Lateral | None = None
    specimen: Name | None = None
    conditions: Annotated[dict[str, Written], Field(default_factory=dict)]

    @property
    def full_name(self) -> str:
        return self.name if self.specimen is None else f"{self.specimen}/{self.name}"


class _DatasetFile(Table):
    title: str = ""
    source: str = ""
    doi: str = ""
    licence: str = ""
    temperature: Temperature | None = None
    density: Density | None = None
    incompressible: StrictBool = False
    young: PositiveStress | None = None
    poisson: PoissonRatio | None = None
    strain_error: StrainError | None = None
    conditions: Annotated[dict[str, _ChannelEntry], Field(default_factory=dict)]
    tests: Annotated[tuple[_TestEntry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _both_elastic_constants(self) -> Self:
        if (self.young is None) != (self.poisson is None):
            found, due = ("young", "poisson") if self.poisson is None else ("poisson", "young")
            raise ValueError(f"found {found} without {due}, expected both or neither")
        return self

    @field_validator("tests")
    @classmethod
    def _unique_names(cls, tests: tuple[_TestEntry, ...]) -> tuple[_TestEntry, ...]:
        names = [test.full_name for test in tests]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"name {name!r} is given twice, expected a different one for each, or the "
                    "key specimen beside it where tests of several specimens share their names"
                )
        return tests

    @field_validator("tests")
    @classmethod
    def _lateral_has_meaning(cls, tests: tuple[_TestEntry, ...]) -> tuple[_TestEntry, ...]:
        for test in tests:
            if test.lateral == "measured" and not LAYOUTS[test.mode].lateral:
                raise ValueError(
                    f"test {test.name!r} has lateral = 'measured', but mode {test.mode!r} has no "
                    "lateral stretch to measure"
                )
        return tests


def read_dataset(path: str | Path) -> Dataset:
    """Read a dataset, in SI.

    Args:
        path: the folder that holds ``dataset.toml``.

    Raises:
        InputError: a file is missing, or a key, a column, a unit, a row or a value is wrong.
    """
    folder = Path(path)
    file = folder / "dataset.toml"
    content = read_table(file, _DatasetFile)
    default: Lateral = "incompressible" if content.incompressible else "free"
    channels = _channels(content, file)
    return Dataset(
        **content.model_dump(exclude={"tests", "conditions"}),
        tests=tuple(_read_test(folder, entry, default, channels) for entry in content.tests),
        channels=channels,
        folder=folder,
        hash=_hash(folder, ["dataset.toml", *(entry.file for entry in content.tests)]),
    )


def _channels(content: _DatasetFile, file: Path) -> tuple[Channel, ...]:
    """Return the channels of a dataset, whose conditions its tests must all have."""
    if "temperature" in content.conditions and content.temperature is not None:
        raise InputError(
            f"{file}: found temperature and [conditions.temperature], expected one of them"
        )
    channels = []
    for name, entry in content.conditions.items():
        try:
            channels.append(Channel.declared(name, entry.unit or "", entry.range))
        except ValueError as error:
            raise InputError(f"{file}: [conditions.{name}] {error}") from None
    return tuple(channels)


def _read_test(
    folder: Path, entry: _TestEntry, default: Lateral, channels: tuple[Channel, ...]
) -> Test:
    where = f"{folder / 'dataset.toml'}: test {entry.full_name!r}"
    conditions = values_of(channels, entry.conditions, where, [c.name for c in channels])
    table = read_raw_table(folder / entry.file)
    lateral = entry.lateral or default
    columns = columns_in_si(table, entry.mode, measured=lateral == "measured")
    unit = stress_unit(table)
    found = columns, unit, table.path, table.lines
    return Test(entry.full_name, entry.mode, lateral, *found, entry.specimen or "", conditions)


def _hash(folder: Path, names: Iterable[str]) -> str:
    """Hash names and contents, each after its length, so that no two folders read the same."""
    digest = sha256()
    for name in names:
        for part in (name.encode(), read_bytes(folder / name)):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
