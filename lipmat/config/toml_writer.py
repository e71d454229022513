"""Write the few shapes of TOML that a case needs; the standard library only reads TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_toml(tables: Mapping[str, Any]) -> str:
    """Return a document: keys of the top level, then ``[tables]``, then ``[[arrays of tables]]``.

    Args:
        tables: strings, paths, booleans, integers, finite floats, sequences and tables of them.
            Tables within tables are written inline.
    """
    scalars = [f"{key} = {_value(value)}\n" for key, value in tables.items() if _is_scalar(value)]
    blocks = [_block(key, value) for key, value in tables.items() if not _is_scalar(value)]
    return "".join(scalars) + "".join(blocks)


def _is_table_array(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _is_scalar(value: object) -> bool:
    return not isinstance(value, Mapping) and not _is_table_array(value)


def _block(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"\n[{name}]\n{_lines(value)}"
    return "".join(f"\n[[{name}]]\n{_lines(table)}" for table in value)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str() | Path():
            return _string(str(value))
        case Mapping():
            return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"no TOML for {type(value).__name__}")


def _string(text: str) -> str:
    """Quote a text: TOML's escapes are those of JSON, and DEL must be escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
