"""Learned constitutive laws that come with a stable time step."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lipmat.cli.simulate import resume as resume
    from lipmat.experiments.dataset import read_dataset as read_dataset
    from lipmat.experiments.fit import fit as fit
    from lipmat.fem.body import Body as Body
    from lipmat.fem.loads import Gravity as Gravity
    from lipmat.fem.loads import Motion as Motion
    from lipmat.fem.loads import Pressure as Pressure
    from lipmat.fem.loads import Traction as Traction
    from lipmat.fem.loads import TractionField as TractionField
    from lipmat.fem.march import march as march
    from lipmat.fem.mass_scaling import requested_step as requested_step
    from lipmat.fem.step import critical_step as critical_step
    from lipmat.fem.wall import Cylinder as Cylinder
    from lipmat.fem.wall import Plane as Plane
    from lipmat.fem.wall import Wall as Wall
    from lipmat.materials.carroll import Carroll as Carroll
    from lipmat.materials.extended_tube import ExtendedTube as ExtendedTube
    from lipmat.materials.file import load as load
    from lipmat.materials.file import save as save
    from lipmat.materials.linear import LinearElastic as LinearElastic
    from lipmat.materials.polyconvex import PolyconvexStretch as PolyconvexStretch
    from lipmat.materials.pq import PQ as PQ
    from lipmat.materials.principal_values import PrincipalValues as PrincipalValues
    from lipmat.materials.ridge import Ridge as Ridge
    from lipmat.materials.tolerance import stress_tolerance as stress_tolerance
    from lipmat.plotting import plot_run as plot_run

_HOMES = {
    "read_dataset": "lipmat.experiments.dataset",
    "fit": "lipmat.experiments.fit",
    "save": "lipmat.materials.file",
    "load": "lipmat.materials.file",
    "LinearElastic": "lipmat.materials.linear",
    "PolyconvexStretch": "lipmat.materials.polyconvex",
    "Carroll": "lipmat.materials.carroll",
    "ExtendedTube": "lipmat.materials.extended_tube",
    "PrincipalValues": "lipmat.materials.principal_values",
    "PQ": "lipmat.materials.pq",
    "Ridge": "lipmat.materials.ridge",
    "stress_tolerance": "lipmat.materials.tolerance",
    "Body": "lipmat.fem.body",
    "critical_step": "lipmat.fem.step",
    "requested_step": "lipmat.fem.mass_scaling",
    "march": "lipmat.fem.march",
    "resume": "lipmat.cli.simulate",
    "Motion": "lipmat.fem.loads",
    "Traction": "lipmat.fem.loads",
    "TractionField": "lipmat.fem.loads",
    "Pressure": "lipmat.fem.loads",
    "Gravity": "lipmat.fem.loads",
    "Wall": "lipmat.fem.wall",
    "Plane": "lipmat.fem.wall",
    "Cylinder": "lipmat.fem.wall",
    "plot_run": "lipmat.plotting",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import lipmat`` is instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lipmat' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
