"""TOML files read into checked, frozen tables; whatever is wrong in one becomes one line."""

from __future__ import annotations

import tomllib
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from lipmat.errors import InputError, nearest
from lipmat.units import parse_quantity, shown


class Table(BaseModel):
    """A table of a TOML file: frozen, and an unknown key is an error that names the nearest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: object) -> object:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {key!r}, {nearest(key, cls.model_fields)}")
        return data


def _quantity(dimension: str) -> BeforeValidator:
    return BeforeValidator(partial(parse_quantity, dimension=dimension))


def _positive(value: float) -> float:
    if value <= 0.0:
        raise ValueError("expected a value greater than 0")
    return value


def _existing_file(value: object, info: ValidationInfo) -> Path:
    """Resolve a path relative to the file that names it."""
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("expected the name of a file")
    folder = (info.context or {}).get("folder", Path())
    path = Path(folder, value).resolve()
    if not path.is_file():
        raise ValueError(f"expected an existing file, there is none at {path}")
    return path


def _existing_file_or_folder(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, str | Path) and str(value):
        path = Path((info.context or {}).get("folder", Path()), value).resolve()
        if path.is_dir():
            return path
    return _existing_file(value, info)


Length = Annotated[float, _quantity("length")]
Time = Annotated[float, _quantity("time")]
Stress = Annotated[float, _quantity("stress")]
Foundation = Annotated[float, _quantity("foundation"), AfterValidator(_positive)]
Density = Annotated[float, _quantity("density"), AfterValidator(_positive)]
Velocity = Annotated[float, _quantity("velocity")]
Acceleration = Annotated[float, _quantity("acceleration")]
Temperature = Annotated[float, _quantity("temperature"), AfterValidator(_positive)]
Number = Annotated[float, _quantity("dimensionless")]
PositiveLength = Annotated[Length, AfterValidator(_positive)]
PositiveTime = Annotated[Time, AfterValidator(_positive)]
PositiveNumber = Annotated[Number, AfterValidator(_positive)]
PositiveInt = Annotated[StrictInt, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]
ExistingFile = Annotated[Path, BeforeValidator(_existing_file)]
FileOrFolder = Annotated[Path, BeforeValidator(_existing_file_or_folder)]


def read_bytes(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark.

    Raises:
        InputError: the file is missing, cannot be read or is not UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text, byte {error.start} is not") from None


def read_table[T: Table](path: Path, model: type[T]) -> T:
    """Read a TOML file into a table; paths in it are relative to its folder.

    Raises:
        InputError: no such file, no TOML, or a key that is unknown, missing or has a bad value.
    """
    try:
        data = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: no valid TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: no valid TOML: nested too deeply") from None
    try:
        return model.model_validate(data, context={"folder": path.parent})
    except ValidationError as error:
        raise InputError(f"{path}: {first_error(error, data)}") from None


def first_error(error: ValidationError, data: object) -> str:
    """Say in one line where the first error is, what was found and what is expected."""
    errors = error.errors(include_url=False)
    first = errors[0]
    place, kind = first["loc"], first["type"]
    if kind == "missing" and isinstance(place[-1], str):
        return _said(place[:-1], f"missing key {place[-1]!r}")
    if kind == "missing":  # of a list, one error for each missing entry
        place = place[:-1]
        length = max(int(e["loc"][-1]) for e in errors if e["loc"][:-1] == place) + 1
        expected = f"expected {length} entries"
    else:
        expected = _expectation(kind, first["msg"], first.get("ctx", {}))
    written = _as_written(data, place, first["input"])
    if expected.startswith("expected") and not isinstance(written, dict):
        expected = f"found {shown(written)}, {expected}"
    return _said(place, expected, scalar=not isinstance(written, dict))


_EXPECTED = {
    "model_type": "a table",
    "tuple_type": "a list",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "int_type": "an integer",
    "bool_type": "true or false",
    "greater_than": "a value greater than {gt}",
    "greater_than_equal": "a value not less than {ge}",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
}


def _expectation(kind: str, message: str, context: dict[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind].format(**context)}"
    return f"expected {message.removeprefix('Input should be ')}"


def _said(place: tuple[int | str, ...], message: str, scalar: bool = False) -> str:
    """Open a message with its place: ``[time] end: …``, ``[[boundary]] 2, curve[1]: …``."""
    if not place:
        return message
    table, *rest = place
    if not rest:
        return f"{table}: {message}" if scalar else f"[{table}] {message}"
    numbered = isinstance(rest[0], int)
    head = f"[[{table}]] {int(rest.pop(0)) + 1}" if numbered else f"[{table}]"
    tail = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in rest)
    if not tail:
        return f"{head}: {message}"
    return f"{head}{',' if numbered else ''} {tail.removeprefix('.')}: {message}"


def _as_written(data: Any, place: tuple[int | str, ...], otherwise: object) -> object:
    """Return the value in the file, which later validators see converted already."""
    for key in place:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return otherwise
    return data
