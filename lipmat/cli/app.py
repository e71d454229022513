"""The application that the commands join, and what they share."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

import lipmat
from lipmat.cli.ranks import rank
from lipmat.errors import InputError

app = App(
    name="lipmat",
    version=lipmat.__version__,
    help="Learned constitutive laws that come with a stable time step.\n\nStart with:  lipmat demo",
)
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Quantity = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
Output = Annotated[Path | None, Parameter(name=["-o", "--output"])]


def exit_code(record: Any) -> int:
    """Return 0 for a completed run, else 1."""
    return 0 if record.outcome == "completed" else 1


def print_json(content: Any) -> None:
    """Print JSON, on one rank."""
    if rank() == 0:
        print(jsonlib.dumps(content, indent=2, default=str))


def refuse_no_folder(folder: Path) -> None:
    """Refuse what is no folder, before torch or pyvista is imported, which takes seconds.

    Raises:
        InputError: There is none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder, expected that of a run")


def refuse_no_material(file: Path) -> None:
    """Refuse what is no file, before torch is imported, which takes seconds.

    Raises:
        InputError: There is nothing, or a folder.
    """
    if file.is_dir():
        raise InputError(f"{file}: found a folder, expected a material file")
    if not file.exists():
        raise InputError(f"{file}: cannot be read, No such file or directory")
