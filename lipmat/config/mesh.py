"""The mesh of a case: a file, or a box given by its size and cells."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError, model_validator

from lipmat.errors import InputError
from lipmat.schema import ExistingFile, PositiveInt, PositiveLength, Table, first_error


class BoxSpec(Table):
    """A block of equal cells between the origin and ``size``.

    Attributes:
        size: edge lengths along x, y, z [m].
        cells: number of cells along x, y, z.
        cell: shape of the cells.
    """

    size: tuple[PositiveLength, PositiveLength, PositiveLength]
    cells: tuple[PositiveInt, PositiveInt, PositiveInt]
    cell: Literal["hexahedron", "tetrahedron"] = "hexahedron"


class MeshSpec(Table):
    """Exactly one of a mesh file and a box.

    Attributes:
        file: the mesh file, as an absolute path.
        box: a block of equal cells.
        formulation: how hexahedra are integrated: ``selective`` takes the mean change of volume of
            a cell, against locking; ``full`` takes all at eight points; ``reduced`` evaluates the
            law once for a cell, and holds hourglass modes by a stiffness.
    """

    file: ExistingFile | None = None
    box: BoxSpec | None = None
    formulation: Literal["selective", "full", "reduced"] = "selective"

    @model_validator(mode="after")
    def _exactly_one(self) -> MeshSpec:
        if (self.file is None) == (self.box is None):
            found = "neither" if self.file is None else "both"
            raise ValueError(f"found {found}, expected exactly one of file, box")
        return self


def parse_mesh(text: str, where: str = "MESH") -> MeshSpec:
    """Read a mesh as it is named on the command line.

    Args:
        text: ``box:LX,LY,LZ:NX,NY,NZ[:hexahedron|tetrahedron]`` with lengths in metres, or the
            path of a mesh file.
        where: opens the message of an error.

    Raises:
        InputError: a box that is not of this form, or no such file.
    """
    data: dict[str, Any] = {"file": text}
    if text.startswith("box:"):
        data = {"box": _box(text, where)}
    try:
        return MeshSpec.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{where}: {first_error(error, data)}") from None


def _box(text: str, where: str) -> dict[str, Any]:
    try:
        size, cells, *cell = text.removeprefix("box:").split(":")
        box: dict[str, Any] = {
            "size": size.split(","),
            "cells": [int(count) for count in cells.split(",")],
        }
    except ValueError:
        cell = ["", ""]
    if len(cell) > 1:
        raise InputError(
            f"{where}: found {text!r}, expected box:LX,LY,LZ:NX,NY,NZ[:hexahedron|tetrahedron]"
        )
    return box | ({"cell": cell[0]} if cell else {})
