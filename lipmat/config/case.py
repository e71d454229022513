"""The case file: what is simulated, read from TOML, checked, and turned into SI."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StrictBool,
    StrictInt,
    field_validator,
)

from lipmat.config.loads import BoundarySpec, GravitySpec, InitialSpec
from lipmat.config.mesh import MeshSpec
from lipmat.config.toml_writer import write_toml
from lipmat.schema import (
    Density,
    ExistingFile,
    Length,
    Name,
    PositiveInt,
    PositiveNumber,
    PositiveTime,
    Table,
    read_table,
)


class MaterialSpec(Table):
    """A material and where it is.

    Attributes:
        file: the material file, as an absolute path.
        density: of the reference state [kg/m^3].
        region: a named group of the mesh; None is everywhere.
    """

    file: ExistingFile
    density: Density
    region: Name | None = None


class TimeSpec(Table):
    """How far, and with which step.

    Attributes:
        end: length of the simulation [s].
        level: what the certificate of the step covers.
        safety: factor on the certified step, in (0, 1].
        check_every: steps between two checks of domain, energy and cells.
    """

    end: PositiveTime
    level: Literal["linearised", "convex", "energy"] = "linearised"
    safety: PositiveNumber = 1.0
    check_every: PositiveInt = 20

    @field_validator("level")
    @classmethod
    def _available(cls, level: str) -> str:
        if level != "linearised":
            raise ValueError(
                "expected 'linearised', the other levels arrive with the small-strain laws"
            )
        return level

    @field_validator("safety")
    @classmethod
    def _at_most_one(cls, safety: float) -> float:
        if safety > 1.0:
            raise ValueError("expected at most 1")
        return safety


class OutputSpec(Table):
    """What a run leaves.

    Attributes:
        every: time between two records [s]; None is a fiftieth of the end (`Case.output_every`).
        picture: whether pictures are made.
        movie: whether a movie is made.
        probes: points whose motion is recorded [m].
    """

    every: PositiveTime | None = None
    picture: StrictBool = True
    movie: StrictBool = False
    probes: tuple[tuple[Length, Length, Length], ...] = ()


class Case(Table):
    """A whole simulation; all numbers are SI."""

    title: str = ""
    mesh: MeshSpec
    materials: Annotated[tuple[MaterialSpec, ...], Field(min_length=1)]
    time: TimeSpec
    boundary: tuple[BoundarySpec, ...] = ()
    initial: InitialSpec = InitialSpec()
    gravity: GravitySpec | None = None
    output: OutputSpec = OutputSpec()
    seed: Annotated[StrictInt, Field(ge=0)] = 0

    @field_validator("materials")
    @classmethod
    def _distinct_regions(cls, materials: tuple[MaterialSpec, ...]) -> tuple[MaterialSpec, ...]:
        region, count = Counter(material.region for material in materials).most_common(1)[0]
        if count > 1:
            raise ValueError(f"region {region or 'everywhere'!r} has {count} materials, expected 1")
        if len(materials) > 1 and any(material.region is None for material in materials):
            raise ValueError("one has no region, expected a region in each of several materials")
        return materials

    @property
    def output_every(self) -> float:
        """Time between two records [s]."""
        return self.time.end / 50 if self.output.every is None else self.output.every

    def as_toml(self) -> str:
        """Return the case as resolved, in SI, as a text from which `read_case` makes it again."""
        tables: dict[str, Any] = self.model_dump(exclude_none=True)
        for table in tables["boundary"]:
            for kind in table.keys() & {"displacement", "velocity"}:
                table[kind] = ["free" if entry is None else entry for entry in table[kind]]
        return write_toml(tables)


def read_case(path: str | Path) -> Case:
    """Read a case file; the paths in it are relative to its folder.

    Raises:
        InputError: no such file, no TOML, or a key that is unknown, missing or has a bad value;
            also a mesh or material file that does not exist.
    """
    return read_table(Path(path), Case)
