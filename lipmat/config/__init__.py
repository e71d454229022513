"""The case file: what is simulated, read from TOML, checked, and turned into SI."""

from lipmat.config.case import Case, MaterialSpec, OutputSpec, TimeSpec, read_case
from lipmat.config.loads import BoundarySpec, GravitySpec, InitialSpec
from lipmat.config.mesh import BoxSpec, MeshSpec, parse_mesh

__all__ = [
    "BoundarySpec",
    "BoxSpec",
    "Case",
    "GravitySpec",
    "InitialSpec",
    "MaterialSpec",
    "MeshSpec",
    "OutputSpec",
    "TimeSpec",
    "parse_mesh",
    "read_case",
]
