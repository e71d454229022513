"""The case file: what is simulated, read from TOML, checked, and turned into SI."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    field_validator,
    model_validator,
)

from lipmat.config.axes import AxesSpec
from lipmat.config.loads import BoundarySpec, GravitySpec, InitialSpec
from lipmat.config.mesh import MeshSpec
from lipmat.config.toml_writer import write_toml
from lipmat.errors import InputError
from lipmat.schema import (
    Density,
    FileOrFolder,
    Length,
    Name,
    Number,
    PositiveInt,
    PositiveNumber,
    PositiveTime,
    Table,
    read_bytes,
    read_table,
)


class MaterialSpec(Table):
    """A material and where it is.

    Attributes:
        file: the material file, or the folder of specimens that an ensemble runs one after the
            other, as an absolute path.
        density: of the reference state [kg/m^3].
        region: a named group of the mesh; None is everywhere.
        axes: material axes of a law that is not isotropic.
        conditions: of a law that depends on some, texts or numbers in the unit of the channel.
    """

    file: FileOrFolder
    density: Density
    region: Name | None = None
    axes: AxesSpec | None = None
    conditions: dict[str, StrictInt | StrictFloat | str] | None = None

    def specimen(self, number: int) -> Path:
        """Return the file of one specimen; a file that is none of a folder serves all of them."""
        if not self.file.is_dir():
            return self.file
        file = self.file / f"specimen-{number}.safetensors"
        if not file.is_file():
            raise InputError(
                f"{self.file}: there is no {file.name}, expected one of each specimen; draw more "
                "with: lipmat specimens DATASET --number N"
            )
        return file


class TimeSpec(Table):
    """How far, and with which step.

    Attributes:
        end: length of the simulation [s].
        level: what the certificate of the step covers; None is the strongest that the laws allow.
        viscosity: factor of the viscosity that belongs to the level; None is that of the largest
            step.
        safety: factor on the certified step, in (0, 1].
        step: the step that is asked for [s]; None is the certified one.
        mass_scaling: whether mass is added where the step that is asked for needs it.
        check_every: steps between two checks of domain, energy and cells; up to half as many more
            where an output or a bound is near.
        energy_warning: relative error of the energy account from which the run warns.
        energy_limits: errors that end the run, the negative one where energy vanished and the
            positive one where it came from nowhere.
        verify: evaluate the function that the certificate says cannot rise.
        sharp: let the step follow bounds at the present state, where a law allows it.
    """

    end: PositiveTime
    level: Literal["linearised", "convex", "energy"] | None = None
    viscosity: Number | None = None
    safety: PositiveNumber = 1.0
    step: PositiveTime | None = None
    mass_scaling: StrictBool = False
    check_every: PositiveInt = 20
    energy_warning: PositiveNumber = 0.01
    energy_limits: tuple[Number, Number] = (-0.1, 0.1)
    verify: StrictBool = False
    sharp: StrictBool = True

    @field_validator("energy_limits")
    @classmethod
    def _around_zero(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if not limits[0] < 0.0 < limits[1]:
            raise ValueError("expected a negative and a positive number")
        return limits

    @field_validator("safety")
    @classmethod
    def _at_most_one(cls, safety: float) -> float:
        if safety > 1.0:
            raise ValueError("expected at most 1")
        return safety

    @model_validator(mode="after")
    def _scaled_to_a_step(self) -> TimeSpec:
        if self.mass_scaling and self.step is None:
            raise ValueError("mass_scaling: found true without a step, expected the step [s] too")
        return self


class OutputSpec(Table):
    """What a run leaves.

    Attributes:
        every: time between two records [s]; None is a fiftieth of the end (`Case.output_every`).
        picture: whether pictures are made.
        movie: whether a movie is made.
        probes: points whose motion is recorded [m].
        restart: time between two restart files, by the clock on the wall [s].
        parallel: whether every rank writes its own part of the fields.
    """

    every: PositiveTime | None = None
    picture: StrictBool = True
    movie: StrictBool = False
    probes: tuple[tuple[Length, Length, Length], ...] = ()
    restart: PositiveTime = 30.0
    parallel: StrictBool = False


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

    def identity(self) -> str:
        """Return the SHA-256 of all that shapes the motion and its records.

        Files count by what they hold, wherever they are. Title, pictures, the time between restart
        files and the limits of the energy account do not count: a resumed run may change them.
        """
        free: dict[str, Any] = {
            "title": True,
            "time": {"energy_warning", "energy_limits"},
            "output": {"picture", "movie", "restart", "parallel"},  # march looks after the last
        }
        content = _by_content(self.model_dump(exclude=free))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def of_specimen(self, number: int) -> Case:
        """Return the case of one specimen, counted from 1: folders give way to its files.

        Raises:
            InputError: no material is a folder, or one of them has no such specimen.
        """
        if not any(m.file.is_dir() for m in self.materials):
            raise InputError(
                f"[[materials]] file: found {self.materials[0].file.name!r}, expected a folder of "
                "specimens; draw them with: lipmat specimens DATASET"
            )
        materials = tuple(m.model_copy(update={"file": m.specimen(number)}) for m in self.materials)
        return self.model_copy(update={"materials": materials})

    def as_toml(self) -> str:
        """Return the case as resolved, in SI, as a text from which `read_case` makes it again."""
        tables: dict[str, Any] = self.model_dump(exclude_none=True)
        for table in tables["boundary"]:
            for kind in table.keys() & {"displacement", "velocity"}:
                table[kind] = ["free" if entry is None else entry for entry in table[kind]]
        return write_toml(tables)


def _by_content(value: Any) -> Any:
    """Return a value with the hashes of its files in place of their paths."""
    if isinstance(value, Path):
        return hashlib.sha256(read_bytes(value)).hexdigest()
    if isinstance(value, Mapping):
        return {key: _by_content(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_by_content(entry) for entry in value]
    return value


def read_case(path: str | Path) -> Case:
    """Read a case file; the paths in it are relative to its folder.

    Raises:
        InputError: no such file, no TOML, or a key that is unknown, missing or has a bad value;
            also a mesh or material file that does not exist.
    """
    return read_table(Path(path), Case)
